package registry_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/registry"
)

func avroCodec(schemas *registry.Registry, text string, opts ...registry.CodecOption) *registry.Codec {
	codec, err := schemas.Avro("orders-value", text, opts...)
	Expect(err).NotTo(HaveOccurred())
	return codec
}

func protoCodec(schemas *registry.Registry, m proto.Message, opts ...registry.CodecOption) *registry.Codec {
	codec, err := schemas.Protobuf("m-value", m, opts...)
	Expect(err).NotTo(HaveOccurred())
	return codec
}

var _ = Describe("Reading Avro", func() {
	written := func(s *server, id int, text string, v any) []byte {
		s.SeedSchema("orders-value", id, id, avroSchema(text))
		data, err := avroCodec(registry.New(s.client()), text).Encode(v)
		Expect(err).NotTo(HaveOccurred())
		return data
	}

	It("skips what a newer writer added", func() {
		s, schemas := serve()
		data := written(s, 2, orderV2, OrderV2{"A", 640, "USD"})
		var got Order
		Expect(avroCodec(schemas, orderV1).Decode(data, &got)).To(Succeed())
		Expect(got).To(Equal(Order{"A", 640}))
	})

	It("takes defaults for what an older writer did not have", func() {
		s, schemas := serve()
		data := written(s, 1, orderV1, Order{"A", 640})
		var got OrderV2
		Expect(avroCodec(schemas, orderV2).Decode(data, &got)).To(Succeed())
		Expect(got).To(Equal(OrderV2{"A", 640, "EUR"}))
	})

	It("fails permanently when the schemas do not go together, and names the field", func() {
		s, schemas := serve()
		data := written(s, 3, orderV1, Order{"A", 640})
		codec := avroCodec(schemas, `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"sku","type":"string"}]}`)
		var got struct {
			SKU string `avro:"sku"`
		}
		err := codec.Decode(data, &got)
		Expect(err).To(MatchError(And(HavePrefix("schema 3: "), ContainSubstring("sku"))))
		Expect(err).NotTo(MatchError(consumer.ErrTemporary))
		asked := len(s.asked())
		Expect(codec.Decode(data, &got)).To(MatchError(err))
		Expect(s.asked()).To(HaveLen(asked), "the outcome is kept")
	})

	It("fails on bytes that are cut short or left over, at whatever place", func() {
		s, schemas := serve()
		data := written(s, 1, orderV1, Order{"A", 640})
		codec := avroCodec(schemas, orderV1)
		for n := 5; n < len(data); n++ {
			Expect(codec.Decode(data[:n], &Order{})).NotTo(Succeed(), "%d bytes", n)
		}
		Expect(codec.Decode(append(data, 1), &Order{})).To(MatchError("schema 1: 1 bytes are left over behind the value"))
	})

	It("fails on a schema of another type", func() {
		s, schemas := serve()
		s.SeedSchema("m-value", 1, 4, sr.Schema{Schema: descriptor(&dto.LabelPair{}), Type: sr.TypeProtobuf})
		Expect(avroCodec(schemas, orderV1).Decode(unhex("00 00000004 00"), &Order{})).
			To(MatchError("schema 4: it is of type PROTOBUF and not AVRO"))
	})

	It("follows what the writer's schema refers to", func() {
		s, schemas := serve()
		s.SeedSchema("currency", 1, 1, avroSchema(`{"type":"enum","name":"Currency","namespace":"shop","symbols":["EUR","USD"]}`))
		price := avroSchema(`{"type":"record","name":"Price","namespace":"shop","fields":[{"name":"in","type":"shop.Currency"}]}`)
		price.References = []sr.SchemaReference{{Name: "shop.Currency", Subject: "currency", Version: 1}}
		s.SeedSchema("price", 1, 2, price)
		order := avroSchema(`{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"string"},{"name":"price","type":"shop.Price"}]}`)
		order.References = []sr.SchemaReference{{Name: "shop.Price", Subject: "price", Version: 1}}
		s.SeedSchema("orders-value", 1, 3, order)
		codec := avroCodec(schemas, `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"price","type":
			{"type":"record","name":"Price","fields":[{"name":"in","type":{"type":"enum","name":"Currency","symbols":["EUR","USD"]}}]}}]}`)
		var got map[string]any
		Expect(codec.Decode(unhex("00 00000003 02 41 02"), &got)).To(Succeed())
		Expect(got).To(Equal(map[string]any{"price": map[string]any{"in": "USD"}}))
	})

	It("takes pointers and maps, and a tombstone stays nil", func() {
		s, schemas := serve()
		codec := avroCodec(schemas, orderV1)
		m := consumer.NewMessage(&kgo.Record{Value: written(s, 1, orderV1, &Order{"A", 640})}, nil)
		var pointer *Order
		Expect(consumer.Decode(codec, &m, &pointer)).To(Succeed())
		Expect(pointer).To(Equal(&Order{"A", 640}))
		var values map[string]any
		Expect(consumer.Decode(codec, &m, &values)).To(Succeed())
		Expect(values).To(Equal(map[string]any{"id": "A", "cents": int64(640)}))
		m.Value, pointer = nil, nil
		Expect(consumer.Decode(codec, &m, &pointer)).To(Succeed())
		Expect(pointer).To(BeNil())
	})

	It("needs a schema that is valid", func() {
		_, schemas := serve()
		_, err := schemas.Avro("orders-value", `{"type":"order"}`)
		Expect(err).To(MatchError(HavePrefix(`parse avro schema for subject "orders-value": `)))
		_, err = schemas.JSON("orders-value", `{`)
		Expect(err).To(MatchError(`parse json schema for subject "orders-value": not valid JSON`))
		_, err = schemas.Protobuf("m-value", nil)
		Expect(err).To(MatchError(ContainSubstring("give a typed nil pointer")))
	})
})

