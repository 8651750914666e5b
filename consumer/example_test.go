package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
)

type Order struct {
	Customer string `json:"customer"`
}

type Mailer struct{}

func (*Mailer) send(_ context.Context, customer string) error {
	fmt.Println("mail to", customer)
	return nil
}

func (m *Mailer) Mail(ctx context.Context, o *consumer.Typed[Order]) error {
	return m.send(ctx, o.Payload.Customer)
}

// A handler is a method with a typed payload; the route says what it consumes.
func Example() {
	mailer := &Mailer{}
	table, err := router.Draw(func(r *router.Router) {
		r.Group("mail", func(g *router.Group) {
			g.Topic("orders.created").Each(consumer.JSON(mailer.Mail))
		})
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(table.Topics())
	// Output: [orders.created]
}

// In a unit test a message needs no broker.
func ExampleNewMessage() {
	h := consumer.JSON((&Mailer{}).Mail)
	m := consumer.NewMessage(&kgo.Record{Value: []byte(`{"customer":"ada"}`)}, nil)
	fmt.Println(h.Handle(context.Background(), &m))
	// Output:
	// mail to ada
	// <nil>
}

func ExampleMiddleware() {
	timed := func(next consumer.BatchHandler) consumer.BatchHandler {
		return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
			defer func(started time.Time) { _ = time.Since(started) }(time.Now())
			fmt.Println(b.Len(), "records")
			return next.HandleBatch(ctx, b)
		})
	}
	index := consumer.Value(func(_ context.Context, n int) error {
		fmt.Println("index", n)
		return nil
	})
	h := consumer.Chain(consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
		return index.Handle(ctx, b.First())
	}), timed)
	b := consumer.NewBatch([]consumer.Message{consumer.NewMessage(&kgo.Record{Value: []byte("7")}, nil)})
	fmt.Println(h.HandleBatch(context.Background(), b))
	// Output:
	// 1 records
	// index 7
	// <nil>
}

// Middleware takes out what was seen; what is left goes on.
func ExampleBatch_Skip() {
	b := consumer.NewBatch([]consumer.Message{
		consumer.NewMessage(&kgo.Record{Offset: 1, Key: []byte("a")}, nil),
		consumer.NewMessage(&kgo.Record{Offset: 2, Key: []byte("b")}, nil),
	})
	alreadySeen := func(m *consumer.Message) bool { return string(m.Key) == "a" }
	fmt.Println(b.Skip(alreadySeen).First().Offset, len(b.Skipped()))
	// Output: 2 1
}

// What was done before the failed message counts.
func ExampleFailedAt() {
	h := consumer.JSONBatch(func(_ context.Context, b *consumer.TypedBatch[int]) error {
		for _, m := range b.All() {
			if m.Payload < 0 {
				return consumer.FailedAt(m.Message, consumer.Permanent(errors.New("negative")))
			}
		}
		return nil
	})
	b := consumer.NewBatch([]consumer.Message{
		consumer.NewMessage(&kgo.Record{Topic: "numbers", Offset: 40, Value: []byte("1")}, nil),
		consumer.NewMessage(&kgo.Record{Topic: "numbers", Offset: 41, Value: []byte("-1")}, nil),
	})
	fmt.Println(h.HandleBatch(context.Background(), b))
	// Output: record numbers/0@41: negative
}
