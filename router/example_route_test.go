package router_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

// only draws one group, and returns its first route as it was checked.
func only(draw func(g *router.Group)) router.RouteSpec {
	table, err := router.Draw(func(r *router.Router) { r.Group("shop", draw) })
	if err != nil {
		fmt.Println(err)
		return router.RouteSpec{}
	}
	return table.Groups()[0].Routes[0]
}

var (
	// mail and index stand for handlers of yours.
	mail  = consumer.Value(func(context.Context, Order) error { return nil })
	index = consumer.JSONBatch(func(context.Context, *consumer.TypedBatch[Order]) error { return nil })
)

// One record at a time, the next one of its partition when the handler has returned.
func ExampleRoute_Each() {
	r := only(func(g *router.Group) { g.Topic("orders").Each(mail) })
	fmt.Println(r.Consumes(), "|", r.Offsets, "|", r.AtOnce(), "|", r.OnFailure(), "|", r.Start)
	// Output: each | automatic | 1 per partition | retry for ever | earliest
}

// Up to 500 records of one partition; fewer, when the first of them has waited for a second.
func ExampleRoute_Batch() {
	r := only(func(g *router.Group) { g.Topic("orders").Batch(index, 500, time.Second) })
	fmt.Println(r.Consumes())
	// Output: batch of 500 or 1s
}

// counter counts the records of one partition, and needs no lock for it.
type counter struct {
	partition consumer.Partition
	n         int
}

func (c *counter) Handle(context.Context, *consumer.Message) error {
	c.n++
	return nil
}

// OnRevoked is called when the partition is taken away: see consumer.RevokedHandler.
func (c *counter) OnRevoked(context.Context) error {
	fmt.Println("partition", c.partition.ID(), "had", c.n)
	return nil
}

// A handler for each partition, made when the partition is assigned.
func ExampleRoute_EachPartition() {
	r := only(func(g *router.Group) {
		g.Topic("orders").EachPartition(func(p consumer.Partition) consumer.Handler { return &counter{partition: p} })
	})
	fmt.Println(r.Consumes())
	// Output: each, handler per partition
}

// Three retries in place, two later, then a dead letter.
func ExampleRoute_OnFailure() {
	r := only(func(g *router.Group) {
		g.Topic("orders").Each(mail).OnFailure(
			router.Retry(3, 100*time.Millisecond),
			router.RetryLater(10*time.Second, time.Minute),
			router.DeadLetter("orders.dlq"),
		)
	})
	fmt.Println(r.OnFailure())
	// Output: retry 3 from 100ms, then after 10s, then after 1m, then dead letter orders.dlq
}

// The ends of OnFailure beside DeadLetter.
func ExampleEnd() {
	for _, end := range []router.End{router.Block, router.Skip, router.Stop} {
		r := only(func(g *router.Group) { g.Topic("orders").Each(mail).OnFailure(router.Retry(2, time.Second), end) })
		fmt.Println(r.OnFailure())
	}
	// Output:
	// retry 2 from 1s, then block
	// retry 2 from 1s, then skip
	// retry 2 from 1s, then stop
}

// The pause doubles with every attempt, up to a minute; the engine waits a random part of it.
func ExampleRetry() {
	r := only(func(g *router.Group) {
		g.Topic("orders").Each(mail).OnFailure(router.Retry(10, time.Second, router.MaxBackoff(time.Minute)), router.Skip)
	})
	fmt.Println(r.Failure.Retries, r.Failure.Backoff, r.Failure.MaxBackoff)
	// Output: 10 1s 1m0s
}

// Each delay has a topic of its own, consumed by the same group with the same handler.
func ExampleRetryLater() {
	table, err := router.Draw(func(r *router.Router) {
		r.Group("shop", func(g *router.Group) {
			g.Topic("orders").Each(mail).OnFailure(router.RetryLater(10*time.Second, time.Hour), router.Stop)
		})
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range table.Groups()[0].Routes {
		fmt.Println(r.Topic, "|", r.Consumes())
	}
	// Output:
	// orders | each
	// orders.shop.retry.10s | each, after 10s
	// orders.shop.retry.1h | each, after 1h
}

// The name of a retry topic, for who makes topics by other means.
func ExampleRetryTopic() {
	fmt.Println(router.RetryTopic("orders", "shop", 90*time.Second))
	// Output: orders.shop.retry.1m30s
}

// No retry: straight to the dead letters.
func ExampleDeadLetter() {
	r := only(func(g *router.Group) { g.Topic("orders").Each(mail).OnFailure(router.DeadLetter("orders.dlq")) })
	fmt.Println(r.OnFailure())
	// Output: dead letter orders.dlq
}

var errSoldOut = errors.New("sold out")

// Other steps for some errors. The first that matches counts.
func ExampleWhen() {
	r := only(func(g *router.Group) {
		g.Topic("orders").Each(mail).OnFailure(
			router.When(router.ErrorAs[*consumer.DecodeError](), router.DeadLetter("orders.unreadable")),
			router.When(router.ErrorIs(errSoldOut), router.Skip),
			router.Retry(5, time.Second),
			router.Stop,
		)
	})
	fmt.Println(r.OnFailure())
	fmt.Println(r.Failure.Of(fmt.Errorf("order 7: %w", errSoldOut)).End)
	// Output:
	// *consumer.DecodeError: dead letter orders.unreadable; "sold out": skip; retry 5 from 1s, then stop
	// skip
}

// Errors that errors.Is finds.
func ExampleErrorIs() {
	r := only(func(g *router.Group) {
		g.Topic("orders").Each(mail).OnFailure(router.When(router.ErrorIs(errSoldOut), router.Skip), router.Block)
	})
	fmt.Println(r.Failure.Of(fmt.Errorf("order 7: %w", errSoldOut)).End, r.Failure.Of(errors.New("another")).End)
	// Output: skip block
}

// Errors that errors.As finds.
func ExampleErrorAs() {
	r := only(func(g *router.Group) {
		g.Topic("orders").Each(mail).OnFailure(router.When(router.ErrorAs[*consumer.PanicError](), router.Stop), router.Block)
	})
	fmt.Println(r.Failure.Of(&consumer.PanicError{}).End, r.Failure.Of(errors.New("another")).End)
	// Output: stop block
}

// Errors for which a function is true; the name is what tables print.
func ExampleErrorWhere() {
	slow := router.ErrorWhere("slow", func(err error) bool { return errors.Is(err, context.DeadlineExceeded) })
	r := only(func(g *router.Group) {
		g.Topic("orders").Each(mail).Timeout(time.Second).OnFailure(router.When(slow, router.Skip), router.Block)
	})
	fmt.Println(r.OnFailure())
	// Output: slow: skip; retry for ever (timeout 1s)
}

// The handler marks: see consumer.Message.Mark, MarkThrough and CommitThrough.
func ExampleRoute_ManualOffsets() {
	r := only(func(g *router.Group) {
		g.Topic("audit").Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			return m.MarkThrough() // this record and all before it
		})).ManualOffsets()
	})
	fmt.Println(r.Offsets)
	// Output: manual
}

// The offset is committed before the record is handed over.
func ExampleRoute_AtMostOnce() {
	r := only(func(g *router.Group) { g.Topic("clicks").Each(mail).AtMostOnce().OnFailure(router.Skip) })
	fmt.Println(r.Offsets)
	// Output: at most once
}

// The offset is kept in the program's database, with the rows that the handler writes. Package sqlstore has a store for database/sql.
func ExampleRoute_ExternalOffsets() {
	store := testkit.NewStore()
	r := only(func(g *router.Group) {
		g.Topic("transfers").Each(consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
			return store.Write(ctx, string(m.Value))
		})).ExternalOffsets(store)
	})
	fmt.Println(r.Offsets)
	// Output: external
}

// A message is valid until the handler returns, and costs less.
func ExampleRoute_ReuseRecords() {
	r := only(func(g *router.Group) { g.Topic("clicks").Each(mail).ReuseRecords() })
	fmt.Println(r.Consumes())
	// Output: each, records reused
}

