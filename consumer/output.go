package consumer

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

type outputKey struct{}

// OnOutput returns a context in which prepare is called for every output that a responder writes, before it leaves. It is for middleware
// that adds headers to outputs, such as Trace. prepare must be quick, and is called by the handler's goroutines.
func OnOutput(ctx context.Context, prepare func(ctx context.Context, out *kgo.Record)) context.Context {
	if before, ok := ctx.Value(outputKey{}).(func(context.Context, *kgo.Record)); ok {
		after := prepare
		prepare = func(ctx context.Context, out *kgo.Record) {
			before(ctx, out)
			after(ctx, out)
		}
	}
	return context.WithValue(ctx, outputKey{}, prepare)
}

// PrepareOutput calls what OnOutput has put in the context. Packages that write outputs call it, as responder does.
func PrepareOutput(ctx context.Context, out *kgo.Record) {
	if prepare, ok := ctx.Value(outputKey{}).(func(context.Context, *kgo.Record)); ok {
		prepare(ctx, out)
	}
}
