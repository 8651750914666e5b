package orders

import (
	"context"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
)

// ShipOrder answers OrdersPriced with OrdersShipped.
type ShipOrder struct{}

// NewShipOrder makes the responder. Its parameters are injected: what it needs becomes one, which main provides.
func NewShipOrder() *ShipOrder { return &ShipOrder{} }

// Respond handles one record. It is marked as consumed when the broker has what was sent here; after a crash it may come again, and is
// answered again.
func (h *ShipOrder) Respond(_ context.Context, w *responder.Writer, m *consumer.Typed[PricedOrder]) error {
	var answer Shipped // to be made of m.Payload
	return OrdersShipped.Send(w, m.Key, answer)
}
