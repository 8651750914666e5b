package middleware_test

import (
	"context"
	"errors"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"golang.org/x/time/rate"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/middleware"
)

func batchOf(keys ...string) *consumer.Batch {
	ms := make([]consumer.Message, len(keys))
	for i, key := range keys {
		ms[i] = consumer.NewMessage(&kgo.Record{Topic: "orders", Partition: 2, Offset: int64(i), Key: []byte(key), Value: []byte("v")}, nil)
	}
	return consumer.NewBatch(ms)
}

var _ = Describe("RateLimit", func() {
	It("takes a token for every record, and ends with the context", func() {
		limiter := rate.NewLimiter(rate.Every(1), 3)
		calls := 0
		h := consumer.Chain(consumer.BatchHandlerFunc(func(context.Context, *consumer.Batch) error {
			calls++
			return nil
		}), middleware.RateLimit(limiter))
		Expect(h.HandleBatch(context.Background(), batchOf("1", "2", "3", "4", "5", "6", "7"))).To(Succeed(), "more than the burst")
		Expect(calls).To(Equal(1))
		limiter.SetLimit(rate.Every(1e18))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		Expect(h.HandleBatch(ctx, batchOf("1"))).To(MatchError(context.Canceled))
		Expect(calls).To(Equal(1))
	})
})

var _ = Describe("Trace", func() {
	It("makes a span for an attempt, linked to the creators of its records", func() {
		exporter := tracetest.NewInMemoryExporter()
		provider := trace.NewTracerProvider(trace.WithSyncer(exporter))
		DeferCleanup(func() { Expect(provider.Shutdown(context.Background())).To(Succeed()) })
		boom := errors.New("boom")
		var inner string
		h := consumer.Chain(consumer.BatchHandlerFunc(func(ctx context.Context, _ *consumer.Batch) error {
			_, span := provider.Tracer("t").Start(ctx, "inner")
			inner = span.SpanContext().TraceID().String()
			span.End()
			return boom
		}), middleware.Trace(middleware.TracerProvider(provider), middleware.Propagator(propagation.TraceContext{})))
		b := batchOf("a", "b")
		b.At(0).Record.Headers = []kgo.RecordHeader{
			{Key: "traceparent", Value: []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")},
		}
		Expect(h.HandleBatch(context.Background(), b)).To(MatchError(boom))
		spans := exporter.GetSpans()
		Expect(spans).To(HaveLen(2))
		span := spans[1]
		Expect(span.Name).To(Equal("process orders"))
		Expect(span.SpanContext.TraceID().String()).To(Equal(inner), "it is in the handler's context")
		Expect(span.Links).To(HaveLen(1))
		Expect(span.Links[0].SpanContext.TraceID().String()).To(Equal("0af7651916cd43dd8448eb211c80319c"))
		Expect(span.Status.Code).To(Equal(codes.Error))
		attributes := map[string]string{}
		for _, a := range span.Attributes {
			attributes[string(a.Key)] = fmt.Sprint(a.Value.AsInterface())
		}
		Expect(attributes).To(And(HaveKeyWithValue("messaging.system", "kafka"), HaveKeyWithValue("messaging.destination.name", "orders"),
			HaveKeyWithValue("messaging.destination.partition.id", "2"), HaveKeyWithValue("messaging.batch.message_count", "2"),
			HaveKeyWithValue("messaging.operation.type", "process"), HaveKeyWithValue("messaging.kafka.offset", "0")))
	})

	It("gives outputs a span of their own, and its context", func() {
		exporter := tracetest.NewInMemoryExporter()
		provider := trace.NewTracerProvider(trace.WithSyncer(exporter))
		DeferCleanup(func() { Expect(provider.Shutdown(context.Background())).To(Succeed()) })
		out := &kgo.Record{Topic: "answers", Headers: []kgo.RecordHeader{{Key: "traceparent", Value: []byte("of the input")}}}
		h := consumer.Chain(consumer.BatchHandlerFunc(func(ctx context.Context, _ *consumer.Batch) error {
			consumer.PrepareOutput(ctx, out)
			return nil
		}), middleware.Trace(middleware.TracerProvider(provider), middleware.Propagator(propagation.TraceContext{})))
		Expect(h.HandleBatch(context.Background(), batchOf("a"))).To(Succeed())
		spans := exporter.GetSpans()
		Expect(spans).To(HaveLen(2))
		created, process := spans[0], spans[1]
		Expect(created.Name).To(Equal("create answers"))
		Expect(created.Parent.SpanID()).To(Equal(process.SpanContext.SpanID()))
		Expect(out.Headers).To(HaveLen(1))
		Expect(string(out.Headers[0].Value)).To(Equal(
			fmt.Sprintf("00-%s-%s-01", created.SpanContext.TraceID(), created.SpanContext.SpanID())))
	})
})
