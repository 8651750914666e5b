package router_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

type Order struct{ ID string }

type Priced struct {
	ID    string
	Cents int
}

var OrdersPriced = responder.JSONTopic[Priced]("orders.priced")

type Pricer struct{}

func (*Pricer) Price(_ context.Context, w *responder.Writer, o *consumer.Typed[Order]) error {
	return OrdersPriced.Send(w, o.Key, Priced{ID: o.Payload.ID})
}

type Indexer struct{}

func (*Indexer) Index(context.Context, *consumer.TypedBatch[Priced]) error { return nil }

func Routes(p *Pricer, x *Indexer) router.Drawer {
	return func(r *router.Router) {
		r.Group("pricing", func(g *router.Group) {
			g.Topic("orders.created").
				Each(responder.JSON(p.Price, OrdersPriced.Required())).
				OnFailure(router.Retry(3, 100*time.Millisecond), router.Skip)
		})
		r.Group("search", func(g *router.Group) {
			g.Topic("orders.priced").Batch(consumer.JSONBatch(x.Index), 500, time.Second)
		})
	}
}

// Routes are drawn and checked together.
func Example() {
	table, err := router.Draw(Routes(&Pricer{}, &Indexer{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(table)
	// Output:
	// GROUP    TOPIC           CONSUMES            OFFSETS    AT ONCE          ON FAILURE                     STARTS    WRITES
	// pricing  orders.created  each                automatic  1 per partition  retry 3 from 100ms, then skip  earliest  orders.priced (required)
	// search   orders.priced   batch of 500 or 1s  automatic  1 per partition  retry for ever                 earliest  -
}

// Every mistake is reported, with the line where it was drawn.
func ExampleDraw_mistakes() {
	_, err := router.Draw(func(r *router.Router) {
		r.Group("pricing", func(g *router.Group) {
			g.Topic("orders.created")
			g.Topic("orders created").Batch(consumer.JSONBatch((&Indexer{}).Index), 0, 0)
		})
	})
	for line := range strings.Lines(err.Error()) {
		_, problem, _ := strings.Cut(line, `: group "pricing", `)
		fmt.Print(problem)
	}
	// Output:
	// topic "orders created": topic name "orders created" contains ' ': Kafka allows letters, digits, '.', '_' and '-'
	// topic "orders created": Batch size 0: want at least 1
	// topic "orders.created": route has no consuming mode: add Each, Batch or EachPartition
}
