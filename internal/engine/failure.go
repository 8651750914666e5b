package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
)

// blockedFrom is the attempt from which a record on a route that retries for ever is reported as blocked.
const blockedFrom = 3

// failure is an attempt that failed at recs[i]; in a batch that failed as a whole, at recs[i:].
type failure struct {
	err     error
	elapsed time.Duration
	blocked bool // told once
	forward *forward
	refused int // how often forwarding it has failed
	// By key, where a failure is kept with its record: until when it waits, and why, if not for err.
	until time.Time
	why   error
	// By key, of a batch that failed as a whole: its last offset.
	whole bool
	last  int64
}

// resolve decides about a failure: again, the end, or nothing because the partition is going. This is the only place that does.
func (w *worker) resolve() bool {
	a, f := w.a, w.fail
	rec := w.recs[w.i]
	if f.forward != nil {
		return a.is(stateFetching) && w.ship(f)
	}
	end := w.end()
	whole := w.batching() && consumer.VerdictOf(f.err).At == nil && w.i >= w.alone && end-w.i > 1
	last := rec
	if whole {
		last = w.recs[end-1]
	}
	if context.Cause(a.ctx) != nil || errors.Is(f.err, errUndone) {
		// A cancelled handler's error is not a failure.
		w.r.emit(callbacks.Stale{Where: a.where(), First: rec.Offset, Last: last.Offset, Epoch: a.epoch, Err: f.err})
		return false
	}
	v, steps, over := w.route.judge(f.err, w.attempt)
	if v.Kind != consumer.KindPostpone {
		var panicked *consumer.PanicError
		w.r.emit(callbacks.Failed{
			Where: a.where(), First: rec.Offset, Last: last.Offset, Attempt: w.attempt,
			Err: f.err, Elapsed: f.elapsed, Panic: errors.As(f.err, &panicked),
		})
		if w.route.once {
			return w.giveUpOn(f)
		}
	}
	if !a.is(stateFetching) && v.Kind != consumer.KindSkip {
		return false // failed while draining: it stays unmarked, the next owner gets it
	}
	if a.tr != nil && !whole && a.tr.marked(rec.Offset) {
		w.pass(nil) // marked, then failed: the mark wins
		return true
	}

	if v.Kind == consumer.KindRetry || v.Kind == consumer.KindRetryAfter {
		if until := w.route.breaker.failed(); !until.IsZero() { // it is not the record's fault: the attempt does not count
			w.fail = nil
			w.attempt--
			return true
		}
	}
	switch {
	case v.Kind == consumer.KindPostpone:
		w.attempt--
		return w.again(steps, f, v, last.Offset)
	case v.Kind == consumer.KindSkip:
		if whole {
			w.passAll(f.err)
		} else {
			w.pass(f.err)
		}
		return true
	case over, w.i < w.alone:
		if whole { // find out which of them it is
			w.narrow()
			return true
		}
		return w.atEnd(steps, f, v)
	}
	return w.again(steps, f, v, last.Offset)
}

// judge says what a failure means: the handler's verdict, the steps for its kind, and whether attempts in place are over.
func (p *route) judge(err error, attempt int) (v consumer.Verdict, steps router.Failure, over bool) {
	v, steps = consumer.VerdictOf(err), p.spec.Failure.Of(err)
	over = attempt > steps.Retries || p.spec.RetryOf != ""
	if steps.End == router.Block && steps.Retries == 0 && len(steps.Later) == 0 { // for ever: there is nothing to be over but patience
		over = attempt >= blockedFrom
	}
	return v, steps, (over || v.Kind == consumer.KindPermanent) && v.Kind != consumer.KindPostpone
}

// narrow delivers what is left of a batch one by one.
func (w *worker) narrow() {
	w.alone, w.fail, w.attempt = w.end(), nil, 0
	w.a.current.Store(nil)
}

