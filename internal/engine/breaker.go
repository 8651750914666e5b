package engine

import (
	"sync"
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/router"
)

// breaker holds a route while most of its records fail. A nil one never does.
type breaker struct {
	spec  router.Breaker
	tell  func(callbacks.Event)
	where callbacks.Where

	mu     sync.Mutex
	now    counts // of the half of the window in progress, and of the one before
	before counts
	turned time.Time
	open   bool
	until  time.Time // open: nothing is handed over before, and then one record
}

type counts struct{ attempts, failed int }

func newBreaker(spec *router.Breaker, group, topic string, tell func(callbacks.Event)) *breaker {
	if spec == nil {
		return nil
	}
	return &breaker{spec: *spec, tell: tell, where: callbacks.Where{Group: group, Topic: topic, Partition: -1}}
}

// turn forgets what is older than the window. It is called with the lock held.
func (b *breaker) turn(now time.Time) {
	half := b.spec.Window / 2
	switch since := now.Sub(b.turned); {
	case since >= b.spec.Window:
		b.before, b.now, b.turned = counts{}, counts{}, now
	case since >= half:
		b.before, b.now, b.turned = b.now, counts{}, now
	}
}

// ask says until when nothing may be handed over, the zero time for now. While the breaker is open, only one is let through, to probe.
func (b *breaker) ask(now time.Time) (until time.Time, probe bool) {
	if b == nil {
		return time.Time{}, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return time.Time{}, false
	}
	if now.Before(b.until) {
		return b.until, false
	}
	b.until = now.Add(b.spec.Hold) // for the others, and for another probe if this one never tells
	return time.Time{}, true
}

// isOpen reports whether the route is held.
func (b *breaker) isOpen() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open
}

// handled notes records that did not fail.
func (b *breaker) handled(n int) {
	if b == nil || n == 0 {
		return
	}
	b.mu.Lock()
	was := b.open
	b.turn(time.Now())
	if was {
		b.open, b.now, b.before = false, counts{}, counts{}
	}
	b.now.attempts += n
	b.mu.Unlock()
	if was {
		b.tell(callbacks.Resumed{Where: b.where, Reason: callbacks.PausedBreaker})
	}
}

// failed notes an attempt that failed. It returns until when the route is held, the zero time when it is not.
func (b *breaker) failed() time.Time {
	if b == nil {
		return time.Time{}
	}
	now := time.Now()
	b.mu.Lock()
	b.turn(now)
	b.now.attempts++
	b.now.failed++
	all, bad := b.now.attempts+b.before.attempts, b.now.failed+b.before.failed
	opens := !b.open && all >= b.spec.Least && float64(bad) >= b.spec.Ratio*float64(all)
	if opens {
		b.open = true
	}
	if b.open {
		b.until = now.Add(b.spec.Hold)
	}
	open, until := b.open, b.until
	b.mu.Unlock()
	if opens {
		b.tell(callbacks.Paused{Where: b.where, Reason: callbacks.PausedBreaker})
	}
	if !open {
		return time.Time{}
	}
	return until
}
