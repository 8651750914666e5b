package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
)

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
