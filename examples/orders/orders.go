package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

// The topics of the example.
const (
	created = "orders.created"
	priced  = "orders.priced"
)

// Order is what customers send.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// Priced is an order with its price.
type Priced struct {
	ID    string `json:"id"`
	Cents int    `json:"cents"`
}

// OrdersPriced is the topic that the pricer writes to.
var OrdersPriced = responder.JSONTopic[Priced](priced)

// ErrUnknownSKU says that nobody sells such a thing.
var ErrUnknownSKU = errors.New("unknown SKU")

var errBusy = errors.New("price service is busy")

// Prices stands for a remote service: every hundredth question it is busy.
type Prices struct{ asked atomic.Int64 }

// Cents returns the price of one piece.
func (p *Prices) Cents(_ context.Context, sku string) (int, error) {
	const busyEvery = 100
	if p.asked.Add(1)%busyEvery == 0 {
		return 0, errBusy
	}
	cents, ok := map[string]int{
		"TEA-GREEN": 640, "TEA-BLACK": 590, "CUP-BLUE": 1250, "CUP-WHITE": 1190,
		"POT-IRON": 8900, "SPOON": 320, "HONEY-500": 1150, "TIN-S": 450,
	}[sku]
	if !ok {
		return 0, fmt.Errorf("%w %q", ErrUnknownSKU, sku)
	}
	return cents, nil
}

// Pricer is a responder: it reads an order and writes its price, as an http.Handler writes a response.
type Pricer struct{ prices *Prices }

// Price handles one order.
func (p *Pricer) Price(ctx context.Context, w *responder.Writer, m *consumer.Typed[Order]) error {
	cents, err := p.prices.Cents(ctx, m.Payload.SKU)
	switch {
	case errors.Is(err, ErrUnknownSKU):
		return consumer.Skip(err) // nothing to price, and nothing to retry
	case err != nil:
		return err // by the route's OnFailure
	}
	return OrdersPriced.Send(w, m.Key, Priced{ID: m.Payload.ID, Cents: cents * m.Payload.Quantity})
}

// Mailer is a single handler of a pure payload.
type Mailer struct{ sent atomic.Int64 }

// Mail confirms an order.
func (m *Mailer) Mail(context.Context, Order) error {
	m.sent.Add(1)
	return nil
}

// Index is a typed batch handler.
type Index struct {
	mu      sync.Mutex
	cents   map[string]int
	revenue int
}

// Add indexes a batch of prices in one step.
func (x *Index) Add(_ context.Context, b *consumer.TypedBatch[Priced]) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for p := range b.Payloads() {
		x.revenue += p.Cents - x.cents[p.ID] // an order that comes twice counts once
		x.cents[p.ID] = p.Cents
	}
	return nil
}

// Audit decides itself when a record counts as consumed.
type Audit struct{ entries atomic.Int64 }

// Handle books an order, and then marks it and all before it. It would be marked nowhere else.
func (a *Audit) Handle(_ context.Context, m *consumer.Message) error {
	a.entries.Add(1)
	return m.MarkThrough()
}

// Routes draws what is consumed, and how. Its parameters are injected.
func Routes(pricer *Pricer, mailer *Mailer, index *Index, audit *Audit) router.Drawer {
	return func(r *router.Router) {
		r.Group("pricing", func(g *router.Group) {
			g.Topic(created).
				Each(responder.JSON(pricer.Price, OrdersPriced.Required())).
				Timeout(5*time.Second).
				OnFailure(router.Retry(3, 20*time.Millisecond), router.Block)
		})
		r.Group("mail", func(g *router.Group) {
			g.Topic(created).Each(consumer.Value(mailer.Mail)).Concurrency(2, router.ByPartition)
		})
		r.Group("search", func(g *router.Group) {
			g.Topic(priced).Batch(consumer.JSONBatch(index.Add), 100, 200*time.Millisecond)
		})
		r.Group("audit", func(g *router.Group) {
			g.Topic(created).Each(audit).ManualOffsets()
		})
	}
}
