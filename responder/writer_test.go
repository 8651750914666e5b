package responder_test

import (
	"context"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
)

// recorder keeps what is sent, and refuses the records from number failFrom on, counted from 1.
type recorder struct {
	delivery

	sources  []int64
	records  []*kgo.Record
	failFrom int
}

func (r *recorder) Send(ctx context.Context, source, out *kgo.Record, sync bool) error {
	r.sources, r.records = append(r.sources, source.Offset), append(r.records, out)
	if r.failFrom > 0 && len(r.records) >= r.failFrom {
		return errBoom
	}
	return r.delivery.Send(ctx, source, out, sync)
}

func batchOf(d consumer.Delivery, values ...string) *consumer.Batch {
	msgs := make([]consumer.Message, len(values))
	for i, v := range values {
		msgs[i] = consumer.NewMessage(&kgo.Record{Topic: "in", Offset: int64(10 + i), Value: []byte(v)}, d)
	}
	return consumer.NewBatch(msgs)
}

func doubling(_ context.Context, w *responder.Writer, b *consumer.TypedBatch[int]) error {
	for _, m := range b.All() {
		if err := numbers.Send(w, m.Key, 2*m.Payload); err != nil {
			return err
		}
	}
	return nil
}

var _ = Describe("A record that is sent", func() {
	It("has key, value and headers, and a tombstone has no value", func() {
		d := &recorder{}
		m := consumer.NewMessage(&kgo.Record{Offset: 3, Value: []byte("1")}, d)
		h := writing(func(w *responder.Writer) error {
			Expect(numbers.Send(w, []byte("k"), 5, responder.Header("a", []byte("1")), responder.Header("a", []byte("2")))).To(Succeed())
			Expect(words.Tombstone(w, []byte("t"), responder.Header("b", nil))).To(Succeed())
			return nil
		}, numbers.Optional(), words.Optional())
		Expect(h.Handle(ctx, &m)).To(Succeed())
		Expect(d.records).To(HaveLen(2))
		Expect(d.records[0]).To(Equal(&kgo.Record{
			Topic: "numbers", Partition: -1, Key: []byte("k"), Value: []byte("5"),
			Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("2")}},
		}))
		Expect(d.records[1]).To(Equal(&kgo.Record{Topic: "words", Partition: -1, Key: []byte("t"), Headers: []kgo.RecordHeader{{Key: "b"}}}))
		Expect(d.records[1].Value).To(BeNil())
		Expect(d.sources).To(Equal([]int64{3, 3}))
		Expect(d.sync).To(Equal([]bool{false, false}))
	})

	It("fails permanently when its value does not encode", func() {
		d := &delivery{}
		functions := responder.NewTopic[func()]("functions", consumer.JSONCodec)
		Expect(functions.Name()).To(Equal("functions"))
		err := writing(func(w *responder.Writer) error { return functions.Send(w, nil, nil) }, functions.Optional()).Handle(ctx, message(d, "1"))
		Expect(err).To(MatchError(HavePrefix(`encode json value for topic "functions": `)))
		Expect(consumer.VerdictOf(err).Kind).To(Equal(consumer.KindPermanent))
	})
})

