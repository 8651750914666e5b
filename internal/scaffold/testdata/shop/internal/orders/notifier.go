package orders

import (
	"context"
	"log/slog"

	"github.com/karafgo/karafgo/consumer"
)

// Outbox is what a Notifier reaches customers by.
type Outbox interface {
	// Confirm tells the customer the price. It may be called twice for an order, whose ID tells that it is the same.
	Confirm(ctx context.Context, order PricedOrder) error
}

// Notifier tells customers what their order costs.
type Notifier struct{ outbox Outbox }

// NewNotifier makes a Notifier that sends by outbox.
func NewNotifier(outbox Outbox) *Notifier { return &Notifier{outbox} }

// Notify handles one priced order. Its context ends at the route's timeout, and when the program stops or the partition is taken away:
// pass it on to whatever may take long.
func (n *Notifier) Notify(ctx context.Context, m *consumer.Typed[PricedOrder]) error {
	return n.outbox.Confirm(ctx, m.Payload)
}

// LogOutbox is an Outbox for development: it logs.
type LogOutbox struct{ Log *slog.Logger }

// Confirm implements Outbox.
func (o LogOutbox) Confirm(ctx context.Context, order PricedOrder) error {
	o.Log.InfoContext(ctx, "order confirmed", "id", order.ID, "customer", order.Customer, "cents", order.Cents)
	return nil
}
