package engine

import (
	"runtime/debug"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
)

// run hands over records until the window ends, one fails, the assignment is closing or paused, or others wait for the slot.
func (w *worker) run() {
	now := w.r.e.clock.enter()
	w.base, w.seg, w.segStart, w.tickAt, w.started = w.i, w.i, now, now, now
	w.skipped, w.err = 0, nil
	w.delivered = w.first
	if w.attempt > 0 {
		w.delivered = &delivery{a: w.a, out: w.sender, attempt: w.attempt + 1}
	}
	w.a.handling.Store(w.recs[w.i].Offset)
	w.a.busySince.Store(max(now, 1))
	if w.a.tr != nil && w.route.responds {
		w.a.tr.freeze()
	}
	if w.timed != nil {
		w.timed.arm()
	}
	defer w.settle()
	if w.batching() {
		w.callBatch()
		return
	}
	if w.plain && !w.gated && w.timed == nil && w.each != nil {
		w.callPlain()
		return
	}
	w.callEach()
}

// callPlain is the hot path: what it does for every record is all that karafgo costs. It is callEach without what most routes do not have.
func (w *worker) callPlain() {
	a, clock, each := w.a, w.r.e.clock, w.each
	ctx, recs, delivered := a.ctx, w.recs[:w.furthest()], w.delivered
	w.calling = true
	for w.i < len(recs) {
		if (a.state.Load() != int32(stateFetching) || a.paused.Load() != 0) && !w.goesOn() {
			break
		}
		if w.k >= len(w.msgs) {
			w.moreMessages()
		}
		m := &w.msgs[w.k]
		w.k++
		*m = consumer.NewMessage(recs[w.i], delivered)
		if err := each.Handle(ctx, m); err != nil {
			w.err = err
			break
		}
		w.i++
		if now := clock.now.Load(); now-w.tickAt >= int64(tick) {
			if w.ticked(now) {
				break
			}
			recs = w.recs[:len(recs)] // of copies, perhaps
		}
	}
	w.calling = false
}

// callEach hands over the window's records one by one.
func (w *worker) callEach() {
	a, clock, ctx := w.a, w.r.e.clock, w.a.ctx
	end := w.furthest()
	w.calling = true
	for w.i < end {
		rec := w.recs[w.i]
		if !w.plain && rec.Attrs.IsControl() {
			w.passControl(rec)
			continue
		}
		if (a.state.Load() != int32(stateFetching) || a.paused.Load() != 0) && !w.goesOn() {
			break
		}
		if w.gated && !w.admits(w.i) {
			break
		}
		if w.timed != nil {
			ctx = w.timed.start() //nolint:fatcontext // it is not derived from the one before
		}
		if w.k == len(w.msgs) {
			w.moreMessages()
		}
		m := &w.msgs[w.k]
		*m = consumer.NewMessage(rec, w.delivered)
		var err error
		if w.each != nil {
			err = w.each.Handle(ctx, m)
		} else {
			w.batch.Reset(w.msgs[w.k : w.k+1 : w.k+1])
			err = w.chain.HandleBatch(ctx, &w.batch)
			if s := w.batch.Skipped(); len(s) > 0 && err == nil {
				w.passSkipped(s, rec.Offset+1)
			}
		}
		w.k++
		if err != nil {
			w.err = err
			break
		}
		w.i++
		if now := clock.now.Load(); now-w.tickAt >= int64(tick) && w.ticked(now) {
			break
		}
	}
	w.calling = false
}

// furthest is where a run ends at the latest.
func (w *worker) furthest() int {
	end := len(w.recs)
	if w.attempt > 0 || w.probe || w.out != nil && w.out.alone(w.recs[w.i].Offset) {
		end = w.i + 1 // a retry is a delivery of its own
	}
	if w.a.tr != nil {
		end = min(end, w.i+openWindow-w.a.tr.open())
	}
	if w.route.once {
		end = min(end, w.ahead)
	}
	return end
}

func (w *worker) moreMessages() {
	if !w.route.reuse || w.k == 0 {
		w.msgs = make([]consumer.Message, min(chunk, len(w.recs)-w.i))
	}
	w.k = 0
}

// passControl counts a transaction marker as done: it is part of the log, and of nothing that a handler should see.
func (w *worker) passControl(rec *kgo.Record) {
	if w.a.tr != nil {
		_ = w.a.tr.mark(rec.Offset, false) // closed: nothing is lost, it comes again
	}
	w.i++
}

// passSkipped counts what middleware took out of a batch as done, up to the record that failed: what follows is delivered again.
func (w *worker) passSkipped(skipped []*consumer.Message, next int64) {
	for _, m := range skipped {
		if m.Offset >= next {
			continue
		}
		w.skipped++
		if w.a.tr != nil {
			_ = w.a.tr.mark(m.Offset, false) // as above
		}
	}
}