// 64 handlers at once, and those of one key one after the other.
func ExampleRoute_Concurrency() {
	r := only(func(g *router.Group) { g.Topic("orders").Each(mail).Concurrency(64, router.ByKey) })
	fmt.Println(r.AtOnce())
	// Output: at most 64, by key
}

// What stays in order when handlers run side by side.
func ExampleOrdering() {
	byShop := router.ByKeyOf(func(r *kgo.Record) []byte { return r.Headers[0].Value })
	for _, by := range []router.Ordering{router.ByPartition, router.ByKey, byShop, router.Unordered} {
		fmt.Println(by)
	}
	// Output:
	// by partition
	// by key
	// by computed key
	// unordered
}

// Order by a header instead of the key.
func ExampleByKeyOf() {
	r := only(func(g *router.Group) {
		g.Topic("orders").Each(mail).Concurrency(8, router.ByKeyOf(func(r *kgo.Record) []byte {
			for _, h := range r.Headers {
				if h.Key == "customer" {
					return h.Value
				}
			}
			return nil // of one order with all others that have none
		}))
	})
	fmt.Println(r.AtOnce())
	// Output: at most 8, by computed key
}

// The context of every attempt ends after five seconds.
func ExampleRoute_Timeout() {
	r := only(func(g *router.Group) {
		g.Topic("orders").Each(mail).Timeout(5*time.Second).OnFailure(router.Retry(3, time.Second), router.Skip)
	})
	fmt.Println(r.OnFailure())
	// Output: retry 3 from 1s, then skip (timeout 5s)
}

// Nothing is handed over for 30 seconds when half of the attempts of the last ten failed.
func ExampleRoute_Break() {
	r := only(func(g *router.Group) {
		g.Topic("orders").Each(mail).
			OnFailure(router.Retry(3, time.Second), router.DeadLetter("orders.dlq")).
			Break(router.Breaker{})
	})
	fmt.Println(r.OnFailure())
	// Output: retry 3 from 1s, then dead letter orders.dlq (breaks for 30s at 50% of 10s)
}

// Where a group begins that has nothing committed.
func ExampleRoute_StartAt() {
	r := only(func(g *router.Group) { g.Topic("orders").Each(mail).StartAt(router.Latest) })
	fmt.Println(r.Start)
	// Output: latest
}

// The first record of that time or later.
func ExampleSince() {
	r := only(func(g *router.Group) {
		g.Topic("orders").Each(mail).StartAt(router.Since(time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)))
	})
	fmt.Println(r.Start)
	// Output: 2026-11-21T06:00:00Z
}

// Filters are asked in the order drawn, once for a record; while one holds it, the partition waits.
func ExampleRoute_Filter() {
	errTest := errors.New("a test order")
	genuine := consumer.FilterFunc(func(r *kgo.Record, _, _ time.Time) consumer.Decision {
		if len(r.Headers) > 0 && r.Headers[0].Key == "test" {
			return consumer.Drop(errTest) // marked, and told as skipped
		}
		return consumer.Pass()
	})
	r := only(func(g *router.Group) { g.Topic("orders").Each(mail).Filter(genuine) })
	fmt.Println(r.Consumes())
	// Output: each, filtered
}

// No earlier than ten minutes after its timestamp.
func ExampleRoute_Delay() {
	r := only(func(g *router.Group) { g.Topic("reminders").Each(mail).Delay(10 * time.Minute) })
	fmt.Println(r.Consumes())
	// Output: each, 10m0s late
}

// Skipped when it is older than an hour.
func ExampleRoute_Expire() {
	r := only(func(g *router.Group) { g.Topic("clicks").Each(mail).Expire(time.Hour) })
	fmt.Println(r.Consumes())
	// Output: each, until 1h0m0s old
}

// At most 100 records a second, of this route in this process.
func ExampleRoute_Throttle() {
	r := only(func(g *router.Group) { g.Topic("orders").Each(mail).Throttle(100, time.Second) })
	fmt.Println(r.Consumes())
	// Output: each, 100 per 1s
}
