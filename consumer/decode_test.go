package consumer_test

import (
	"context"
	"errors"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
)

// awayCodec is a codec whose service does not answer.
type awayCodec struct{ consumer.Codec }

var errAway = errors.New("registry away")

func (awayCodec) Name() string { return "away" }
func (awayCodec) Decode([]byte, any) error {
	return fmt.Errorf("schema 7: %w: %w", consumer.ErrTemporary, errAway)
}

var _ = Describe("A part of a message", func() {
	record := func(key, value []byte, headers ...kgo.RecordHeader) *consumer.Message {
		m := consumer.NewMessage(&kgo.Record{Topic: "orders", Partition: 2, Offset: 7, Key: key, Value: value, Headers: headers}, nil)
		return &m
	}

	It("is decoded with the codec that it was encoded with", func() {
		m := record([]byte("17"), []byte(`"tea"`), kgo.RecordHeader{Key: "n", Value: []byte("1")}, kgo.RecordHeader{Key: "n", Value: []byte("2")})
		var key, header int
		var value string
		Expect(consumer.DecodeKey(consumer.JSONCodec, m, &key)).To(Succeed())
		Expect(consumer.Decode(consumer.JSONCodec, m, &value)).To(Succeed())
		ok, err := consumer.DecodeHeader(consumer.JSONCodec, m, "n", &header)
		Expect(err).NotTo(HaveOccurred())
		Expect(ok).To(BeTrue())
		Expect([]any{key, value, header}).To(Equal([]any{17, "tea", 2}))
	})

	It("that is null leaves its target alone, and a header tells whether it is there", func() {
		m := record(nil, nil, kgo.RecordHeader{Key: "null"})
		n := 5
		Expect(consumer.DecodeKey(consumer.JSONCodec, m, &n)).To(Succeed())
		Expect(consumer.Decode(consumer.JSONCodec, m, &n)).To(Succeed())
		Expect(consumer.DecodeHeader(consumer.JSONCodec, m, "null", &n)).To(BeTrue())
		Expect(consumer.DecodeHeader(consumer.JSONCodec, m, "none", &n)).To(BeFalse())
		Expect(n).To(Equal(5))
	})

	It("that is empty is not null", func() {
		s := "before"
		Expect(consumer.DecodeKey(consumer.StringCodec, record([]byte{}, nil), &s)).To(Succeed())
		Expect(s).To(BeEmpty())
	})

	DescribeTable("that does not decode is named, and fails permanently", func(decode func(*consumer.Message) error, part, text string) {
		err := decode(record([]byte("{"), []byte("{"), kgo.RecordHeader{Key: "n", Value: []byte("{")}))
		Expect(err).To(MatchError(text))
		Expect(consumer.VerdictOf(err).Kind).To(Equal(consumer.KindPermanent))
		var bad *consumer.DecodeError
		Expect(errors.As(err, &bad)).To(BeTrue())
		Expect(bad.Part).To(Equal(part))
	},
		Entry("key", func(m *consumer.Message) error { return consumer.DecodeKey(consumer.JSONCodec, m, new(int)) },
			"key", "decode json key of orders/2@7: unexpected end of JSON input"),
		Entry("value", func(m *consumer.Message) error { return consumer.Decode(consumer.JSONCodec, m, new(int)) },
			"value", "decode json value of orders/2@7: unexpected end of JSON input"),
		Entry("header", func(m *consumer.Message) error {
			_, err := consumer.DecodeHeader(consumer.JSONCodec, m, "n", new(int))
			return err
		}, `header "n"`, `decode json header "n" of orders/2@7: unexpected end of JSON input`),
	)

	It("is the value in a DecodeError that does not say", func() {
		Expect(&consumer.DecodeError{Topic: "t", Codec: "json", Err: errAway}).To(MatchError("decode json value of t/0@0: registry away"))
	})

	It("that cannot be decoded now is retried, and is no decode failure", func(ctx SpecContext) {
		h := consumer.Decoded(awayCodec{}, func(context.Context, *consumer.Typed[int]) error { return nil })
		err := h.Handle(ctx, record(nil, []byte("x")))
		Expect(err).To(MatchError("decode away value of orders/2@7: schema 7: temporary failure of the codec: registry away"))
		Expect(err).To(MatchError(errAway))
		Expect(consumer.VerdictOf(err).Kind).To(Equal(consumer.KindRetry))
		var bad *consumer.DecodeError
		Expect(errors.As(err, &bad)).To(BeFalse(), "steps for payloads that do not decode would take it")

		_, err = consumer.DecodeBatch[int](awayCodec{}, consumer.NewBatch([]consumer.Message{*record(nil, []byte("x"))}))
		Expect(consumer.VerdictOf(err)).To(HaveField("Kind", consumer.KindRetry))
		Expect(consumer.VerdictOf(err)).To(HaveField("At.Offset", int64(7)))
	})
})
