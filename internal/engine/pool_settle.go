package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
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
				c.err = &outputError{topic: no.topic, err: no.err}
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
	p.tell(e)
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

// resolve decides about a record that failed, as the worker's resolve does for a partition's.
func (l *lane) resolve(c *claim) {
	a, rec := l.k.a, c.rec
	f := c.fail
	if c.err != nil {
		f = &failure{err: c.err, elapsed: l.elapsed, blocked: f != nil && f.blocked}
		if context.Cause(a.ctx) != nil { // a cancelled handler's error is not a failure
			l.emit(callbacks.Stale{Where: a.where(), First: rec.Offset, Last: rec.Offset, Epoch: a.epoch, Err: c.err})
			return
		}
		c.tries++
		l.tellFailed(f, rec.Offset, rec.Offset, c.tries)
	}
	if !a.is(stateFetching) && (f.forward != nil || consumer.VerdictOf(f.err).Kind != consumer.KindSkip) {
		return // failed while draining: the next owner gets it
	}
	if f.forward != nil {
		l.ship(c, f)
		return
	}
	if l.markedAlready(c) {
		l.pass(c, nil) // marked, then failed: the mark wins
		return
	}
	v, steps, over := a.route.judge(f.err, c.tries)
	if v.Kind == consumer.KindRetry || v.Kind == consumer.KindRetryAfter {
		if until := a.route.breaker.failed(); !until.IsZero() { // it is not the record's fault: the attempt does not count
			l.park(c, f, c.tries-1, time.Until(until))
			return
		}
	}
	if v.Kind == consumer.KindPostpone {
		c.tries--
	}
	switch {
	case v.Kind == consumer.KindSkip:
		l.pass(c, f.err)
	case !over:
		l.again(c, f, steps, v)
	default:
		l.atEnd(c, f, steps, v)
	}
}

func (l *lane) markedAlready(c *claim) bool {
	l.p.mu.Lock()
	defer l.p.unlock()
	return !l.k.ended && l.k.nodes[c.node].marked
}

func (l *lane) atEnd(c *claim, f *failure, steps router.Failure, v consumer.Verdict) {
	a, rec := l.k.a, c.rec
	if f.forward = a.route.next(steps, a.r.id, rec, v.Kind == consumer.KindPermanent); f.forward != nil {
		l.ship(c, f)
		return
	}
	switch steps.End {
	case router.Skip:
		l.pass(c, f.err)
	case router.Stop:
		l.p.e.fatal(fmt.Errorf("group %q: record %s/%d@%d failed after %d attempts and its route draws Stop: %w",
			a.r.id, rec.Topic, rec.Partition, rec.Offset, c.tries, f.err))
		l.park(c, f, noAttempt, 0)
	default:
		if !f.blocked {
			l.emit(callbacks.Blocked{Where: a.where(), Offset: rec.Offset, Attempt: c.tries, Err: f.err})
		}
		f.blocked = true
		l.again(c, f, steps, v)
	}
}

// noAttempt parks a record for good: the process stops.
const noAttempt = -1

// again waits for the next attempt. Only this key waits.
func (l *lane) again(c *claim, f *failure, steps router.Failure, v consumer.Verdict) {
	delay := l.delay(steps, c.tries, v)
	l.emit(callbacks.Retried{Where: l.k.a.where(), Offset: c.rec.Offset, Attempt: c.tries + 1, Delay: delay, Err: f.err})
	l.park(c, f, c.tries, delay)
}

// ship writes a record to where it goes; until it is there its key waits.
func (l *lane) ship(c *claim, f *failure) {
	a := l.k.a
	for {
		err := a.r.forward(a, c.rec, f.forward, c.tries, f.err)
		switch {
		case err == nil:
			a.shipped(f, c.rec, c.tries)
			l.pass(c, nil)
			return
		case context.Cause(a.ctx) != nil, !a.is(stateFetching):
			return
		case f.forward.trimmed(err):
			continue
		}
		l.emit(callbacks.ForwardFailed{Where: a.where(), Offset: c.rec.Offset, To: f.forward.topic, Err: err})
		f.refused++
		f.blocked, f.why = true, a.cannotShip(f, err)
		l.park(c, f, c.tries, l.p.e.settings.Jitter(backoff(patientSteps, f.refused)))
		return
	}
}

// pass makes a record count as done without success; with why it is a skip.
func (l *lane) pass(c *claim, why error) {
	l.p.mu.Lock()
	if l.k.over || l.k.ended {
		l.p.unlock()
		return
	}
	nd := &l.k.nodes[c.node]
	nd.marked = true // by hand too: nobody else will
	if why != nil {
		l.p.tell(callbacks.Skipped{Where: l.k.a.where(), Offset: c.rec.Offset, Err: why})
	}
	l.k.finish(c.node)
	l.p.enlist(l.k)
	l.p.unlock()
	l.k.a.r.committer.finished(1)
}

// park keeps a record and those of its key behind it from being handed over for a while.
func (l *lane) park(c *claim, f *failure, tries int, delay time.Duration) {
	k := l.k
	l.p.mu.Lock()
	defer l.p.unlock()
	if k.closing || k.ended {
		return
	}
	nd := &k.nodes[c.node]
	was := nd.was()
	if was.fail == nil {
		k.parked++
	}
	nd.state, was.fail, was.tries = nodeParked, f, tries
	f.until = time.Now().Add(delay)
	for i := c.node; i != none; i = k.nodes[i].behind {
		k.clone(i)
	}
	if tries == noAttempt {
		return
	}
	i, seq := c.node, nd.seq
	was.timer = time.AfterFunc(delay, func() {
		k.p.mu.Lock()
		defer k.p.unlock()
		if k.closing || k.ended || k.nodes[i].seq != seq || k.nodes[i].state != nodeParked {
			return
		}
		k.nodes[i].state, was.timer = nodeReady, nil
		k.ready.push(i)
		k.p.enlist(k)
	})
}

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
