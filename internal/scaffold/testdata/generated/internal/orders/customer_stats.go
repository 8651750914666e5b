package orders

import (
	"context"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
)

// CustomerStats answers OrdersPriced with Stats.
type CustomerStats struct{}

// NewCustomerStats makes the responder. Its parameters are injected: what it needs becomes one, which main provides.
func NewCustomerStats() *CustomerStats { return &CustomerStats{} }

// Respond handles the next records of one partition, in the order of their offsets. They are marked as consumed when the broker has what was
// sent here; after a crash they may come again, and are answered again.
func (h *CustomerStats) Respond(_ context.Context, w *responder.Writer, b *consumer.TypedBatch[PricedOrder]) error {
	for _, m := range b.All() {
		var answer Stat // to be made of m.Payload
		if err := Stats.Send(w, m.Key, answer, responder.From(m.Message)); err != nil {
			return err
		}
	}
	return nil
}
