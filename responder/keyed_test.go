package responder_test

import (
	"errors"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
)

var keyed = responder.NewKeyedTopic[int, string]("prices", consumer.JSONCodec, consumer.StringCodec)

// awayCodec is a codec whose service does not answer.
type awayCodec struct{ consumer.Codec }

func (awayCodec) Name() string { return "away" }
func (awayCodec) Encode(any) ([]byte, error) {
	return nil, fmt.Errorf("%w: %w", consumer.ErrTemporary, errBoom)
}

var _ = Describe("A topic with typed keys", func() {
	It("encodes key, value and headers, each with its codec", func() {
		d := &recorder{}
		m := consumer.NewMessage(&kgo.Record{Value: []byte("1")}, d)
		h := writing(func(w *responder.Writer) error {
			return errors.Join(
				keyed.Send(w, 7, "640", responder.HeaderOf("by", consumer.JSONCodec, []int{1, 2}), responder.Header("raw", []byte("x"))),
				keyed.Tombstone(w, 8, responder.HeaderOf("why", consumer.StringCodec, "gone")),
			)
		}, keyed.Required())
		Expect(h.Handle(ctx, &m)).To(Succeed())
		Expect(d.records).To(Equal([]*kgo.Record{
			{
				Topic: "prices", Partition: -1, Key: []byte("7"), Value: []byte("640"),
				Headers: []kgo.RecordHeader{{Key: "by", Value: []byte("[1,2]")}, {Key: "raw", Value: []byte("x")}},
			},
			{Topic: "prices", Partition: -1, Key: []byte("8"), Headers: []kgo.RecordHeader{{Key: "why", Value: []byte("gone")}}},
		}))
		Expect(d.records[1].Value).To(BeNil())
	})

	It("declares its outputs as other topics do", func() {
		Expect(keyed.Name()).To(Equal("prices"))
		Expect(keyed.Optional()).To(Equal(consumer.Output{Topic: "prices"}))
		Expect(keyed.Required()).To(Equal(consumer.Output{Topic: "prices", Required: true}))
		Expect(keyed.Sync()).To(Equal(consumer.Output{Topic: "prices", Sync: true}))
	})

	functions := responder.NewKeyedTopic[func(), func()]("prices", consumer.JSONCodec, consumer.JSONCodec)
	ints := responder.NewTopic[int]("prices", consumer.JSONCodec)
	away := responder.NewKeyedTopic[int, int]("prices", awayCodec{}, consumer.JSONCodec)
	DescribeTable("fails when a part does not encode, and writes nothing",
		func(send func(w *responder.Writer) error, kind consumer.Kind, text string) {
			d := &recorder{}
			m := consumer.NewMessage(&kgo.Record{Value: []byte("1")}, d)
			err := writing(send, keyed.Optional()).Handle(ctx, &m)
			Expect(err).To(MatchError(HavePrefix(text)))
			Expect(consumer.VerdictOf(err).Kind).To(Equal(kind))
			Expect(d.records).To(BeEmpty())
		},
		Entry("the key", func(w *responder.Writer) error { return functions.Send(w, nil, nil) },
			consumer.KindPermanent, `encode json key for topic "prices": `),
		Entry("the key of a tombstone", func(w *responder.Writer) error { return functions.Tombstone(w, nil) },
			consumer.KindPermanent, `encode json key for topic "prices": `),
		Entry("a header", func(w *responder.Writer) error {
			return ints.Send(w, nil, 1, responder.HeaderOf("f", consumer.JSONCodec, func() {}))
		}, consumer.KindPermanent, `encode json header "f" for topic "prices": `),
		Entry("the key, now", func(w *responder.Writer) error { return away.Send(w, 1, 1) },
			consumer.KindRetry, `encode away key for topic "prices": temporary failure of the codec: boom`),
		Entry("the value, now", func(w *responder.Writer) error {
			return responder.NewTopic[int]("prices", awayCodec{}).Send(w, nil, 1)
		}, consumer.KindRetry, `encode away value for topic "prices": temporary failure of the codec: boom`),
		Entry("a header, now", func(w *responder.Writer) error {
			return ints.Send(w, nil, 1, responder.HeaderOf("h", awayCodec{}, 1))
		}, consumer.KindRetry, `encode away header "h" for topic "prices": temporary failure of the codec: boom`),
	)
})
