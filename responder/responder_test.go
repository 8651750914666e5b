package responder_test

import (
	"context"
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
)

// delivery records what is sent.
type delivery struct {
	sent []string
	sync []bool
	err  error
}

func (*delivery) Attempt() int                                     { return 1 }
func (*delivery) Assigned() consumer.Partition                     { return nil }
func (*delivery) Mark(*kgo.Record, bool) error                     { return nil }
func (*delivery) CommitThrough(context.Context, *kgo.Record) error { return nil }
func (d *delivery) Send(_ context.Context, _, out *kgo.Record, sync bool) error {
	d.sent, d.sync = append(d.sent, out.Topic+"="+string(out.Value)), append(d.sync, sync)
	return d.err
}

var (
	numbers = responder.JSONTopic[int]("numbers")
	words   = responder.JSONTopic[string]("words")
	errBoom = errors.New("boom")
	ctx     = context.Background()
)

func message(d *delivery, value string) *consumer.Message {
	m := consumer.NewMessage(&kgo.Record{Topic: "in", Key: []byte("k"), Value: []byte(value)}, d)
	return &m
}

func writing(fn func(w *responder.Writer) error, outputs ...consumer.Output) consumer.Handler {
	return responder.JSON(func(_ context.Context, w *responder.Writer, _ *consumer.Typed[int]) error { return fn(w) }, outputs...)
}

var _ = Describe("A responder", func() {
	var d *delivery
	BeforeEach(func() { d = &delivery{} })

	It("sends in order what was written, after the handler succeeded", func() {
		h := writing(func(w *responder.Writer) error {
			Expect(numbers.Send(w, nil, 1)).To(Succeed())
			Expect(words.Send(w, nil, "x", responder.Header("h", nil))).To(Succeed())
			Expect(numbers.Tombstone(w, []byte("k"))).To(Succeed())
			Expect(d.sent).To(BeEmpty(), "nothing leaves before")
			return nil
		}, numbers.Required(), words.Optional())
		Expect(h.Handle(ctx, message(d, "1"))).To(Succeed())
		Expect(d.sent).To(Equal([]string{"numbers=1", `words="x"`, "numbers="}))
		Expect(h.(consumer.Responder).Outputs()).To(HaveLen(2))
	})

	It("discards what was written when the handler fails", func() {
		h := writing(func(w *responder.Writer) error { _ = numbers.Send(w, nil, 1); return errBoom }, numbers.Optional())
		Expect(h.Handle(ctx, message(d, "1"))).To(MatchError(errBoom))
		Expect(d.sent).To(BeEmpty())
	})

	It("must write a required output", func() {
		h := writing(func(*responder.Writer) error { return nil }, numbers.Required())
		err := h.Handle(ctx, message(d, "1"))
		Expect(err).To(MatchError(responder.ErrNotWritten))
		Expect(consumer.VerdictOf(err).Kind).To(Equal(consumer.KindPermanent))
	})

	It("may not write to a topic that it does not declare", func() {
		h := writing(func(w *responder.Writer) error { return words.Send(w, nil, "x") }, numbers.Optional())
		err := h.Handle(ctx, message(d, "1"))
		Expect(err).To(MatchError(responder.ErrUndeclared))
		Expect(consumer.VerdictOf(err).Kind).To(Equal(consumer.KindPermanent))
	})

	It("sends to a sync output at once, and hands its error to the handler", func() {
		d.err = errBoom
		h := writing(func(w *responder.Writer) error { return numbers.Send(w, nil, 1) }, numbers.Sync())
		Expect(h.Handle(ctx, message(d, "1"))).To(MatchError(errBoom))
		Expect(d.sync).To(Equal([]bool{true}))
	})

	It("has no use for its writer afterwards", func() {
		var kept *responder.Writer
		h := writing(func(w *responder.Writer) error { kept = w; return nil }, numbers.Optional())
		Expect(h.Handle(ctx, message(d, "1"))).To(Succeed())
		Expect(numbers.Send(kept, nil, 1)).To(MatchError(responder.ErrWriterClosed))
	})

	It("maps a pure function under the same key", func() {
		h := responder.Map(numbers, func(_ context.Context, i int) (int, error) { return 2 * i, nil })
		Expect(h.Handle(ctx, message(d, "21"))).To(Succeed())
		Expect(d.sent).To(Equal([]string{"numbers=42"}))
	})

	It("of batches sends what was written before the message that failed", func() {
		h := responder.JSONBatch(func(_ context.Context, w *responder.Writer, b *consumer.TypedBatch[int]) error {
			for _, m := range b.All() {
				if m.Payload == 3 {
					return consumer.FailedAt(m.Message, errBoom)
				}
				if err := numbers.Send(w, nil, m.Payload); err != nil {
					return err
				}
			}
			return nil
		}, numbers.Required())
		b := consumer.NewBatch([]consumer.Message{*message(d, "1"), *message(d, "2"), *message(d, "3")})
		Expect(h.HandleBatch(ctx, b)).To(MatchError(errBoom))
		Expect(d.sent).To(Equal([]string{"numbers=1", "numbers=2"}))
	})
})
