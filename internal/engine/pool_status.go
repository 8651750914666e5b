package engine

import (
	"fmt"
	"time"

	"github.com/karafgo/karafgo/callbacks"
)

// oldest is the parked record with the lowest offset, which the partition's status shows.
func (k *keys) oldest() *RetryStatus {
	k.p.mu.Lock()
	defer k.p.unlock()
	if k.parked == 0 || k.ended {
		return nil
	}
	for i := k.first; i != none; i = k.nodes[i].next {
		n := &k.nodes[i]
		if n.past == nil || n.past.fail == nil {
			continue
		}
		f, why := n.past.fail, n.past.fail.err
		if f.why != nil {
			why = f.why
		}
		last := n.offset
		if f.whole {
			last = f.last
		}
		return &RetryStatus{Offset: n.offset, Last: last, Attempt: n.past.tries, Blocked: f.blocked, Err: why, Next: f.until}
	}
	return nil
}

// skip gives up a parked record for an operator, and reports whether it is not done.
func (k *keys) skip(offset int64) (open bool, err error) {
	k.p.mu.Lock()
	defer k.p.unlock()
	if k.closing || k.ended {
		return false, ErrNotBlocking
	}
	for i := k.first; i != none; i = k.nodes[i].next {
		n := &k.nodes[i]
		switch {
		case n.offset != offset:
			continue
		case n.past != nil && n.past.fail != nil && n.past.fail.whole: // nobody knows yet whether it is this one
			k.narrow(n.past.fail)
			return true, errNarrowed
		case n.state != nodeParked:
			return n.state != nodeHandled, ErrNotBlocking
		}
		k.p.tell(callbacks.Skipped{Where: k.a.where(), Offset: offset, Err: fmt.Errorf("%w: %w", errSkippedByOperator, n.past.fail.err)})
		n.marked = true
		k.finish(i)
		k.p.enlist(k)
		return false, nil
	}
	return false, ErrNotBlocking
}

// busy is for how long the oldest handler in progress has been running, and at which offset.
func (k *keys) busy() (since time.Duration, offset int64) {
	k.p.mu.Lock()
	defer k.p.unlock()
	now := int64(time.Since(k.p.e.clock.base))
	for _, l := range k.p.lanes {
		if at := l.since.Load(); l.k == k && at > 0 && time.Duration(now-at) >= since {
			since, offset = max(time.Duration(now-at), 1), l.handling()
		}
	}
	return since, offset
}
