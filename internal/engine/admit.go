package engine

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
)

// untilDue is the filter of a retry topic: nothing is handed over before its time, and nothing is held for longer than the topic's delay.
type untilDue struct{ delay time.Duration }

func (d untilDue) Check(rec *kgo.Record, seen, now time.Time) consumer.Decision {
	at := dueAt(rec, d.delay)
	if most := seen.Add(d.delay); at.After(most) {
		at = most
	}
	if at.After(now) {
		return consumer.HoldUntil(at)
	}
	return consumer.Pass()
}

// detachAfter is for how long a record may be held before what waits is copied, to free the fetch responses it came in.
const detachAfter = 100 * time.Millisecond

// gate is what a worker knows of the filters' decisions about its window.
type gate struct {
	passed  int // recs[:passed] may be handed over
	dropped map[int]bool
	seen    time.Time // when recs[passed] was asked about first
	at      int       // which record that is
}

func (g *gate) reset() {
	g.passed, g.seen = 0, time.Time{}
	clear(g.dropped)
}

// ask asks the filters about recs[i], in their order.
func (w *worker) ask(i int) consumer.Decision {
	now := time.Now()
	if w.gate.seen.IsZero() || w.gate.at != i {
		w.gate.seen, w.gate.at = now, i
	}
	for _, f := range w.route.filters {
		if d := f.Check(w.recs[i], w.gate.seen, now); d.Dropped() != nil || !d.Held().IsZero() {
			return d
		}
	}
	return consumer.Decision{}
}

// admits reports whether recs[i] may be handed over now, without waiting.
func (w *worker) admits(i int) bool {
	if i < w.gate.passed {
		return true
	}
	if !w.recs[i].Attrs.IsControl() {
		if d := w.ask(i); d.Dropped() != nil || !d.Held().IsZero() {
			return false
		}
	}
	w.gate.passed = i + 1
	return true
}

// filter asks about the records that come next, up to a batch of them. It reports whether one at least may be handed over; else it has
// waited or passed some, and step looks again, unless the partition is going.
func (w *worker) filter() (pass, going bool) {
	if w.gate.passed > w.i {
		return true, false
	}
	if !w.batching() {
		return w.filterOne(w.i)
	}
	for i := w.i; i < len(w.recs); i++ {
		if w.recs[i].Attrs.IsControl() {
			w.gate.passed = i + 1
			continue
		}
		d := w.ask(i)
		switch {
		case d.Dropped() != nil:
			w.drops(i, d.Dropped())
		case d.Held().IsZero():
		case w.gate.passed > w.i: // what is before it goes first
			return true, false
		default:
			return false, !w.hold(d.Held())
		}
		w.gate.passed = i + 1
	}
	return true, false
}

func (w *worker) filterOne(i int) (pass, going bool) {
	if w.recs[i].Attrs.IsControl() {
		return true, false
	}
	d := w.ask(i)
	switch {
	case d.Dropped() != nil:
		w.gate.passed = i + 1
		w.pass(d.Dropped())
		return false, false
	case !d.Held().IsZero():
		return false, !w.hold(d.Held())
	}
	w.gate.passed = i + 1
	return true, false
}

// drops takes recs[i] out of the batch. It is done when the batch has passed it.
func (w *worker) drops(i int, why error) {
	if w.gate.dropped == nil {
		w.gate.dropped = map[int]bool{}
	}
	w.gate.dropped[i] = true
	rec := w.recs[i]
	if w.a.tr != nil {
		_ = w.a.tr.mark(rec.Offset, false) // closed: it comes again
	}
	w.r.emit(callbacks.Skipped{Where: w.a.where(), Offset: rec.Offset, Err: why})
}

// letThrough waits while the route's breaker holds it; false when it has waited.
func (w *worker) letThrough() bool {
	if w.probe {
		return true
	}
	until, probe := w.route.breaker.ask(time.Now())
	if until.IsZero() {
		if w.probe = probe; probe && w.batching() {
			w.alone = max(w.alone, w.i+1)
		}
		return true
	}
	w.hold(until)
	return false
}

// hold waits until a time, or until something about the partition changes; false when the partition is going.
func (w *worker) hold(until time.Time) bool {
	wait := time.Until(until)
	if wait > detachAfter {
		w.unpin()
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	w.a.heldUntil.Store(&until)
	defer w.a.heldUntil.Store(nil)
	for {
		select {
		case <-t.C:
			return true
		case s := <-w.a.skips:
			w.giveUp(s)
		case <-w.a.closing:
			return false
		}
	}
}