// ticked looks up from the records once in a millisecond. It reports whether the run should end.
func (w *worker) ticked(now int64) bool {
	if now-w.tickAt >= 2*int64(tick) { // the record that just returned took longer than a tick
		now = w.r.e.clock.read()
		w.report(w.i-1, w.tickAt)
		w.report(w.i, now)
	}
	w.tickAt = now
	if w.i < len(w.recs) {
		w.a.handling.Store(w.recs[w.i].Offset)
	}
	w.a.busySince.Store(now)
	w.publish(false)
	if w.out != nil && w.out.refused.Load() {
		return true
	}
	return (w.route.limit.contended() || w.r.e.limit.contended()) && now-w.started >= int64(turn)
}

// report emits recs[seg:end] as handled by now.
func (w *worker) report(end int, now int64) {
	n := end - w.seg
	elapsed := max(now-w.segStart, 0)
	w.segStart = now
	if n <= 0 {
		return
	}
	first, last := w.recs[w.seg].Offset, w.recs[end-1].Offset
	w.seg = end
	skipped := w.skipped
	w.skipped = 0
	w.pace(elapsed, int64(n))
	w.r.emit(callbacks.Handled{
		Where: w.a.where(), First: first, Last: last, Count: n, Skipped: skipped,
		Elapsed: time.Duration(elapsed), Batch: w.batching(),
	})
}

// pace follows how long a record takes. What waits for a slow handler is cloned, to free the fetch responses it came in.
// Of the records before, some hundreds count: one that waited, as for a full producer, does not make a fast handler a slow one.
func (w *worker) pace(elapsed, n int64) {
	const memory = 256
	w.paced = min(w.paced, memory) * 3 / 4
	perRecord := (w.a.perRecord.Load()*w.paced + elapsed) / (w.paced + n)
	w.paced += n
	w.a.perRecord.Store(perRecord)
	slow := perRecord >= int64(tick)
	if w.a.slow.Swap(slow) || !slow {
		return
	}
	w.unpin()
}

// unpin copies what waits, to free the fetch responses that it came in.
func (w *worker) unpin() {
	w.a.queue.detach()
	if w.rest != nil {
		w.rest.detach(w.from, w.from)
	} else if len(w.held) == 1 && !w.batching() { // a batch window is not its slab: positions in one mean nothing in the other
		// What waits for its outputs may be handed over again, and of the one before its offset is asked for.
		from := w.i
		if w.out != nil {
			from = w.out.firstWaiting(w.recs[:w.i])
		}
		w.held[0].detach(max(min(w.base, w.seg, from-1), 0), from)
		w.recs = w.held[0].recs
	}
}

// settle ends a run, however it ended: it is deferred, so that a panic and runtime.Goexit come by here too.
func (w *worker) settle() {
	p := recover()
	if w.calling {
		w.calling = false
		w.err = &consumer.PanicError{Value: p, Stack: debug.Stack()}
	}
	if w.ext.aside(w.err) {
		w.err = nil
	}
	if w.timed != nil {
		w.timed.disarm()
	}
	now := w.r.e.clock.leave()
	w.a.busySince.Store(0)
	w.r.e.limit.release()
	w.route.limit.release()

	failedAt := now - w.tickAt
	if w.err != nil {
		w.report(w.i, w.tickAt)
	} else {
		w.report(w.i, now)
	}
	// What failed is decided about when nothing before it can be refused any more.
	if w.out != nil && (w.err != nil || w.a.tr != nil || w.out.alone(w.recs[w.base].Offset)) {
		switch {
		case w.settled():
			w.err = nil
		case w.a.tr != nil:
			w.a.tr.thaw(-1)
		}
	}
	if w.a.tr != nil && w.i > 0 {
		w.a.tr.handOver(w.recs[w.i-1].Offset)
	}
	if w.i > w.base {
		w.attempt = 0
		w.a.handed.Store(w.recs[w.i-1].Offset + 1)
		if w.a.current.Load() != nil {
			w.a.current.Store(nil)
		}
	}
	w.publish(true)
	if w.route.breaker != nil {
		w.probe = false
		w.route.breaker.handled(w.i - w.base)
	}
	if w.err != nil {
		w.attempt++
		w.fail = &failure{err: w.err, elapsed: time.Duration(max(failedAt, 0))}
		w.err = nil
	}
}

// publish makes recs[:i] count as done.
func (w *worker) publish(end bool) {
	if w.i == 0 {
		return
	}
	last, at := w.recs[w.i-1], w.behind(w.i)
	if w.ext != nil {
		at = w.ext.at
	}
	n := 0
	if end {
		n = max(w.i-w.base, 0)
	}
	publish := func(at position, _ int) bool { return w.a.finish(at) }
	switch {
	case w.out != nil:
		publish = w.out.reach
	case w.exact != nil:
		publish = w.exact.reach
	}
	if !publish(at, n) {
		if end && w.i > w.base {
			w.r.emit(callbacks.Stale{Where: w.a.where(), First: w.recs[w.base].Offset, Last: last.Offset, Epoch: w.a.epoch, Err: w.err})
		}
		return
	}
	if n > 0 && w.out == nil {
		w.r.committer.finished(n)
	}
}

type outputError struct {
	topic string
	err   error
}

func (e *outputError) Error() string { return "produce to " + e.topic + ": " + e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }
