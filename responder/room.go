package responder

import (
	"context"
	"sync"
	"time"
)

// room is the context of a record that waits for room in the client's buffer: its caller's until then, and without an end afterwards. There
// is one for every record, and hardly any waits, so what ends it is made when somebody asks.
type room struct {
	context.Context //nolint:containedctx // it is one itself

	mu   sync.Mutex
	left bool
	own  context.Context //nolint:containedctx // ends with the caller's
	stop func() bool     // from then on it does not
}

// leave lets go of the caller's context. What it has ended already stays ended.
func (r *room) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = true
	if r.stop != nil {
		r.stop()
	}
}

// Done implements context.Context.
func (r *room) Done() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.own == nil && !r.left && r.Context.Done() != nil {
		own, end := context.WithCancelCause(context.WithoutCancel(r.Context))
		r.own, r.stop = own, context.AfterFunc(r.Context, func() { end(context.Cause(r.Context)) })
	}
	if r.own == nil {
		return nil
	}
	return r.own.Done()
}

// Err implements context.Context.
func (r *room) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.own != nil:
		return r.own.Err()
	case r.left:
		return nil
	default:
		return r.Context.Err()
	}
}

// Deadline implements context.Context. There is none, for the record.
func (r *room) Deadline() (time.Time, bool) { return time.Time{}, false }