var _ = Describe("Reading Protobuf", func() {
	const reordered = `syntax = "proto2"; package io.prometheus.client;
		// The writer's file begins with another message, and imports what nobody here has.
		import "elsewhere.proto";
		message First { optional elsewhere.Thing thing = 1; }
		message LabelPair { optional string name = 1; optional string value = 2; optional string added = 3; }`

	It("finds the message where the writer's file has it, and skips fields it does not know", func() {
		s, schemas := serve()
		s.SeedSchema("m-value", 1, 7, sr.Schema{Schema: reordered, Type: sr.TypeProtobuf})
		var m *dto.LabelPair
		Expect(protoCodec(schemas, m).Decode(unhex("00 00000007 02 02 0a0161 1a0162"), &m)).To(Succeed())
		Expect(m.GetName()).To(Equal("a"))
	})

	DescribeTable("fails permanently", func(schema, data string, into any, text string) {
		s, schemas := serve()
		s.SeedSchema("m-value", 1, 7, sr.Schema{Schema: schema, Type: sr.TypeProtobuf})
		err := protoCodec(schemas, &dto.LabelPair{}).Decode(unhex(data), into)
		Expect(err).To(MatchError(HavePrefix("schema 7: " + text)))
		Expect(err).NotTo(MatchError(consumer.ErrTemporary))
	},
		Entry("for another message", reordered, "00 00000007 00 0a0161", &dto.LabelPair{},
			"it holds io.prometheus.client.First and not io.prometheus.client.LabelPair"),
		Entry("for a position that the file does not have", reordered, "00 00000007 02 08", &dto.LabelPair{}, "it holds a message at position [4], which"),
		Entry("for a position below zero", reordered, "00 00000007 02 01", &dto.LabelPair{}, "it holds a message at position [-1], which"),
		Entry("for too many positions", reordered, "00 00000007 feffffff0f", &dto.LabelPair{}, "not in the schema registry's wire format: "),
		Entry("without a position", reordered, "00 00000007", &dto.LabelPair{}, "not in the schema registry's wire format: "),
		Entry("when the file has no such message", `syntax = "proto3"; package other; message LabelPair {}`, "00 00000007 00", &dto.LabelPair{},
			"it has no message io.prometheus.client.LabelPair"),
		Entry("when the file is none", `syntax = "proto9"; massage`, "00 00000007 00", &dto.LabelPair{}, "parse protobuf schema: "),
		Entry("when the bytes are broken", reordered, "00 00000007 02 02 0a05", &dto.LabelPair{}, "proto:"),
		Entry("into another message", reordered, "00 00000007 02 02 0a0161", &dto.Gauge{},
			"codec for io.prometheus.client.LabelPair got io.prometheus.client.Gauge"),
		Entry("into what is no message", reordered, "00 00000007 02 02 0a0161", new(string), "protobuf codec wants a pointer to a proto.Message, got *string"),
	)

	It("writes bytes that are the caller's own", func() {
		s, schemas := serve()
		s.SeedSchema("m-value", 1, 7, sr.Schema{Schema: descriptor(&dto.LabelPair{}), Type: sr.TypeProtobuf})
		codec := protoCodec(schemas, &dto.LabelPair{})
		first, err := codec.Encode(&dto.LabelPair{Name: new("")})
		Expect(err).NotTo(HaveOccurred())
		Expect(codec.Encode(&dto.LabelPair{Value: new("")})).To(Equal(unhex("00 00000007 00 1200")))
		Expect(first).To(Equal(unhex("00 00000007 00 0a00")))
	})

	It("writes only messages of its type", func() {
		s, schemas := serve()
		s.SeedSchema("m-value", 1, 7, sr.Schema{Schema: descriptor(&dto.LabelPair{}), Type: sr.TypeProtobuf})
		codec := protoCodec(schemas, &dto.LabelPair{})
		_, err := codec.Encode(&dto.Gauge{})
		Expect(err).To(MatchError("codec for io.prometheus.client.LabelPair got io.prometheus.client.Gauge"))
		_, err = codec.Encode((*dto.LabelPair)(nil))
		Expect(err).To(MatchError(ContainSubstring("got a nil pointer")))
		_, err = codec.Encode("x")
		Expect(err).To(MatchError("protobuf codec wants a proto.Message, got string"))
	})
})

