package engine

import (
	"context"
	"sync/atomic"
)

// limiter bounds how many runs are in progress at once. A nil limiter bounds nothing. Those who wait are served
// in the order they came
// (a channel's senders are), so no partition starves.
type limiter struct {
	slots   chan struct{}
	waiting atomic.Int32
}

func newLimiter(n int) *limiter {
	if n <= 0 {
		return nil
	}
	return &limiter{slots: make(chan struct{}, n)}
}

// acquire takes a slot, or returns false when ctx or quit ends first.
func (l *limiter) acquire(ctx context.Context, quit <-chan struct{}) bool {
	if l == nil {
		return true
	}
	select {
	case l.slots <- struct{}{}:
		return true
	default:
	}
	l.waiting.Add(1)
	defer l.waiting.Add(-1)
	select {
	case l.slots <- struct{}{}:
		return true
	case <-quit:
		return false
	case <-ctx.Done():
		return false
	}
}

func (l *limiter) release() {
	if l != nil {
		<-l.slots
	}
}

// contended reports whether someone waits for a slot.
func (l *limiter) contended() bool { return l != nil && l.waiting.Load() > 0 }
