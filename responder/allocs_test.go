//go:build !race

package responder_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
)

// discard takes what is sent.
type discard struct{ delivery }

func (*discard) Send(context.Context, *kgo.Record, *kgo.Record, bool) error { return nil }

var copies = responder.NewTopic[[]byte]("copies", consumer.BytesCodec)

// What records need is allocated for many of them at once.
func TestAllocationsOfARecord(t *testing.T) {
	g := NewWithT(t)
	for _, outputs := range []int{0, 1} {
		h := responder.Decoded(consumer.BytesCodec, func(_ context.Context, w *responder.Writer, m *consumer.Typed[[]byte]) error {
			for range outputs {
				if err := copies.Send(w, m.Key, m.Payload); err != nil {
					return err
				}
			}
			return nil
		}, copies.Optional())
		m := consumer.NewMessage(&kgo.Record{Value: []byte("1")}, &discard{})
		g.Expect(testing.AllocsPerRun(10, func() {
			for range 100 {
				_ = h.Handle(ctx, &m)
			}
		})).To(BeNumerically("<", 20), "%d outputs", outputs)
	}
}

// The outputs of a batch share their pieces.
func TestAllocationsOfABatch(t *testing.T) {
	const size = 640
	h := responder.DecodedBatch(consumer.BytesCodec, func(_ context.Context, w *responder.Writer, b *consumer.TypedBatch[[]byte]) error {
		for _, m := range b.All() {
			if err := copies.Send(w, m.Key, m.Payload); err != nil {
				return err
			}
		}
		return nil
	}, copies.Required())
	b := batchOf(&discard{}, make([]string, size)...)
	NewWithT(t).Expect(testing.AllocsPerRun(100, func() { _ = h.HandleBatch(ctx, b) })).To(BeNumerically("<", size/20))
}
