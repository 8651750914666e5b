package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sony/gobreaker/v2"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"golang.org/x/time/rate"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/middleware"
	"github.com/karafgo/karafgo/testkit"
)

// printing is a handler that prints the values that it gets.
var printing = consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
	for _, m := range b.All() {
		fmt.Printf("handled %s\n", m.Value)
	}
	return nil
})

// Copies are skipped, here by the key of the record.
// What handlers of several routes share: the quota of a service.
func ExampleRateLimit() {
	quota := middleware.RateLimit(rate.NewLimiter(rate.Every(time.Hour), 2)) // bursts of two
	h := quota(printing)
	_ = h.HandleBatch(context.Background(), testkit.NewDouble().Batch("orders", testkit.Text("tea"), testkit.Text("coffee")))
	soon, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	fmt.Println(h.HandleBatch(soon, testkit.NewDouble().Batch("orders", testkit.Text("milk"))))
	// Output:
	// handled tea
	// handled coffee
	// wait for the rate limit: rate: Wait(n=1) would exceed context deadline
}

// While what several routes need is down, their records are postponed, and handlers are not called.
func ExampleCircuitBreak() {
	database := middleware.CircuitBreak(gobreaker.Settings{
		Name:        "database",
		Timeout:     time.Hour,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 2 },
	})
	calls := 0
	h := database(consumer.BatchHandlerFunc(func(context.Context, *consumer.Batch) error {
		calls++
		return errors.New("connection refused")
	}))
	for range 4 {
		err := h.HandleBatch(context.Background(), testkit.NewDouble().Batch("orders", testkit.Text("tea")))
		fmt.Println(err, consumer.VerdictOf(err).Kind == consumer.KindPostpone)
	}
	fmt.Println(calls, "calls")
	// Output:
	// connection refused false
	// connection refused true
	// circuit breaker database: circuit breaker is open true
	// circuit breaker database: circuit breaker is open true
	// 2 calls
}

// A span for each delivery, of the process's tracer unless another is given.
func ExampleTrace() {
	spans := tracetest.NewSpanRecorder()
	trace := middleware.Trace(middleware.TracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))))
	_ = trace(printing).HandleBatch(context.Background(), testkit.NewDouble().Batch("orders", testkit.Text("tea")))
	for _, span := range spans.Ended() {
		fmt.Println(span.Name(), span.SpanKind())
	}
	// Output:
	// handled tea
	// process orders consumer
}
