package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
)

var errBoom = errors.New("boom")

func message(offset int64, value string) consumer.Message {
	return consumer.NewMessage(&kgo.Record{Topic: "a", Offset: offset, Value: []byte(value)}, nil)
}

func batch(values ...string) *consumer.Batch {
	msgs := make([]consumer.Message, len(values))
	for i, v := range values {
		msgs[i] = message(int64(i), v)
	}
	return consumer.NewBatch(msgs)
}

var _ = Describe("Message", func() {
	It("can be marked in a unit test without a delivery", func() {
		m := message(1, "x")
		Expect(m.Mark()).To(Succeed())
		Expect(m.MarkThrough()).To(Succeed())
		Expect(m.CommitThrough(context.Background())).To(Succeed())
		Expect(m.Attempt()).To(Equal(1))
		Expect(m.Assigned()).To(BeNil())
	})

	It("tells a tombstone from an empty value (F56)", func() {
		m := consumer.NewMessage(&kgo.Record{}, nil)
		Expect(m.Tombstone()).To(BeTrue())
		m = consumer.NewMessage(&kgo.Record{Value: []byte{}}, nil)
		Expect(m.Tombstone()).To(BeFalse())
	})

	It("returns the last header of a name", func() {
		m := consumer.NewMessage(&kgo.Record{Headers: []kgo.RecordHeader{{Key: "k", Value: []byte("1")}, {Key: "k", Value: []byte("2")}}}, nil)
		v, ok := m.Header("k")
		Expect(ok).To(BeTrue())
		Expect(string(v)).To(Equal("2"))
		_, ok = m.Header("other")
		Expect(ok).To(BeFalse())
	})
})

var _ = Describe("Batch", func() {
	It("takes messages out and remembers them over several links", func() {
		b := batch("0", "1", "2", "3")
		rest := b.Skip(func(m *consumer.Message) bool { return m.Offset == 1 }).Skip(func(m *consumer.Message) bool { return m.Offset == 3 })
		Expect(rest.Len()).To(Equal(2))
		Expect(rest.First().Offset).To(BeEquivalentTo(0))
		Expect(rest.Last().Offset).To(BeEquivalentTo(2))
		Expect(b.Skipped()).To(HaveLen(2))
		Expect(b.Len()).To(Equal(4), "the batch itself is as it was")
	})

	It("does not reach the handler when nothing is left", func() {
		reached := false
		all := func(next consumer.BatchHandler) consumer.BatchHandler {
			return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
				return next.HandleBatch(ctx, b.Skip(func(*consumer.Message) bool { return true }))
			})
		}
		h := consumer.Chain(consumer.BatchHandlerFunc(func(context.Context, *consumer.Batch) error { reached = true; return nil }), all)
		Expect(h.HandleBatch(context.Background(), batch("0"))).To(Succeed())
		Expect(reached).To(BeFalse())
	})
})

var _ = Describe("Verdicts", func() {
	m := message(7, "x")

	DescribeTable("are read from errors", func(err error, want consumer.Verdict) {
		Expect(consumer.VerdictOf(err)).To(Equal(want))
	},
		Entry("plain", errBoom, consumer.Verdict{}),
		Entry("nil", nil, consumer.Verdict{}),
		Entry("permanent", consumer.Permanent(errBoom), consumer.Verdict{Kind: consumer.KindPermanent}),
		Entry("wrapped", fmt.Errorf("while pricing: %w", consumer.Skip(errBoom)), consumer.Verdict{Kind: consumer.KindSkip}),
		Entry("after", consumer.RetryAfter(time.Second, errBoom), consumer.Verdict{Kind: consumer.KindRetryAfter, After: time.Second}),
		Entry("negative delay", consumer.RetryAfter(-1, errBoom), consumer.Verdict{Kind: consumer.KindRetryAfter}),
		Entry("by position", consumer.FailedAt(&m, errBoom), consumer.Verdict{At: &m}),
		Entry("both", consumer.FailedAt(&m, consumer.Permanent(errBoom)), consumer.Verdict{Kind: consumer.KindPermanent, At: &m}),
	)

	It("keep nil nil, and the cause", func() {
		Expect(consumer.Permanent(nil)).To(Succeed())
		Expect(consumer.Skip(nil)).To(Succeed())
		Expect(consumer.RetryAfter(1, nil)).To(Succeed())
		Expect(consumer.FailedAt(&m, nil)).To(Succeed())
		Expect(consumer.FailedAt(&m, consumer.Permanent(errBoom))).To(MatchError(errBoom))
		Expect(consumer.FailedAt(&m, errBoom).Error()).To(Equal("record a/0@7: boom"))
		Expect(&consumer.PanicError{Value: errBoom}).To(MatchError(errBoom))
	})
})

type order struct {
	ID string `json:"id"`
}

var _ = Describe("Typed handlers", func() {
	It("decode, and leave a tombstone at its zero value", func() {
		var seen []string
		h := consumer.JSON(func(_ context.Context, o *consumer.Typed[order]) error { seen = append(seen, o.Payload.ID); return nil })
		m, tomb := message(0, `{"id":"x"}`), consumer.NewMessage(&kgo.Record{}, nil)
		Expect(h.Handle(context.Background(), &m)).To(Succeed())
		Expect(h.Handle(context.Background(), &tomb)).To(Succeed())
		Expect(seen).To(Equal([]string{"x", ""}))
	})

	It("fail permanently on what does not decode, without calling the function (F50)", func() {
		h := consumer.Value(func(context.Context, order) error { panic("called") })
		m := message(3, "{")
		err := h.Handle(context.Background(), &m)
		Expect(consumer.VerdictOf(err).Kind).To(Equal(consumer.KindPermanent))
		var bad *consumer.DecodeError
		Expect(errors.As(err, &bad)).To(BeTrue())
		Expect(bad.Error()).To(HavePrefix("decode json value of a/0@3: "))
	})

	It("give a batch up to the bad record, and fail that alone (F50)", func() {
		var seen []int
		h := consumer.JSONBatch(func(_ context.Context, b *consumer.TypedBatch[int]) error {
			seen = slices.Collect(b.Payloads())
			return nil
		})
		b := batch("1", "2", "{", "4")
		v := consumer.VerdictOf(h.HandleBatch(context.Background(), b))
		Expect(seen).To(Equal([]int{1, 2}))
		Expect(v.At).To(BeIdenticalTo(b.At(2)))
		Expect(v.Kind).To(Equal(consumer.KindPermanent))
	})

	It("refuse types that a codec does not know", func() {
		_, err := consumer.StringCodec.Encode(1)
		Expect(err).To(MatchError(ContainSubstring("wants a string, got int")))
		Expect(consumer.BytesCodec.Decode(nil, new(int))).To(MatchError(ContainSubstring("wants a *[]byte")))
	})
})
