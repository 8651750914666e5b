package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
)

// fakeDelivery notes what messages ask of it.
type fakeDelivery struct {
	calls []string
	err   error
}

type fakePartition struct{ consumer.Partition }

func (*fakeDelivery) Attempt() int                 { return 3 }
func (*fakeDelivery) Assigned() consumer.Partition { return fakePartition{} }
func (d *fakeDelivery) Mark(rec *kgo.Record, through bool) error {
	d.calls = append(d.calls, fmt.Sprintf("mark %d through %t", rec.Offset, through))
	return d.err
}

func (d *fakeDelivery) CommitThrough(_ context.Context, rec *kgo.Record) error {
	d.calls = append(d.calls, fmt.Sprintf("commit %d", rec.Offset))
	return d.err
}
func (*fakeDelivery) Send(_ context.Context, _, _ *kgo.Record, _ bool) error { return nil }

var _ = Describe("A message with a delivery", func() {
	It("asks it, and returns its errors", func(ctx SpecContext) {
		d := &fakeDelivery{err: offsets.ErrRevoked}
		m := consumer.NewMessage(&kgo.Record{Offset: 4}, d)
		Expect(m.Mark()).To(MatchError(offsets.ErrRevoked))
		Expect(m.MarkThrough()).To(MatchError(offsets.ErrRevoked))
		Expect(m.CommitThrough(ctx)).To(MatchError(offsets.ErrRevoked))
		Expect(d.calls).To(Equal([]string{"mark 4 through false", "mark 4 through true", "commit 4"}))
		Expect(m.Attempt()).To(Equal(3))
		Expect(m.Assigned()).To(Equal(fakePartition{}))
		Expect(m.Delivery()).To(BeIdenticalTo(d))
	})
})

var _ = Describe("Chain", func() {
	var calls []string
	named := func(name string) consumer.Middleware {
		return func(next consumer.BatchHandler) consumer.BatchHandler {
			return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
				calls = append(calls, name)
				err := next.HandleBatch(ctx, b)
				calls = append(calls, "after "+name)
				return err
			})
		}
	}
	end := consumer.BatchHandlerFunc(func(context.Context, *consumer.Batch) error {
		calls = append(calls, "handler")
		return errBoom
	})
	BeforeEach(func() { calls = nil })

	It("runs the first middleware outermost and returns the handler's error", func(ctx SpecContext) {
		err := consumer.Chain(end, named("a"), named("b")).HandleBatch(ctx, batch("0"))
		Expect(err).To(BeIdenticalTo(errBoom))
		Expect(calls).To(Equal([]string{"a", "b", "handler", "after b", "after a"}))
	})

	It("is the handler itself without middleware", func(ctx SpecContext) {
		Expect(consumer.Chain(end).HandleBatch(ctx, batch("0"))).To(BeIdenticalTo(errBoom))
		Expect(calls).To(Equal([]string{"handler"}))
	})

	It("ends before the next link, not only before the handler, when nothing is left", func(ctx SpecContext) {
		none := func(next consumer.BatchHandler) consumer.BatchHandler {
			return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
				return next.HandleBatch(ctx, b.Skip(func(*consumer.Message) bool { return true }))
			})
		}
		b := batch("0", "1")
		Expect(consumer.Chain(end, named("a"), none, named("b")).HandleBatch(ctx, b)).To(Succeed())
		Expect(calls).To(Equal([]string{"a", "after a"}))
		Expect(b.Skipped()).To(HaveLen(2))
	})
})

var _ = Describe("Ranging", func() {
	It("over a batch goes in order and can be left", func() {
		var seen []int64
		for i, m := range batch("a", "b", "c").All() {
			if i == 2 {
				break
			}
			seen = append(seen, m.Offset)
		}
		Expect(seen).To(Equal([]int64{0, 1}))
	})

	It("gives the batch's own messages, which FailedAt names", func() {
		b := batch("a", "b")
		for i, m := range b.All() {
			Expect(m).To(BeIdenticalTo(b.At(i)))
		}
	})

	It("over a typed batch goes in order and can be left", func() {
		typed, err := consumer.DecodeBatch[int](consumer.JSONCodec, batch("1", "2", "3"))
		Expect(err).NotTo(HaveOccurred())
		Expect(typed.Len()).To(Equal(3))
		Expect(typed.At(1).Payload).To(Equal(2))
		Expect(typed.Last().Offset).To(BeEquivalentTo(2))
		var seen []int
		for _, m := range typed.All() {
			seen = append(seen, m.Payload)
			break
		}
		for p := range typed.Payloads() {
			seen = append(seen, p)
			break
		}
		Expect(seen).To(Equal([]int{1, 1}))
	})

	It("starts anew in a batch that is used again", func() {
		b := batch("a")
		b.Skip(func(*consumer.Message) bool { return true })
		b.Reset([]consumer.Message{message(5, "x")})
		Expect(b.Skipped()).To(BeEmpty())
		Expect(b.First().Offset).To(BeEquivalentTo(5))
		Expect(b.First()).To(BeIdenticalTo(b.Last()))
	})
})

