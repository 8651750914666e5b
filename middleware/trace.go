package middleware

import (
	"context"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/karafgo/karafgo/consumer"
)

type traceOptions struct {
	provider   trace.TracerProvider
	propagator propagation.TextMapPropagator
}

// TraceOption adds to [Trace].
type TraceOption func(*traceOptions)

// TracerProvider makes the spans. Defaults to otel.GetTracerProvider().
func TracerProvider(p trace.TracerProvider) TraceOption {
	return func(o *traceOptions) { o.provider = p }
}

// Propagator reads contexts from headers. Defaults to otel.GetTextMapPropagator().
func Propagator(p propagation.TextMapPropagator) TraceOption {
	return func(o *traceOptions) { o.propagator = p }
}

// tracer is the name of the instrumentation.
const tracer = "github.com/karafgo/karafgo/middleware"

// mostLinks is how many creators the span of a batch is linked to.
const mostLinks = 128

// Trace makes a span "process <topic>" of kind CONSUMER for every attempt, with the attributes of OpenTelemetry's semantic conventions for
// messaging and Kafka. It is linked to the spans that created the records, which their headers name (of a batch, the first 128), and is in
// the handler's context. The error of an attempt that failed is its status.
//
// Every output of a responder gets a span "create <topic>" of kind PRODUCER within that one, and its context in the headers, instead of the
// one that came with the record. So does what the handler sends through a responder.Producer with its context.
func Trace(opts ...TraceOption) consumer.Middleware {
	var o traceOptions
	for _, opt := range opts {
		opt(&o)
	}
	return func(next consumer.BatchHandler) consumer.BatchHandler {
		return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
			provider, propagator := o.provider, o.propagator
			if provider == nil {
				provider = otel.GetTracerProvider()
			}
			if propagator == nil {
				propagator = otel.GetTextMapPropagator()
			}
			ctx, span := provider.Tracer(tracer).Start(ctx, "process "+b.First().Topic, trace.WithSpanKind(trace.SpanKindConsumer),
				trace.WithLinks(links(ctx, propagator, b)...), trace.WithAttributes(attributes(b)...))
			defer span.End()
			ctx = consumer.OnOutput(ctx, func(ctx context.Context, out *kgo.Record) {
				ctx, span := provider.Tracer(tracer).Start(ctx, "create "+out.Topic, trace.WithSpanKind(trace.SpanKindProducer),
					trace.WithAttributes(
						attribute.String("messaging.system", "kafka"),
						attribute.String("messaging.operation.name", "create"),
						attribute.String("messaging.operation.type", "create"),
						attribute.String("messaging.destination.name", out.Topic),
					))
				propagator.Inject(ctx, headers{out})
				span.End()
			})
			err := next.HandleBatch(ctx, b)
			if err != nil {
				span.RecordError(err)
				span.SetStatus(codes.Error, err.Error())
			}
			return err
		})
	}
}

func links(ctx context.Context, propagator propagation.TextMapPropagator, b *consumer.Batch) (all []trace.Link) {
	for _, m := range b.All() {
		creator := trace.SpanContextFromContext(propagator.Extract(context.WithoutCancel(ctx), headers{m.Record}))
		if creator.IsValid() && creator.IsRemote() && len(all) < mostLinks {
			all = append(all, trace.Link{SpanContext: creator})
		}
	}
	return all
}

func attributes(b *consumer.Batch) []attribute.KeyValue {
	first := b.First()
	all := []attribute.KeyValue{
		attribute.String("messaging.system", "kafka"),
		attribute.String("messaging.operation.name", "process"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", first.Topic),
		attribute.String("messaging.destination.partition.id", strconv.Itoa(int(first.Record.Partition))),
		attribute.Int64("messaging.kafka.offset", first.Offset),
		attribute.Int("karafgo.attempt", first.Attempt()),
	}
	if p := first.Assigned(); p != nil {
		all = append(all, attribute.String("messaging.consumer.group.name", p.Group()))
	}
	if b.Len() > 1 {
		return append(all, attribute.Int("messaging.batch.message_count", b.Len()))
	}
	if first.Tombstone() {
		all = append(all, attribute.Bool("messaging.kafka.message.tombstone", true))
	}
	return all
}

// headers lets a propagator read a record's.
type headers struct{ *kgo.Record }

func (h headers) Get(key string) string {
	for _, header := range h.Headers {
		if header.Key == key {
			return string(header.Value)
		}
	}
	return ""
}

func (h headers) Set(key, value string) {
	for i := range h.Headers {
		if h.Headers[i].Key == key {
			h.Headers[i].Value = []byte(value)
			return
		}
	}
	h.Headers = append(h.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
}

func (h headers) Keys() []string {
	keys := make([]string, len(h.Headers))
	for i, header := range h.Headers {
		keys[i] = header.Key
	}
	return keys
}