var _ = Describe("An output", func() {
	var d *delivery
	BeforeEach(func() { d = &delivery{} })

	It("that is sync has left even if the handler fails, before what waits for the handler", func() {
		h := writing(func(w *responder.Writer) error {
			Expect(words.Send(w, nil, "later")).To(Succeed())
			Expect(numbers.Send(w, nil, 1)).To(Succeed())
			Expect(d.sent).To(Equal([]string{"numbers=1"}))
			return errBoom
		}, numbers.Sync(), words.Optional())
		Expect(h.Handle(ctx, message(d, "1"))).To(MatchError(errBoom))
		Expect(d.sent).To(Equal([]string{"numbers=1"}))
	})

	It("that is required and was refused at once is not written, whatever the handler makes of it", func() {
		d.err = errBoom
		h := writing(func(w *responder.Writer) error { _ = numbers.Send(w, nil, 1); return nil },
			consumer.Output{Topic: "numbers", Required: true, Sync: true})
		Expect(h.Handle(ctx, message(d, "1"))).To(MatchError(responder.ErrNotWritten))
	})

	It("counts as written by a tombstone", func() {
		h := writing(func(w *responder.Writer) error { return numbers.Tombstone(w, []byte("k")) }, numbers.Required())
		Expect(h.Handle(ctx, message(d, "1"))).To(Succeed())
	})

	It("that is missing keeps the others back", func() {
		h := writing(func(w *responder.Writer) error { return words.Send(w, nil, "x") }, numbers.Required(), words.Optional())
		Expect(h.Handle(ctx, message(d, "1"))).To(MatchError(`topic "numbers": required output was not written`))
		Expect(d.sent).To(BeEmpty())
	})

	It("that is refused after the handler fails the record, retryably, and ends the sending", func() {
		r := &recorder{failFrom: 2}
		m := consumer.NewMessage(&kgo.Record{Value: []byte("1")}, r)
		h := writing(func(w *responder.Writer) error {
			for i := range 3 {
				Expect(numbers.Send(w, nil, i)).To(Succeed())
			}
			return nil
		}, numbers.Required())
		err := h.Handle(ctx, &m)
		Expect(err).To(MatchError(`write to topic "numbers": boom`))
		Expect(consumer.VerdictOf(err)).To(Equal(consumer.Verdict{}))
		Expect(r.records).To(HaveLen(2))
	})

	It("goes nowhere from a Writer that was kept, also while the next record is handled", func() {
		var kept []*responder.Writer
		h := writing(func(w *responder.Writer) error {
			for _, k := range kept {
				Expect(numbers.Send(k, nil, 0)).To(MatchError(responder.ErrWriterClosed))
			}
			kept = append(kept, w)
			switch len(kept) {
			case 2:
				Expect(numbers.Send(w, nil, -2)).To(Succeed())
				return errBoom
			case 3:
				Expect(numbers.Send(w, nil, -3)).To(Succeed())
				panic(errBoom)
			}
			return numbers.Send(w, nil, len(kept))
		}, numbers.Optional())
		Expect(h.Handle(ctx, message(d, "1"))).To(Succeed())
		Expect(h.Handle(ctx, message(d, "1"))).To(MatchError(errBoom))
		Expect(func() { _ = h.Handle(ctx, message(d, "1")) }).To(PanicWith(errBoom))
		kept = kept[:2] // nobody closes one whose handler panicked, and nothing it writes leaves
		kept = append(kept, kept[0])
		Expect(h.Handle(ctx, message(d, "1"))).To(Succeed())
		Expect(d.sent).To(Equal([]string{"numbers=1", "numbers=4"}))
	})

	It("may be written by a handler that calls itself", func() {
		var h consumer.Handler
		depth := 0
		h = writing(func(w *responder.Writer) error {
			depth++
			n := depth
			Expect(numbers.Send(w, nil, n)).To(Succeed())
			if n < 3 {
				Expect(h.Handle(ctx, message(d, "1"))).To(Succeed())
			}
			return numbers.Send(w, nil, -n)
		}, numbers.Optional())
		Expect(h.Handle(ctx, message(d, "1"))).To(Succeed())
		Expect(d.sent).To(Equal([]string{"numbers=3", "numbers=-3", "numbers=2", "numbers=-2", "numbers=1", "numbers=-1"}))
	})

	It("needs a delivery", func() {
		m := consumer.NewMessage(&kgo.Record{Value: []byte("1")}, nil)
		h := writing(func(w *responder.Writer) error { return numbers.Send(w, nil, 1) }, numbers.Optional())
		Expect(h.Handle(ctx, &m)).To(MatchError(responder.ErrNoDelivery))
	})

	It("is declared once and for all", func() {
		declared := []consumer.Output{numbers.Required()}
		h := writing(func(*responder.Writer) error { return nil }, declared...)
		declared[0].Topic = "changed"
		h.(consumer.Responder).Outputs()[0].Topic = "changed"
		Expect(h.(consumer.Responder).Outputs()).To(Equal([]consumer.Output{{Topic: "numbers", Required: true}}))
	})
})

var _ = Describe("A Writer that is kept", func() {
	It("stays closed while others are in use", func() {
		r := &recorder{}
		m := consumer.NewMessage(&kgo.Record{Value: []byte("1")}, r)
		var kept []*responder.Writer
		h := writing(func(w *responder.Writer) error {
			for _, old := range kept {
				Expect(numbers.Send(old, nil, 1)).To(MatchError(responder.ErrWriterClosed))
				Expect(numbers.Tombstone(old, nil)).To(MatchError(responder.ErrWriterClosed))
			}
			kept = append(kept, w)
			return numbers.Send(w, nil, len(kept))
		}, numbers.Required())
		for range 5 {
			Expect(h.Handle(ctx, &m)).To(Succeed())
		}
		Expect(r.sent).To(Equal([]string{"numbers=1", "numbers=2", "numbers=3", "numbers=4", "numbers=5"}))
	})
})

var _ = Describe("A value of bytes", func() {
	It("leaves a value to its codec where that is another", func() {
		d := &delivery{}
		quoted := responder.NewTopic[[]byte]("quoted", consumer.JSONCodec)
		h := writing(func(w *responder.Writer) error { return quoted.Send(w, nil, []byte("a")) }, quoted.Required())
		Expect(h.Handle(ctx, message(d, "1"))).To(Succeed())
		Expect(d.sent).To(Equal([]string{`quoted="YQ=="`}))
	})
})

