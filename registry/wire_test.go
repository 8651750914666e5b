package registry_test

import (
	"encoding/base64"
	"encoding/hex"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/karafgo/karafgo/registry"
)

const (
	orderV1 = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"string"},{"name":"cents","type":"long"}]}`
	orderV2 = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"string"},{"name":"cents","type":"long"},
		{"name":"currency","type":"string","default":"EUR"}]}`
)

type Order struct {
	ID    string `avro:"id" json:"id"`
	Cents int64  `avro:"cents" json:"cents"`
}

type OrderV2 struct {
	ID       string `avro:"id"`
	Cents    int64  `avro:"cents"`
	Currency string `avro:"currency"`
}

func avroSchema(text string) sr.Schema { return sr.Schema{Schema: text, Type: sr.TypeAvro} }

// descriptor is the file of a generated message as registries have it.
func descriptor(m proto.Message) string {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(protodesc.ToFileDescriptorProto(m.ProtoReflect().Descriptor().ParentFile()))
	Expect(err).NotTo(HaveOccurred())
	return base64.StdEncoding.EncodeToString(data)
}

func unhex(s string) []byte {
	data, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	Expect(err).NotTo(HaveOccurred())
	return data
}

// What Confluent's documentation says about the wire format: byte 0 is 0, bytes 1 to 4 are the id, big-endian, the payload follows. For Protobuf the
// message indexes come before it: their number, then each, as zigzag varints, and 0 alone for the first message of the file.
var _ = Describe("The wire format", func() {
	It("of Avro is zero, id, binary encoding", func() {
		s, schemas := serve()
		s.SeedSchema("orders-value", 1, 0x01020304, avroSchema(orderV1))
		codec, err := schemas.Avro("orders-value", orderV1)
		Expect(err).NotTo(HaveOccurred())
		data, err := codec.Encode(Order{ID: "A7", Cents: 640})
		Expect(err).NotTo(HaveOccurred())
		Expect(data).To(Equal(unhex("00 01020304 04 4137 800a"))) // length 2 and 640, both zigzag
		var back Order
		Expect(codec.Decode(data, &back)).To(Succeed())
		Expect(back).To(Equal(Order{ID: "A7", Cents: 640}))
		Expect(codec.ID()).To(Equal(0x01020304))
	})

	It("of an Avro key is the same", func() {
		s, schemas := serve()
		s.SeedSchema("orders-key", 1, 5, avroSchema(`"string"`))
		codec, err := schemas.Avro(registry.KeySubject("orders"), `"string"`)
		Expect(err).NotTo(HaveOccurred())
		Expect(codec.Encode("A7")).To(Equal(unhex("00 00000005 04 4137")))
		var key string
		Expect(codec.Decode(unhex("00 00000005 04 4137"), &key)).To(Succeed())
		Expect(key).To(Equal("A7"))
	})

	DescribeTable("of Protobuf has the position of the message between", func(m, into proto.Message, want string) {
		s, schemas := serve()
		s.SeedSchema("m-value", 1, 7, sr.Schema{Schema: descriptor(m), Type: sr.TypeProtobuf})
		codec, err := schemas.Protobuf(registry.ValueSubject("m"), m)
		Expect(err).NotTo(HaveOccurred())
		data, err := codec.Encode(m)
		Expect(err).NotTo(HaveOccurred())
		Expect(data).To(Equal(unhex(want)))
		Expect(codec.Decode(data, into)).To(Succeed())
		Expect(proto.Equal(into, m)).To(BeTrue())
	},
		Entry("[0], shortened", &dto.LabelPair{Name: new("a")}, &dto.LabelPair{}, "00 00000007 00 0a0161"),
		Entry("[1]", &dto.Gauge{Value: new(0.0)}, &dto.Gauge{}, "00 00000007 02 02 090000000000000000"),
		Entry("[2 0]", &descriptorpb.DescriptorProto_ExtensionRange{Start: new(int32(3))}, &descriptorpb.DescriptorProto_ExtensionRange{},
			"00 00000007 04 04 00 0803"),
		Entry("an empty message", &dto.LabelPair{}, &dto.LabelPair{}, "00 00000007 00"),
	)

	It("of Protobuf may spell out the first position", func() {
		s, schemas := serve()
		s.SeedSchema("m-value", 1, 7, sr.Schema{Schema: descriptor(&dto.LabelPair{}), Type: sr.TypeProtobuf})
		codec, err := schemas.Protobuf("m-value", &dto.LabelPair{})
		Expect(err).NotTo(HaveOccurred())
		var m *dto.LabelPair
		Expect(codec.Decode(unhex("00 00000007 02 00 0a0161"), &m)).To(Succeed())
		Expect(m.GetName()).To(Equal("a"))
	})

	It("of JSON is zero, id, text", func() {
		s, schemas := serve()
		s.SeedSchema("orders-value", 1, 9, sr.Schema{Schema: `{"type":"object"}`, Type: sr.TypeJSON})
		codec, err := schemas.JSON("orders-value", `{"type":"object"}`)
		Expect(err).NotTo(HaveOccurred())
		data, err := codec.Encode(Order{ID: "A", Cents: 1})
		Expect(err).NotTo(HaveOccurred())
		Expect(data).To(Equal(append(unhex("00 00000009"), `{"id":"A","cents":1}`...)))
		asked := len(s.asked())
		var back Order
		Expect(codec.Decode(data, &back)).To(Succeed())
		Expect(back).To(Equal(Order{ID: "A", Cents: 1}))
		Expect(s.asked()).To(HaveLen(asked), "reading JSON asks for nothing")
	})

	DescribeTable("that is another one is named", func(data []byte, text string) {
		_, schemas := serve()
		codec, err := schemas.Avro("orders-value", orderV1)
		Expect(err).NotTo(HaveOccurred())
		err = codec.Decode(data, &Order{})
		Expect(err).To(MatchError(registry.ErrWireFormat))
		Expect(err).To(MatchError(text))
	},
		Entry("plain JSON", []byte(`{"id":"A"}`), "not in the schema registry's wire format: the first byte is 0x7b and not 0"),
		Entry("too short", []byte{0, 0, 0, 1}, "not in the schema registry's wire format: 4 bytes, and its header alone has 5"),
		Entry("nothing", []byte{}, "not in the schema registry's wire format: 0 bytes, and its header alone has 5"),
	)
})
