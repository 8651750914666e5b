package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// attempts keeps a route's Timeout without a context per record: one context serves record after record until
// one of them runs out of
// time, and only then is another made. The worker says when a record starts (one atomic swap); a timer, armed
// once per run, looks at it when
// it may have run out.
type attempts struct {
	parent context.Context //nolint:containedctx // the assignment's
	limit  time.Duration
	clock  *clock
	timer  *time.Timer
	armed  atomic.Bool  // between arm and disarm
	state  atomic.Int64 // when the record started, negative once its time ran out; 0 when none is running
	live   atomic.Pointer[attemptContext]
}

func newAttempts(parent context.Context, limit time.Duration, c *clock) *attempts {
	t := &attempts{parent: parent, limit: limit, clock: c}
	t.renew()
	t.timer = time.AfterFunc(limit, t.expire) // not armed: it does nothing before the first run
	return t
}

func (t *attempts) renew() {
	ctx, cancel := context.WithCancelCause(t.parent)
	t.live.Store(&attemptContext{Context: ctx, cancel: cancel, t: t})
}

// start begins an attempt and returns its context.
func (t *attempts) start() context.Context {
	now := max(t.clock.now.Load(), 1)
	if t.state.Swap(now) < 0 {
		t.renew()
		t.timer.Reset(t.limit)
	}
	return t.live.Load()
}

// arm starts the watch for a run, disarm ends it.
func (t *attempts) arm() {
	t.armed.Store(true)
	t.timer.Reset(t.limit)
}

func (t *attempts) disarm() {
	t.armed.Store(false)
	t.timer.Stop()
	if t.state.Swap(0) < 0 {
		t.renew()
	}
}

// expire cancels the attempt in progress if it has run out of time, and looks again later if not. The context is read before the
// state is swapped: if the swap succeeds, no other record had begun, so it is that record's context.
func (t *attempts) expire() {
	live, started := t.live.Load(), t.state.Load()
	switch {
	case started < 0: // already told; the next start arms the timer
		return
	case started == 0:
		if t.armed.Load() { // else it fired while the run ended, and would go on for ever
			t.timer.Reset(t.limit)
		}
		return
	}
	left := t.limit - time.Duration(int64(time.Since(t.clock.base))-started)
	if left > 0 {
		t.timer.Reset(left)
		return
	}
	if t.state.CompareAndSwap(started, -started) {
		live.cancel(context.DeadlineExceeded)
		return
	}
	t.timer.Reset(t.limit)
}

// stop frees what the last context holds.
func (t *attempts) stop() { t.live.Load().cancel(context.Canceled) }

// attemptContext is a cancellable context whose deadline is computed when somebody asks.
type attemptContext struct {
	context.Context //nolint:containedctx // it is one

	cancel context.CancelCauseFunc
	t      *attempts
}

// Deadline is that of the attempt in progress.
func (c *attemptContext) Deadline() (time.Time, bool) {
	started := c.t.state.Load()
	if started < 0 {
		started = -started
	}
	if started == 0 {
		return time.Time{}, false
	}
	return c.t.clock.base.Add(time.Duration(started)).Add(c.t.limit), true
}

// Err says DeadlineExceeded where that was the cause, as a context with a deadline would.
func (c *attemptContext) Err() error {
	err := c.Context.Err()
	if err != nil && errors.Is(context.Cause(c.Context), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}