var _ = Describe("A responder's input", func() {
	It("fails permanently when it does not decode, without a call (F50)", func() {
		d := &delivery{}
		h := writing(func(*responder.Writer) error { panic("called") }, numbers.Required())
		Expect(consumer.VerdictOf(h.Handle(ctx, message(d, "{"))).Kind).To(Equal(consumer.KindPermanent))
	})

	It("may have another codec", func() {
		d := &delivery{}
		h := responder.Decoded(consumer.StringCodec, func(_ context.Context, w *responder.Writer, m *consumer.Typed[string]) error {
			return words.Send(w, nil, m.Payload+"!")
		}, words.Required())
		Expect(h.Handle(ctx, message(d, "{"))).To(Succeed())
		Expect(d.sent).To(Equal([]string{`words="{!"`}))
	})

	It("keeps its key in Map, whose errors are the function's", func() {
		r := &recorder{}
		m := consumer.NewMessage(&kgo.Record{Key: []byte("k"), Value: []byte("1")}, r)
		Expect(responder.Map(words, func(_ context.Context, i int) (string, error) { return strconv.Itoa(i), nil }).Handle(ctx, &m)).To(Succeed())
		Expect(string(r.records[0].Key)).To(Equal("k"))
		err := responder.Map(words, func(context.Context, int) (string, error) { return "", errBoom }).Handle(ctx, &m)
		Expect(err).To(BeIdenticalTo(errBoom))
		Expect(r.records).To(HaveLen(1))
	})
})

var _ = Describe("A batch responder", func() {
	It("sends on behalf of the batch's last record, so that none is marked before", func() {
		r := &recorder{}
		h := responder.JSONBatch(doubling, numbers.Required())
		Expect(h.HandleBatch(ctx, batchOf(r, "1", "2", "3"))).To(Succeed())
		Expect(r.sent).To(Equal([]string{"numbers=2", "numbers=4", "numbers=6"}))
		Expect(r.sources).To(Equal([]int64{12, 12, 12}))
		Expect(h.(consumer.Responder).Outputs()).To(Equal([]consumer.Output{numbers.Required()}))
	})

	It("sends what came before a payload that does not decode, and fails that alone (F50)", func() {
		r := &recorder{}
		b := batchOf(r, "1", "{", "3")
		v := consumer.VerdictOf(responder.JSONBatch(doubling, numbers.Required()).HandleBatch(ctx, b))
		Expect(v).To(Equal(consumer.Verdict{Kind: consumer.KindPermanent, At: b.At(1)}))
		Expect(r.sent).To(Equal([]string{"numbers=2"}))
		Expect(r.sources).To(Equal([]int64{10}))
	})

	It("is not called for a batch that begins with one (F50)", func() {
		h := responder.JSONBatch(func(context.Context, *responder.Writer, *consumer.TypedBatch[int]) error { panic("called") }, numbers.Required())
		b := batchOf(&recorder{}, "{", "1")
		Expect(consumer.VerdictOf(h.HandleBatch(ctx, b)).At).To(BeIdenticalTo(b.At(0)))
	})

	It("discards everything when it fails as a whole, and closes its writer", func() {
		r := &recorder{}
		var kept *responder.Writer
		h := responder.JSONBatch(func(ctx context.Context, w *responder.Writer, b *consumer.TypedBatch[int]) error {
			kept = w
			Expect(doubling(ctx, w, b)).To(Succeed())
			return errBoom
		}, numbers.Required())
		Expect(h.HandleBatch(ctx, batchOf(r, "1"))).To(BeIdenticalTo(errBoom))
		Expect(r.sent).To(BeEmpty())
		Expect(numbers.Send(kept, nil, 1)).To(MatchError(responder.ErrWriterClosed))
	})

	It("fails as a whole when what came before the failed message is refused", func() {
		r := &recorder{failFrom: 1}
		b := batchOf(r, "1", "2")
		h := responder.JSONBatch(func(_ context.Context, w *responder.Writer, b *consumer.TypedBatch[int]) error {
			Expect(numbers.Send(w, nil, 1)).To(Succeed())
			return consumer.FailedAt(b.At(1).Message, consumer.Permanent(errBoom))
		}, numbers.Required())
		Expect(consumer.VerdictOf(h.HandleBatch(ctx, b))).To(Equal(consumer.Verdict{}))
	})

	It("must write a required output once per batch", func() {
		h := responder.DecodedBatch(consumer.StringCodec,
			func(context.Context, *responder.Writer, *consumer.TypedBatch[string]) error { return nil }, numbers.Required())
		Expect(h.HandleBatch(ctx, batchOf(&recorder{}, "a", "b"))).To(MatchError(responder.ErrNotWritten))
	})
})
