package orders

import (
	"context"
	"errors"
	"fmt"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
)

// ErrUnknownSKU says that nobody sells such a thing.
var ErrUnknownSKU = errors.New("unknown SKU")

// Prices is what a Pricer asks. It stands here, where it is used, so that a test can answer instead.
type Prices interface {
	// Cents returns the price of one piece, or ErrUnknownSKU.
	Cents(ctx context.Context, sku string) (int, error)
}

// Pricer answers orders with their price.
type Pricer struct{ prices Prices }

// NewPricer makes a Pricer that asks prices.
func NewPricer(prices Prices) *Pricer { return &Pricer{prices} }

// Price handles one order. The order is marked as consumed when the broker has its answer, so after a crash it may come twice: what is
// done here must bear that.
func (p *Pricer) Price(ctx context.Context, w *responder.Writer, m *consumer.Typed[Order]) error {
	order := m.Payload
	cents, err := p.prices.Cents(ctx, order.SKU)
	switch {
	case errors.Is(err, ErrUnknownSKU):
		return consumer.Permanent(err) // asking again would not help: a dead letter at once
	case err != nil:
		return err // what becomes of it stands in PricerRoutes
	}
	return OrdersPriced.Send(w, m.Key, PricedOrder{ID: order.ID, Customer: order.Customer, Cents: cents * order.Quantity})
}

// PriceList is Prices in memory: cents by SKU.
type PriceList map[string]int

// Cents implements Prices.
func (l PriceList) Cents(_ context.Context, sku string) (int, error) {
	cents, ok := l[sku]
	if !ok {
		return 0, fmt.Errorf("%w %q", ErrUnknownSKU, sku)
	}
	return cents, nil
}
