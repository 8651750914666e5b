package callbacks

import "context"

// Listener receives events, one at a time and in the order in which they happened for a partition. The context ends when the
// process has stopped.
type Listener interface {
	OnEvent(ctx context.Context, e Event)
}

// ListenerFunc makes a Listener of a function.
type ListenerFunc func(ctx context.Context, e Event)

// OnEvent calls f.
func (f ListenerFunc) OnEvent(ctx context.Context, e Event) { f(ctx, e) }

// On listens to one kind of event.
//
//	callbacks.On(func(ctx context.Context, e callbacks.Skipped) { ... })
func On[E Event](fn func(ctx context.Context, e E)) Listener {
	return ListenerFunc(func(ctx context.Context, e Event) {
		if e, ok := e.(E); ok {
			fn(ctx, e)
		}
	})
}
