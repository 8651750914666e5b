package testkit_test

import (
	"context"
	"fmt"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/testkit"
)

var greetings = responder.JSONTopic[string]("greetings")

// A handler alone: the double keeps what it marks and writes.
func ExampleNewDouble() {
	h := responder.JSON(func(_ context.Context, w *responder.Writer, m *consumer.Typed[string]) error {
		return greetings.Send(w, m.Key, fmt.Sprintf("hello %s, attempt %d", m.Payload, m.Attempt()))
	}, greetings.Required())
	d := testkit.NewDouble().OnAttempt(2)
	err := h.Handle(context.Background(), d.Message("names", 7, testkit.JSON("Ada").Key("1")))
	fmt.Println(err, string(d.Outputs("greetings")[0].Value))
	// Output: <nil> "hello Ada, attempt 2"
}

// What takes a Producer gets one that records.
func ExampleNewProducer() {
	p, sent := testkit.NewProducer()
	fmt.Println(p.Send(context.Background(), greetings.Record([]byte("1"), "hello Ada")))
	fmt.Printf("%s\n", sent.To("greetings")[0].Value)
	// Output:
	// <nil>
	// "hello Ada"
}

// Messages are made of what they hold.
func ExampleMessage() {
	d := testkit.NewDouble()
	for _, m := range []*testkit.Message{
		testkit.JSON(map[string]int{"cents": 640}),
		testkit.Text("tea").Key("1").Header("source", "web"),
		testkit.Bytes([]byte{0xff}),
		testkit.Tombstone().Key("1"),
	} {
		r := d.Message("orders", 0, m)
		fmt.Printf("%q %q %d %v\n", r.Key, r.Value, len(r.Headers), r.Tombstone())
	}
	// Output:
	// "" "{\"cents\":640}" 0 false
	// "1" "tea" 1 false
	// "" "\xff" 0 false
	// "1" "" 0 true
}
