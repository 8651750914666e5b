// Package callbacks tells a program what its consumers do: events, to observe, and hooks, to take part.
//
// Events are facts. A [Listener] receives them from a bounded queue of its own, so a slow one never holds up consuming; what does
// not fit is dropped and counted ([Dropped]). [On] listens to one kind:
//
//	framework.Callbacks(callbacks.On(func(ctx context.Context, e callbacks.Blocked) {
//		page(e.Topic, e.Partition, e.Offset, e.Err)
//	}))
//
// [Hooks] run in line, at their moment in the life of a consumer group, and the group waits for them. Their panics are
// contained and their context is bounded.
package callbacks
