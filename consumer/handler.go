package consumer

import (
	"context"
	"slices"
)

// Handler consumes one record at a time. Records of one partition arrive in offset order, the next one after the handler
// returned; records of different partitions arrive concurrently.
//
// The context ends when the partition is taken away (cause offsets.ErrRevoked), when the process stops and its drain time
// is over (offsets.ErrStopping), or at the route's Timeout (context.DeadlineExceeded). The error a handler returns after
// a revoke or a stop is not counted as a failure.
type Handler interface {
	Handle(ctx context.Context, m *Message) error
}

// HandlerFunc makes a Handler of a function.
type HandlerFunc func(ctx context.Context, m *Message) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, m *Message) error { return f(ctx, m) }

// BatchHandler consumes batches: the next records of one partition in offset order, never empty.
//
// nil marks the whole batch. [FailedAt] marks what came before the failed message and delivers the rest again. Any other
// error retries the whole batch; when the retries are used up, and on a route without a Retry step after three attempts, its records
// are delivered one by one, so that only what fails meets the end of OnFailure.
type BatchHandler interface {
	HandleBatch(ctx context.Context, b *Batch) error
}

// BatchHandlerFunc makes a BatchHandler of a function.
type BatchHandlerFunc func(ctx context.Context, b *Batch) error

// HandleBatch calls f.
func (f BatchHandlerFunc) HandleBatch(ctx context.Context, b *Batch) error { return f(ctx, b) }

// Middleware wraps what comes after it. There is one kind for all consuming modes: a route that consumes record by record hands
// over batches of one. It runs once per attempt.
//
//	func timed(next consumer.BatchHandler) consumer.BatchHandler {
//		return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
//			defer observe(time.Now())
//			return next.HandleBatch(ctx, b)
//		})
//	}
type Middleware func(next BatchHandler) BatchHandler

// Chain wraps h with middleware, the first outermost. A batch from which everything was skipped ends before the next
// link.
func Chain(h BatchHandler, mw ...Middleware) BatchHandler {
	for _, m := range slices.Backward(mw) {
		h = m(unlessEmpty{h})
	}
	return h
}

type unlessEmpty struct{ next BatchHandler }

func (u unlessEmpty) HandleBatch(ctx context.Context, b *Batch) error {
	if b.Len() == 0 {
		return nil
	}
	return u.next.HandleBatch(ctx, b)
}

// Output is a topic that a responder writes to. The router finds outputs through [Responder], prints them and checks them.
type Output struct {
	// Topic is the name of the topic.
	Topic string
	// Required says that every record handled must write at least one record to the topic.
	Required bool
	// Sync says that writing returns after the broker acknowledged, instead of at once.
	Sync bool
}

// Responder is implemented by handlers that write to topics: see package responder.
type Responder interface {
	Outputs() []Output
}
