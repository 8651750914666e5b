package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/testkit"
)

// The payload, and the record that it came in.
func ExampleJSON() {
	h := consumer.JSON(func(_ context.Context, m *consumer.Typed[Order]) error {
		fmt.Println(m.Payload.Customer, string(m.Key), m.Offset)
		return nil
	})
	m := testkit.NewDouble().Message("orders", 7, testkit.JSON(Order{Customer: "ada"}).Key("o-1"))
	fmt.Println(h.Handle(context.Background(), m))
	// Output:
	// ada o-1 7
	// <nil>
}

// A payload that does not decode is permanent: retrying will not help.
func ExampleDecodeError() {
	h := consumer.JSON(func(context.Context, *consumer.Typed[Order]) error { return nil })
	err := h.Handle(context.Background(), testkit.NewDouble().Message("orders", 7, testkit.Text("{")))
	var bad *consumer.DecodeError
	fmt.Println(errors.As(err, &bad), consumer.VerdictOf(err).Kind == consumer.KindPermanent)
	fmt.Println(err)
	// Output:
	// true true
	// decode json value of orders/0@7: unexpected end of JSON input
}

// The payload alone.
func ExampleValue() {
	h := consumer.Value(func(_ context.Context, o Order) error {
		fmt.Println(o.Customer)
		return nil
	})
	_ = h.Handle(context.Background(), testkit.NewDouble().Message("orders", 7, testkit.JSON(Order{Customer: "ada"})))
	// Output: ada
}

// With another codec than JSON.
func ExampleDecoded() {
	h := consumer.Decoded(consumer.StringCodec, func(_ context.Context, m *consumer.Typed[string]) error {
		fmt.Println(m.Payload)
		return nil
	})
	_ = h.Handle(context.Background(), testkit.NewDouble().Message("names", 0, testkit.Text("ada")))
	// Output: ada
}

// The next records of one partition, with their payloads.
func ExampleJSONBatch() {
	h := consumer.JSONBatch(func(_ context.Context, b *consumer.TypedBatch[Order]) error {
		for o := range b.Payloads() {
			fmt.Println(o.Customer)
		}
		fmt.Println("up to", b.Last().Offset)
		return nil
	})
	b := testkit.NewDouble().Batch("orders", testkit.JSON(Order{Customer: "ada"}), testkit.JSON(Order{Customer: "grace"}))
	_ = h.HandleBatch(context.Background(), b)
	// Output:
	// ada
	// grace
	// up to 1
}

// A batch with another codec than JSON.
func ExampleDecodedBatch() {
	h := consumer.DecodedBatch(consumer.StringCodec, func(_ context.Context, b *consumer.TypedBatch[string]) error {
		fmt.Println(b.Len(), b.At(1).Payload)
		return nil
	})
	_ = h.HandleBatch(context.Background(), testkit.NewDouble().Batch("names", testkit.Text("ada"), testkit.Text("grace")))
	// Output: 2 grace
}

// A handler that takes the record as it came.
func ExampleHandlerFunc() {
	h := consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		source, _ := m.Header("source")
		fmt.Printf("%s %s %s\n", m.Key, m.Value, source)
		return nil
	})
	_ = h.Handle(context.Background(), testkit.NewDouble().Message("orders", 0, testkit.Text("tea").Key("o-1").Header("source", "web")))
	// Output: o-1 tea web
}

// On routes with ManualOffsets the handler marks.
func ExampleMessage_MarkThrough() {
	d := testkit.NewDouble()
	first, second := d.Message("orders", 7, testkit.Text("a")), d.Message("orders", 8, testkit.Text("b"))
	fmt.Println(first.Mark(), second.MarkThrough(), second.CommitThrough(context.Background()))
	for _, m := range d.Marks() {
		fmt.Printf("%+v\n", m)
	}
	// Output:
	// <nil> <nil> <nil>
	// {Offset:7 Through:false Committed:false}
	// {Offset:8 Through:true Committed:false}
	// {Offset:8 Through:true Committed:true}
}

// tell says what becomes of a record whose handler returned err.
func tell(err error) {
	v := consumer.VerdictOf(fmt.Errorf("order 7: %w", err)) // wrapped or not
	fmt.Println(map[consumer.Kind]string{
		consumer.KindRetry: "by the steps of OnFailure", consumer.KindPermanent: "to their end at once", consumer.KindSkip: "marked",
		consumer.KindRetryAfter: "the next attempt after", consumer.KindPostpone: "no attempt, again after",
	}[v.Kind], v.After)
}

