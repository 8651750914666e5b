package consumer

import (
	"context"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

type outputKey struct{}

// prepared is false until OnOutput is called first in this process: no context need be asked then, which takes longer than all else that is
// done for an output.
var prepared atomic.Bool //nolint:gochecknoglobals // as said

// OnOutput returns a context in which prepare is called for every output that a responder writes, before it leaves. It is for middleware
// that adds headers to outputs, such as Trace. prepare must be quick, and is called by the handler's goroutines.
func OnOutput(ctx context.Context, prepare func(ctx context.Context, out *kgo.Record)) context.Context {
	prepared.Store(true)
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
	if !prepared.Load() {
		return
	}
	if prepare, ok := ctx.Value(outputKey{}).(func(context.Context, *kgo.Record)); ok {
		prepare(ctx, out)
	}
}