// atEnd applies the end of OnFailure to recs[i].
func (w *worker) atEnd(steps router.Failure, f *failure, v consumer.Verdict) bool {
	rec := w.recs[w.i]
	if f.forward = w.route.next(steps, w.r.id, rec, v.Kind == consumer.KindPermanent); f.forward != nil {
		return w.ship(f)
	}
	switch steps.End {
	case router.Skip:
		w.pass(f.err)
		return true
	case router.Stop:
		w.r.e.fatal(fmt.Errorf("group %q: record %s/%d@%d failed after %d attempts and its route draws Stop: %w",
			w.r.id, rec.Topic, rec.Partition, rec.Offset, w.attempt, f.err))
		<-w.a.closing
		return false
	default:
		if p := w.a.current.Load(); p == nil || !p.Blocked || p.Offset != rec.Offset {
			w.r.emit(callbacks.Blocked{Where: w.a.where(), Offset: rec.Offset, Attempt: w.attempt, Err: f.err})
		}
		f.blocked = true
		return w.again(steps, f, v, rec.Offset)
	}
}

// again waits for the next attempt. The slot is free meanwhile; only this partition waits.
func (w *worker) again(steps router.Failure, f *failure, v consumer.Verdict, last int64) bool {
	delay := w.r.e.settings.Jitter(backoff(steps, w.attempt))
	if v.Kind == consumer.KindRetryAfter || v.Kind == consumer.KindPostpone {
		delay = v.After
	}
	rec := w.recs[w.i]
	w.r.emit(callbacks.Retried{Where: w.a.where(), Offset: rec.Offset, Attempt: w.attempt + 1, Delay: delay, Err: f.err})
	w.fail = nil // after the pause it is handed over
	return w.await(&progress{
		Offset: rec.Offset, Last: last, Attempt: w.attempt, Blocked: f.blocked, Err: f.err, Until: time.Now().Add(delay),
	}, delay)
}

// await lets a pause pass, and shows what for. It is cut short by an operator who gives the record up, and by the partition's end.
func (w *worker) await(p *progress, delay time.Duration) bool {
	w.a.current.Store(p)
	t := time.NewTimer(delay)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			return true
		case s := <-w.a.skips:
			if w.giveUp(s) {
				return true
			}
		case <-w.a.closing:
			return false
		}
	}
}

// giveUp passes recs[i] for an operator, if it is the record that is meant and has failed. In a batch that failed as a whole, nobody knows
// yet whether it has.
func (w *worker) giveUp(s skip) bool {
	p := w.a.current.Load()
	switch {
	case w.i == len(w.recs) || w.attempt == 0 || p == nil || s.offset < p.Offset || s.offset > p.Last:
		s.answer <- ErrNotBlocking
		return false
	case p.Last > p.Offset:
		w.narrow()
		s.answer <- errNarrowed
		return true
	}
	w.pass(fmt.Errorf("%w: %w", errSkippedByOperator, p.Err))
	s.answer <- nil
	return true
}

// pass makes recs[i] count as done without success; with why it is a skip.
func (w *worker) pass(why error) {
	rec := w.recs[w.i]
	if w.a.tr != nil {
		_ = w.a.tr.mark(rec.Offset, false) // closed: it is delivered again
	}
	if w.fail != nil || w.attempt > 0 {
		w.ext.passed()
	}
	w.base = w.i
	w.i++
	w.fail, w.attempt = nil, 0
	w.a.handed.Store(rec.Offset + 1)
	w.a.current.Store(nil)
	if why != nil {
		w.r.emit(callbacks.Skipped{Where: w.a.where(), Offset: rec.Offset, Err: why})
	}
	w.publish(true)
}

func (w *worker) passAll(why error) {
	for end := w.end(); w.i < end; {
		if w.gate.dropped[w.i] || w.recs[w.i].Attrs.IsControl() {
			w.pass(nil)
			continue
		}
		w.pass(why)
	}
}

// end is where the batch in progress ends: at the window's, or before a record that a filter holds.
func (w *worker) end() int {
	end := len(w.recs)
	if w.gated {
		end = max(w.gate.passed, w.i+1)
	}
	return w.ext.endBefore(end)
}

// fullJitter is a random part of a pause.
func fullJitter(d time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(d) + 1)) }

// backoff is a pause that doubles with every attempt.
func backoff(f router.Failure, attempt int) time.Duration {
	d := f.Backoff
	for range attempt - 1 {
		if d *= 2; d >= f.MaxBackoff {
			d = f.MaxBackoff
			break
		}
	}
	return d
}
