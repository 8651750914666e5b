package room

import (
	"context"
	"sync"
	"time"
)

// Context is its caller's until Leave, and has no end afterwards. There is one for every record, and hardly any waits, so what ends it is
// made when somebody asks. It is not to be copied.
type Context struct {
	context.Context //nolint:containedctx // it is one itself

	mu   sync.Mutex
	left bool
	own  context.Context //nolint:containedctx // ends with the caller's
	stop func() bool     // from then on it does not
}

// Leave lets go of the caller's context. What it has ended already stays ended.
func (c *Context) Leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
	if c.stop != nil {
		c.stop()
	}
}

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own == nil && !c.left && c.Context.Done() != nil {
		own, end := context.WithCancelCause(context.WithoutCancel(c.Context))
		c.own, c.stop = own, context.AfterFunc(c.Context, func() { end(context.Cause(c.Context)) })
	}
	if c.own == nil {
		return nil
	}
	return c.own.Done()
}

// Err implements context.Context.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.own != nil:
		return c.own.Err()
	case c.left:
		return nil
	default:
		return c.Context.Err()
	}
}

// Deadline implements context.Context. There is none, for the record.
func (c *Context) Deadline() (time.Time, bool) { return time.Time{}, false }
