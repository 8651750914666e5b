package responder_test

import (
	"context"
	"fmt"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/testkit"
)

// A handler that writes, called in a test.
func ExampleJSON() {
	p := &Pricer{prices: prices{"tea": 350}}
	h := responder.JSON(p.Price, OrdersPriced.Required())
	d := testkit.NewDouble()
	fmt.Println(h.Handle(context.Background(), d.Message("orders.created", 7, testkit.JSON(Order{ID: "1", SKU: "tea"}).Key("1"))))
	for _, out := range d.Outputs("orders.priced") {
		fmt.Printf("%s: %s\n", out.Key, out.Value)
	}
	// Output:
	// <nil>
	// 1: {"id":"1","cents":350}
}

var Totals = responder.NewKeyedTopic[string, int]("totals", consumer.StringCodec, consumer.JSONCodec)

// One output for a whole batch.
func ExampleJSONBatch() {
	h := responder.JSONBatch(func(_ context.Context, w *responder.Writer, b *consumer.TypedBatch[Priced]) error {
		sum := 0
		for p := range b.Payloads() {
			sum += p.Cents
		}
		return Totals.Send(w, "all", sum, responder.From(b.Last().Message))
	}, Totals.Optional())
	d := testkit.NewDouble()
	fmt.Println(h.HandleBatch(context.Background(), d.Batch("orders.priced", testkit.JSON(Priced{Cents: 350}), testkit.JSON(Priced{Cents: 640}))))
	fmt.Printf("%s\n", d.Outputs("totals")[0].Value)
	// Output:
	// <nil>
	// 990
}

var Shouts = responder.NewTopic[string]("shouts", consumer.StringCodec)

// What is read and what is written have codecs of their own.
func ExampleDecoded() {
	h := responder.Decoded(consumer.StringCodec, func(_ context.Context, w *responder.Writer, m *consumer.Typed[string]) error {
		return Shouts.Send(w, m.Key, m.Payload+"!")
	}, Shouts.Required())
	d := testkit.NewDouble()
	fmt.Println(h.Handle(context.Background(), d.Message("words", 0, testkit.Text("hello"))), string(d.Outputs("shouts")[0].Value))
	// Output: <nil> hello!
}

// A batch that is read with a codec of its own.
func ExampleDecodedBatch() {
	h := responder.DecodedBatch(consumer.StringCodec, func(_ context.Context, w *responder.Writer, b *consumer.TypedBatch[string]) error {
		for _, m := range b.All() {
			if err := Shouts.Send(w, m.Key, m.Payload+"!", responder.From(m.Message)); err != nil {
				return consumer.FailedAt(m.Message, err)
			}
		}
		return nil
	}, Shouts.Optional())
	d := testkit.NewDouble()
	fmt.Println(h.HandleBatch(context.Background(), d.Batch("words", testkit.Text("hello"), testkit.Text("world"))), len(d.Outputs("shouts")))
	// Output: <nil> 2
}

// A topic is declared once, with the type of its values, and named where it is written.
func ExampleTopic() {
	d := testkit.NewDouble()
	h := responder.JSON(func(_ context.Context, w *responder.Writer, m *consumer.Typed[Order]) error {
		if m.Tombstone() {
			return OrdersPriced.Tombstone(w, m.Key) // what replaces it on a compacted topic is: nothing
		}
		return OrdersPriced.Send(w, m.Key, Priced{ID: m.Payload.ID}, responder.Header("by", []byte("pricing")))
	}, OrdersPriced.Required())
	_ = h.Handle(context.Background(), d.Message("orders.created", 0, testkit.JSON(Order{ID: "1"}).Key("1")))
	_ = h.Handle(context.Background(), d.Message("orders.created", 1, testkit.Tombstone().Key("1")))
	for _, out := range d.Outputs("orders.priced") {
		fmt.Printf("%s %q %v\n", out.Key, out.Value, out.Value == nil)
	}
	// Output:
	// 1 "{\"id\":\"1\",\"cents\":0}" false
	// 1 "" true
}

// What is not declared is not written, and a required topic must be.
func ExampleWriter() {
	forgetful := responder.JSON(func(context.Context, *responder.Writer, *consumer.Typed[Order]) error { return nil }, OrdersPriced.Required())
	talkative := responder.JSON(func(_ context.Context, w *responder.Writer, _ *consumer.Typed[Order]) error {
		return Shouts.Send(w, nil, "hello")
	}, OrdersPriced.Optional())
	for _, h := range []consumer.Handler{forgetful, talkative} {
		err := h.Handle(context.Background(), testkit.NewDouble().Message("orders.created", 7, testkit.JSON(Order{})))
		fmt.Println(err, consumer.VerdictOf(err).Kind == consumer.KindPermanent)
	}
	// Output:
	// topic "orders.priced": required output was not written true
	// write to topic "shouts": topic is not declared as an output of this responder true
}

// Headers with a codec, and a partition instead of the key's.
func ExampleOption() {
	via := responder.HeaderOf("via", consumer.JSONCodec, []string{"shop", "pricing"})
	r := responder.NewRecord("audit", nil, []byte("sold"), via, responder.Partition(3))
	p, sent := testkit.NewProducer()
	fmt.Println(p.Send(context.Background(), r))
	out := sent.To("audit")[0]
	fmt.Printf("%d %s=%s\n", out.Partition, out.Headers[0].Key, out.Headers[0].Value)
	// Output:
	// <nil>
	// 3 via=["shop","pricing"]
}