var _ = Describe("Writing", func() {
	It("fails with subject and remedy when the schema is not registered, and retryably", func() {
		s, schemas := serve()
		codec := avroCodec(schemas, orderV1)
		_, err := codec.ID()
		Expect(err).To(MatchError(And(HavePrefix(`subject "orders-value": the subject does not have this schema: register it, or `),
			ContainSubstring("HTTP 404, code 40401"))))
		_, err = codec.Encode(Order{})
		Expect(err).To(MatchError(registry.ErrNotRegistered))
		Expect(err).To(MatchError(consumer.ErrTemporary))
		s.SeedSchema("orders-value", 1, 3, avroSchema(orderV1))
		Expect(codec.ID()).To(Equal(3), "once it is registered it is found")
	})

	It("registers its schema when it may", func() {
		s, schemas := serve()
		codec := avroCodec(schemas, orderV1, registry.Register())
		Expect(codec.Encode(Order{"A", 1})).To(Equal(unhex("00 00000001 02 41 02")))
		registered, ok := s.GetSchema("orders-value", 1)
		Expect(ok).To(BeTrue())
		Expect(registered.Schema.Schema).To(Equal(orderV1))
		Expect(codec.Encode(Order{"A", 1})).To(HaveLen(8))
		Expect(s.asked()).To(Equal([]string{"POST /subjects/orders-value/versions"}), "the id is kept")
	})

	It("registers the files that a Protobuf file imports, under their paths", func() {
		s, schemas := serve()
		message, path := importing()
		codec := protoCodec(schemas, message, registry.Register())
		Expect(codec.ID()).To(Equal(2))
		Expect(codec.Encode(message)).To(Equal(unhex("00 00000002 00")))
		registered, ok := s.GetSchema("m-value", 1)
		Expect(ok).To(BeTrue())
		Expect(registered.References).To(Equal([]sr.SchemaReference{{Name: path, Subject: path, Version: 1}}))
		Expect(protoCodec(schemas, message).ID()).To(Equal(2), "and finds them")
	})

	It("names the import that is not registered", func() {
		_, schemas := serve()
		message, path := importing()
		_, err := protoCodec(schemas, message).ID()
		Expect(err).To(And(MatchError(registry.ErrNotRegistered), MatchError(ContainSubstring(`subject "`+path+`", which it refers to`))))
	})

	It("uses the latest version on request", func() {
		s, schemas := serve()
		s.SeedSchema("orders-value", 1, 1, avroSchema(orderV1))
		s.SeedSchema("orders-value", 2, 2, avroSchema(orderV2))
		s.SeedSchema("m-value", 1, 7, sr.Schema{
			Schema: `syntax = "proto3"; package google.protobuf; message First {} message Duration { int64 seconds = 1; int32 nanos = 2; }`, Type: sr.TypeProtobuf,
		})
		codec := avroCodec(schemas, orderV1, registry.Latest())
		data, err := codec.Encode(map[string]any{"id": "A", "cents": 640})
		Expect(err).NotTo(HaveOccurred())
		Expect(data).To(Equal(unhex("00 00000002 02 41 800a 06 455552")), "EUR is the default of version 2")
		Expect(protoCodec(schemas, &durationpb.Duration{}, registry.Latest()).Encode(&durationpb.Duration{Seconds: 1})).
			To(Equal(unhex("00 00000007 02 02 0801")), "the position is that of the registered file")

		_, err = protoCodec(schemas, &dto.LabelPair{}, registry.Latest()).Encode(&dto.LabelPair{})
		Expect(err).To(And(MatchError(consumer.ErrTemporary), MatchError(HaveSuffix("it has no message io.prometheus.client.LabelPair"))))
	})

	It("fails permanently when the value does not fit the schema", func() {
		s, schemas := serve()
		s.SeedSchema("orders-value", 1, 1, avroSchema(orderV1))
		_, err := avroCodec(schemas, orderV1).Encode("text")
		Expect(err).To(HaveOccurred())
		Expect(err).NotTo(MatchError(consumer.ErrTemporary))
	})
})

// importing is a message whose file imports another, and the path of that one.
func importing() (proto.Message, string) {
	const path = "shop/price.proto"
	price, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new(path), Package: new("shop"), Syntax: new("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: new("Price")}},
	}, protoregistry.GlobalFiles)
	Expect(err).NotTo(HaveOccurred())
	files := &protoregistry.Files{}
	Expect(files.RegisterFile(price)).To(Succeed())
	Expect(files.RegisterFile(durationpb.File_google_protobuf_duration_proto)).To(Succeed())
	order, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new("shop/order.proto"), Package: new("shop"), Syntax: new("proto3"),
		Dependency:  []string{path, "google/protobuf/duration.proto"},
		MessageType: []*descriptorpb.DescriptorProto{{Name: new("Order")}},
	}, files)
	Expect(err).NotTo(HaveOccurred())
	return dynamicpb.NewMessage(order.Messages().Get(0)), path
}