var _ = Describe("Codecs", func() {
	DescribeTable("turn values into bytes and back", func(codec consumer.Codec, name string, value any, data string, into func() (any, func() any)) {
		Expect(codec.Name()).To(Equal(name))
		encoded, err := codec.Encode(value)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(encoded)).To(Equal(data))
		target, read := into()
		Expect(codec.Decode(encoded, target)).To(Succeed())
		Expect(read()).To(Equal(value))
	},
		Entry("json", consumer.JSONCodec, "json", order{"x"}, `{"id":"x"}`, func() (any, func() any) { v := order{}; return &v, func() any { return v } }),
		Entry("string", consumer.StringCodec, "string", "x", "x", func() (any, func() any) { v := ""; return &v, func() any { return v } }),
		Entry("bytes", consumer.BytesCodec, "bytes", []byte("x"), "x", func() (any, func() any) { v := []byte(nil); return &v, func() any { return v } }),
	)

	It("refuse other types by name", func() {
		_, err := consumer.BytesCodec.Encode("x")
		Expect(err).To(MatchError("bytes codec wants a []byte, got string"))
		Expect(consumer.StringCodec.Decode(nil, new(int))).To(MatchError("string codec wants a *string, got *int"))
	})

	It("keep a string apart from the record's bytes", func() {
		data, s := []byte("abc"), ""
		Expect(consumer.StringCodec.Decode(data, &s)).To(Succeed())
		data[0] = 'x'
		Expect(s).To(Equal("abc"))
	})
})

var _ = Describe("Typed handlers and verdicts", func() {
	It("return the function's error as it is", func(ctx SpecContext) {
		m := message(0, "1")
		Expect(consumer.Value(func(context.Context, int) error { return errBoom }).Handle(ctx, &m)).To(BeIdenticalTo(errBoom))
		h := consumer.JSONBatch(func(context.Context, *consumer.TypedBatch[int]) error { return errBoom })
		Expect(h.HandleBatch(ctx, batch("1", "2"))).To(BeIdenticalTo(errBoom))
	})

	It("put the function's failure before that of a later payload (F50)", func(ctx SpecContext) {
		h := consumer.JSONBatch(func(_ context.Context, b *consumer.TypedBatch[int]) error {
			return consumer.FailedAt(b.At(0).Message, errBoom)
		})
		b := batch("1", "{")
		err := h.HandleBatch(ctx, b)
		Expect(err).To(MatchError(errBoom))
		Expect(consumer.VerdictOf(err).At).To(BeIdenticalTo(b.At(0)))
	})

	It("do not call the function when the first payload of a batch is bad (F50)", func(ctx SpecContext) {
		h := consumer.JSONBatch(func(context.Context, *consumer.TypedBatch[int]) error { panic("called") })
		b := batch("{", "1")
		Expect(consumer.VerdictOf(h.HandleBatch(ctx, b))).To(Equal(consumer.Verdict{Kind: consumer.KindPermanent, At: b.At(0)}))
	})

	It("take an empty value for a bad payload and a tombstone for none (F56)", func(ctx SpecContext) {
		empty := message(0, "")
		h := consumer.JSON(func(_ context.Context, m *consumer.Typed[*order]) error {
			Expect(m.Tombstone()).To(BeTrue())
			Expect(m.Payload).To(BeNil())
			return nil
		})
		Expect(consumer.VerdictOf(h.Handle(ctx, &empty)).Kind).To(Equal(consumer.KindPermanent))
		tomb := consumer.NewMessage(&kgo.Record{}, nil)
		Expect(h.Handle(ctx, &tomb)).To(Succeed())

		typed, err := consumer.DecodeBatch[*order](consumer.JSONCodec, consumer.NewBatch([]consumer.Message{tomb, message(1, `{"id":"x"}`)}))
		Expect(err).NotTo(HaveOccurred())
		Expect(slices.Collect(typed.Payloads())).To(Equal([]*order{nil, {ID: "x"}}))
	})

	It("decode with any codec, and name it in errors", func(ctx SpecContext) {
		var got string
		m := message(0, "{")
		Expect(consumer.Decoded(consumer.StringCodec, func(_ context.Context, m *consumer.Typed[string]) error {
			got = m.Payload
			return nil
		}).Handle(ctx, &m)).To(Succeed())
		Expect(got).To(Equal("{"))

		h := consumer.DecodedBatch(consumer.StringCodec, func(context.Context, *consumer.TypedBatch[int]) error { return nil })
		err := h.HandleBatch(ctx, batch("a"))
		var bad *consumer.DecodeError
		Expect(err).To(MatchError(func(err error) bool { return errors.As(err, &bad) }, "a *consumer.DecodeError"))
		Expect(bad.Codec).To(Equal("string"))
		Expect(bad.Unwrap()).To(MatchError(ContainSubstring("got *int")))
	})
})
