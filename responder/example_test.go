package responder_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

type Order struct {
	ID  string `json:"id"`
	SKU string `json:"sku"`
}

type Priced struct {
	ID    string `json:"id"`
	Cents int    `json:"cents"`
}

var OrdersPriced = responder.JSONTopic[Priced]("orders.priced")

type prices map[string]int

func (p prices) Cents(_ context.Context, sku string) (int, error) {
	cents, ok := p[sku]
	if !ok {
		return 0, fmt.Errorf("no price for %q", sku)
	}
	return cents, nil
}

type Pricer struct{ prices prices }

func (p *Pricer) Price(ctx context.Context, w *responder.Writer, o *consumer.Typed[Order]) error {
	cents, err := p.prices.Cents(ctx, o.Payload.SKU)
	if err != nil {
		return err // nothing is written
	}
	return OrdersPriced.Send(w, o.Key, Priced{ID: o.Payload.ID, Cents: cents})
}

// A responder reads a payload and writes answers; the route knows where.
func Example() {
	p := &Pricer{prices: prices{"tea": 350}}
	table, err := router.Draw(func(r *router.Router) {
		r.Group("pricing", func(g *router.Group) {
			g.Topic("orders.created").Each(responder.JSON(p.Price, OrdersPriced.Required()))
		})
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(table.Groups()[0].Routes[0].Writes())
	// Output: orders.priced (required)
}

// A pure function needs no writer.
func ExampleMap() {
	loud := responder.Map(responder.JSONTopic[string]("loud"), func(_ context.Context, s string) (string, error) {
		return strings.ToUpper(s), nil
	})
	d := &delivery{}
	fmt.Println(loud.Handle(context.Background(), message(d, `"hello"`)), d.sent)
	// Output: <nil> [loud="HELLO"]
}
