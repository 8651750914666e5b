package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
)

// settle ends a run, however it ended: it is deferred, so that a panic and runtime.Goexit come by here too.
func (l *lane) settle() {
	p := recover()
	if l.calling >= 0 {
		err := &consumer.PanicError{Value: p, Stack: debug.Stack()}
		if l.p.batch {
			l.returned(err)
		} else {
			c := &l.claims[l.calling]
			c.err, l.elapsed = err, time.Duration(max(l.p.e.clock.read()-l.since.Load(), 0))
		}
		l.calling = -1
	}
	if l.timed != nil {
		l.timed.disarm()
	}
	now := l.p.e.clock.read()
	if l.p.route.responds {
		l.settleOutputs()
	}
	l.since.Store(0)
	l.complete(now)
	l.began = now
}

// settleOutputs waits until the run's outputs are acknowledged. A refused one fails its record.
func (l *lane) settleOutputs() {
	started := time.Now()
	sent, refused, ok := l.out.settle(l.k.a.ctx)
	if !ok {
		l.outputsLate()
		return
	}
	if l.p.batch && len(refused) > 0 { // it is refused as a whole
		no := lowest(refused)
		l.refuse(&outputError{topic: no.topic, err: no.err})
		l.emit(callbacks.ProduceFailed{Where: l.k.a.where(), Offset: l.claims[0].rec.Offset, Output: no.topic, Err: no.err})
		return
	}
	for _, no := range refused {
		for i := range l.claims {
			c := &l.claims[i]
			if c.begun && c.err == nil && c.rec.Offset == no.offset { // the only one: see keys.claim
				c.err, l.elapsed = &outputError{topic: no.topic, err: no.err}, time.Duration(max(l.p.e.clock.read()-l.since.Load(), 0))
				l.emit(callbacks.ProduceFailed{Where: l.k.a.where(), Offset: no.offset, Output: no.topic, Err: no.err})
			}
		}
	}
	if ok := sent - len(refused); ok > 0 {
		l.emit(callbacks.Produced{Where: l.k.a.where(), Count: ok, Elapsed: time.Since(started)})
	}
}

// outputsLate makes the run fail: the assignment's context has ended, and nobody knows of which of its records the outputs are there.
func (l *lane) outputsLate() {
	l.out, l.first = &outbox{}, nil // answers may still come to the old one
	late := fmt.Errorf("outputs: %w: %w", errAnswerLate, context.Cause(l.k.a.ctx))
	if l.p.batch {
		l.refuse(late)
		return
	}
	for i := range l.claims {
		if c := &l.claims[i]; c.begun && c.err == nil {
			c.err = late
		}
	}
}

func (l *lane) emit(e callbacks.Event) { l.p.e.emit(e) }

// begun are the claims that were handed over. What comes behind them was given to others, or is given back. A claim that fails is the last.
func (l *lane) begun() []claim {
	n := 0
	for n < len(l.claims) && l.claims[n].begun {
		n++
	}
	return l.claims[:n]
}

// fails reports whether a record has to be decided about: it failed, or is on its way to another topic.
func (c *claim) fails() bool { return c.err != nil || c.fail != nil && c.fail.forward != nil }

// reap notes what is done among claims that have been handed over, up to one of them, and lets the next of their keys go. It is called with
// the lock held, by the lane at the end, and before by the clock when the lane is stuck.
func (p *pool) reap(l *lane, end int, now int64) {
	k := l.k
	done := l.claims[min(l.reaped, end):end]
	if n := len(done); n > 0 && done[n-1].fails() {
		done = done[:n-1]
	}
	l.reaped = max(l.reaped, end)
	elapsed := max(now-l.reapedAt, 0)
	l.reapedAt = now
	switch {
	case len(done) == 0:
		return
	case len(done) == 1 && !p.batch && !k.over:
		k.handled(&done[0], time.Duration(elapsed))
		k.finish(done[0].node)
		k.a.r.committer.finished(1)
		return
	}
	e := callbacks.Handled{
		Where: k.a.where(), First: done[0].rec.Offset, Last: done[0].rec.Offset, Count: len(done), Elapsed: time.Duration(elapsed),
		Batch: p.batch,
	}
	for i := range done {
		c := &done[i]
		e.First, e.Last = min(e.First, c.rec.Offset), max(e.Last, c.rec.Offset)
		if c.skipped {
			e.Skipped++
		}
	}
	if e.Last-e.First+1 != int64(e.Count) {
		e.Offsets = make([]int64, len(done))
		for i := range done {
			e.Offsets[i] = done[i].rec.Offset
		}
		slices.Sort(e.Offsets)
	}
	p.tellHandled()
	p.e.emit(e)
	if k.over {
		p.tell(callbacks.Stale{Where: k.a.where(), First: e.First, Last: e.Last, Epoch: k.a.epoch})
		return
	}
	for i := range done {
		k.finish(done[i].node)
	}
	k.a.r.committer.finished(len(done))
}

// complete notes what is done, and gives back what was not begun. A record that failed is decided about before the lane goes on.
func (l *lane) complete(now int64) {
	k, begun := l.k, l.begun()
	var failed *claim
	if n := len(begun); n > 0 && begun[n-1].fails() {
		failed = &begun[n-1]
	}
	if n := len(begun); failed == nil {
		l.p.route.breaker.handled(n)
	} else {
		l.p.route.breaker.handled(n - 1)
	}
	l.p.mu.Lock()
	l.p.reap(l, len(begun), now)
	l.giveBack()
	k.pace(len(begun), now-l.began)
	if whole := l.whole; failed != nil || whole != nil {
		l.whole = nil
		l.p.enlist(k)
		l.p.unlock()
		if whole != nil {
			l.resolveWhole(whole)
		} else {
			l.resolve(failed)
		}
		l.p.mu.Lock()
	}
	l.part()
	if !l.p.e.limit.contended() {
		l.claim()
	}
	if l.claimed { // it goes on, and the clock ticks
		l.p.free()
	} else {
		l.p.unlock()
	}
}

// pace follows how long a record takes.
func (k *keys) pace(n int, elapsed int64) {
	if n == 0 {
		return
	}
	per := max(elapsed/int64(n), 1)
	if k.per > 0 {
		per = (3*k.per + per) / 4
	}
	k.per = per
	k.a.perRecord.Store(per / int64(max(len(k.p.lanes), 1)))
}

// giveBack makes what was claimed and not begun ready again.
func (l *lane) giveBack() {
	left := l.steal()
	if l.p.batch && l.whole == nil {
		left = l.claims[len(l.begun()):]
	}
	for _, c := range slices.Backward(left) {
		l.k.giveBack(c)
	}
}

// part ends the lane's work for an assignment.
func (l *lane) part() {
	k := l.k
	l.k = nil
	k.lanes--
	k.settled()
	l.p.enlist(k)
}