var errBusy = errors.New("the price service is busy")

// Retrying will not help.
func ExamplePermanent() {
	tell(errBusy)
	tell(consumer.Permanent(errors.New("no such article")))
	// Output:
	// by the steps of OnFailure 0s
	// to their end at once 0s
}

// There is nothing to do for this record.
func ExampleSkip() {
	tell(consumer.Skip(errors.New("a test order")))
	// Output: marked 0s
}

// The service said when to come again. The attempt counts.
func ExampleRetryAfter() {
	tell(consumer.RetryAfter(30*time.Second, errBusy))
	// Output: the next attempt after 30s
}

// It is not the record's fault: as if it had not been handed over.
func ExamplePostpone() {
	tell(consumer.Postpone(time.Minute, errBusy))
	// Output: no attempt, again after 1m0s
}

// What an error says, by whatever it was wrapped.
func ExampleVerdictOf() {
	err := fmt.Errorf("price: %w", consumer.RetryAfter(time.Second, errBusy))
	v := consumer.VerdictOf(err)
	fmt.Println(v.Kind == consumer.KindRetryAfter, v.After, errors.Is(err, errBusy))
	// Output: true 1s true
}

// Keys and headers have codecs, too.
func ExampleDecodeKey() {
	m := testkit.NewDouble().Message("orders", 7, testkit.Text("tea").Key(`{"shop":"berlin"}`).Header("attempts", "3"))
	var key struct{ Shop string }
	var attempts int
	fmt.Println(consumer.DecodeKey(consumer.JSONCodec, m, &key), key.Shop)
	fmt.Println(consumer.DecodeHeader(consumer.JSONCodec, m, "attempts", &attempts))
	fmt.Println(attempts)
	// Output:
	// <nil> berlin
	// true <nil>
	// 3
}

// A filter of one's own: nothing is handled at night.
func ExampleFilterFunc() {
	byDay := consumer.FilterFunc(func(_ *kgo.Record, _, now time.Time) consumer.Decision {
		if morning := time.Date(now.Year(), now.Month(), now.Day(), 6, 0, 0, 0, now.Location()); now.Before(morning) {
			return consumer.HoldUntil(morning)
		}
		return consumer.Pass()
	})
	night := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	fmt.Println(byDay.Check(&kgo.Record{}, night, night).Held().Format(time.TimeOnly))
	// Output: 06:00:00
}

// What a filter says of a record.
func ExampleDecision() {
	now := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	for _, d := range []consumer.Decision{consumer.Pass(), consumer.Drop(consumer.ErrExpired), consumer.HoldUntil(now)} {
		fmt.Println(d.Dropped(), d.Held().Equal(now))
	}
	// Output:
	// <nil> false
	// expired false
	// <nil> true
}

// Middleware that gives every output of a responder a header.
func ExampleOnOutput() {
	ctx := consumer.OnOutput(context.Background(), func(_ context.Context, out *kgo.Record) {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: "by", Value: []byte("pricing")})
	})
	out := &kgo.Record{Topic: "orders.priced"}
	consumer.PrepareOutput(ctx, out) // package responder does it
	fmt.Printf("%s: %s\n", out.Headers[0].Key, out.Headers[0].Value)
	// Output: by: pricing
}

// total is a handler of EachPartition with state of its own.
type total struct{ n int }

func (t *total) Handle(context.Context, *consumer.Message) error {
	t.n++
	return nil
}

func (t *total) OnRevoked(context.Context) error { fmt.Println("revoked after", t.n); return nil }

func (t *total) BeforeStop(context.Context) error { fmt.Println("stopping after", t.n); return nil }

// What a handler of EachPartition may be told beside its records.
func ExampleRevokedHandler() {
	var h consumer.Handler = &total{}
	_ = h.Handle(context.Background(), testkit.NewDouble().Message("orders", 0, testkit.Text("tea")))
	if told, ok := h.(consumer.RevokedHandler); ok { // the engine does this when the partition is taken away
		_ = told.OnRevoked(context.Background())
	}
	if told, ok := h.(consumer.StopHandler); ok { // and this when the process stops
		_ = told.BeforeStop(context.Background())
	}
	// Output:
	// revoked after 1
	// stopping after 1
}
