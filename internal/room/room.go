package room

import (
	"context"
	"sync"
	"time"
)

// Context is its caller's until Leave, and Then afterwards. There is one for every record, and hardly any waits, so what ends it is
// made when somebody asks. It is not to be copied.
type Context struct {
	context.Context //nolint:containedctx // it is one itself

	// Then bounds what comes after Leave, and is set before anybody else has the context. Defaults to nil: it has no end then.
	Then context.Context //nolint:containedctx // as above

	mu   sync.Mutex
	left bool
	own  context.Context //nolint:containedctx // ends with the caller's, or with Then
	end  context.CancelCauseFunc
	stop func() bool // from then on it does not end with the caller's
}

// Leave lets go of the caller's context. What it has ended already stays ended. It reports whether anybody waited for its end.
func (c *Context) Leave() (waited bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
	if c.own == nil {
		return false
	}
	c.stop()
	if c.Then != nil {
		end, then := c.end, c.Then // not c, whose record would be kept until then
		context.AfterFunc(then, func() { end(context.Cause(then)) })
	}
	return true
}

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.own != nil:
		return c.own.Done()
	case c.left && c.Then != nil:
		return c.Then.Done()
	case c.left, c.Then == nil && c.Context.Done() == nil:
		return nil
	}
	c.own, c.end = context.WithCancelCause(context.Background())
	end, from := c.end, c.Context
	c.stop = context.AfterFunc(from, func() { end(context.Cause(from)) })
	return c.own.Done()
}

// Err implements context.Context. When Then has ended, it is the cause of that.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.own != nil:
		if cause := context.Cause(c.own); c.Then != nil && cause == context.Cause(c.Then) { //nolint:errorlint // the very same
			return cause
		}
		return c.own.Err()
	case c.left && c.Then != nil:
		return context.Cause(c.Then)
	case c.left:
		return nil
	default:
		return c.Context.Err()
	}
}

// Deadline implements context.Context. There is none that anybody could plan with.
func (c *Context) Deadline() (time.Time, bool) { return time.Time{}, false }
