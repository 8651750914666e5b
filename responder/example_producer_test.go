package responder_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/testkit"
)

// Shop sells from outside of handlers: in an HTTP handler, say. In a program of package framework its Producer is injected.
type Shop struct{ producer *responder.Producer }

func (s *Shop) Sell(ctx context.Context, id string, cents int) error {
	return s.producer.Send(ctx, OrdersPriced.Record([]byte(id), Priced{ID: id, Cents: cents}))
}

func ExampleProducer() {
	p, sent := testkit.NewProducer() // in a program: a parameter of the constructor
	shop := &Shop{producer: p}
	fmt.Println(shop.Sell(context.Background(), "7", 350))
	fmt.Printf("%s\n", sent.To("orders.priced")[0].Value)
	// Output:
	// <nil>
	// {"id":"7","cents":350}
}

// Which record failed, and why.
func ExampleProducer_Send() {
	p, sent := testkit.NewProducer()
	sent.Fail(1, kerr.MessageTooLarge)
	err := p.Send(context.Background(), OrdersPriced.Record([]byte("7"), Priced{ID: "7"}), OrdersPriced.Record([]byte("8"), Priced{ID: "8"}))
	var failed *responder.SendError
	fmt.Println(errors.As(err, &failed), string(failed.Key), errors.Is(err, kerr.MessageTooLarge))
	fmt.Println(len(sent.To("orders.priced")), "sent")
	// Output:
	// true 7 true
	// 1 sent
}

// The caller goes on, and asks later where the record is.
func ExampleProducer_SendAsync() {
	p, _ := testkit.NewProducer()
	ctx := context.Background()
	f := p.SendAsync(ctx, OrdersPriced.Record([]byte("7"), Priced{ID: "7"}))
	r, err := f.Wait(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s/%d@%d\n", r.Topic, r.Partition, r.Offset)
	// Output: orders.priced/0@0
}

// A buffer sends when there is enough, when it is old enough, on Flush, and when the program stops.
func ExampleBuffer() {
	p, sent := testkit.NewProducer()
	b := p.Buffer(responder.BufferOptions{Threshold: 100, Interval: time.Minute})
	for i := range 3 {
		if err := b.Add(OrdersPriced.Record(nil, Priced{Cents: i})); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(len(sent.To("")), "sent")
	fmt.Println(b.Flush(context.Background()))
	fmt.Println(len(sent.To("")), "sent")
	// Output:
	// 0 sent
	// <nil>
	// 3 sent
}

// Consumers with isolation read_committed see both records, or none.
func ExampleProducer_Transaction() {
	p, sent := testkit.NewProducer()
	move := func(cents int) error {
		return p.Transaction(context.Background(), func(tx *responder.Tx) error {
			if err := tx.Send(OrdersPriced.Record([]byte("from"), Priced{Cents: -cents})); err != nil {
				return err
			}
			if cents > 100 {
				return errors.New("too much")
			}
			return tx.Send(OrdersPriced.Record([]byte("to"), Priced{Cents: cents}))
		})
	}
	fmt.Println(move(500), move(50))
	fmt.Println(len(sent.To("orders.priced")), "sent")
	// Output:
	// too much <nil>
	// 2 sent
}

type SKU struct {
	Shop string `json:"shop"`
	No   int    `json:"no"`
}

// A topic with typed keys. Its keys decide partitions, and on a compacted topic what a record replaces.
func ExampleKeyedTopic() {
	stock := responder.NewKeyedTopic[SKU, int]("stock", consumer.JSONCodec, consumer.JSONCodec)
	p, sent := testkit.NewProducer()
	tea := SKU{Shop: "berlin", No: 1}
	fmt.Println(p.Send(context.Background(), stock.Record(tea, 12), stock.Delete(tea)))
	for _, r := range sent.To("stock") {
		fmt.Printf("%s: %q\n", r.Key, r.Value)
	}
	// Output:
	// <nil>
	// {"shop":"berlin","no":1}: "12"
	// {"shop":"berlin","no":1}: ""
}

// A record says where it goes, when it was, and what it belongs to.
func ExampleRecord() {
	p, sent := testkit.NewProducer()
	request := consumer.NewMessage(&kgo.Record{Headers: []kgo.RecordHeader{{Key: "correlation-id", Value: []byte("c-1")}}}, nil)
	err := p.Send(context.Background(), responder.NewRecord("audit", nil, []byte("sold"),
		responder.Partition(3),
		responder.Timestamp(time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)),
		responder.Header("by", []byte("shop")),
		responder.From(&request), // correlation-id, and the others that are carried over
	))
	r := sent.To("audit")[0]
	fmt.Println(err, r.Partition, r.Timestamp.Format(time.TimeOnly))
	for _, h := range r.Headers {
		fmt.Printf("%s: %s\n", h.Key, h.Value)
	}
	// Output:
	// <nil> 3 08:00:00
	// by: shop
	// correlation-id: c-1
}
