package engine

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
)

// gather makes the next batch's window: up to size records, or what is there wait after the first of them was
// taken. Control records are
// in the window, to be passed with it, and do not count.
func (w *worker) gather() bool {
	size, wait := w.route.spec.BatchSize, w.route.spec.BatchWait
	var timeout <-chan time.Time
	var timer *time.Timer
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	if !w.gated && w.borrow(size) { // filters may take records out of a window
		return true
	}
	for n := 0; ; {
		n += w.fill(size - n)
		switch {
		case n >= size:
			return true
		case n > 0 && wait <= 0:
			return true
		case n == 0 && len(w.recs) > 0: // nothing but control records
			return true
		case n > 0 && timer == nil:
			timer = time.NewTimer(wait)
			timeout = timer.C
		}
		clear(w.msgs[:cap(w.msgs)]) // do not keep the last batches alive while waiting: the last may be smaller than one before
		select {
		case <-w.a.wake:
			if w.goesBack() {
				return true
			}
		case <-timeout:
			return true
		case <-w.a.closing:
			return true
		}
	}
}

// borrow makes the window a part of one slab, where one has enough records: with a backlog nothing is copied and nothing waits. A
// batch that has control records among them is smaller by those.
func (w *worker) borrow(size int) bool {
	if w.rest == nil {
		if w.rest, w.from = w.take(), 0; w.rest == nil {
			return false
		}
	}
	if len(w.rest.recs)-w.from < size {
		return false
	}
	w.own, w.borrowed = w.recs, true
	w.recs = w.rest.recs[w.from : w.from+size : w.from+size]
	w.from, w.plain = w.from+size, w.rest.plain
	if w.from == len(w.rest.recs) {
		w.held = append(w.held, w.rest)
		w.rest = nil
	}
	return true
}

// fill adds up to most records to the window from what is queued, and returns how many it added. Control records
// do not count; a window
// of nothing else is passed at once.
func (w *worker) fill(most int) (n int) {
	for n < most {
		if w.rest == nil {
			if w.rest, w.from = w.take(), 0; w.rest == nil {
				break
			}
		}
		w.plain = w.rest.plain && (w.plain || len(w.recs) == 0)
		for w.from < len(w.rest.recs) && n < most {
			rec := w.rest.recs[w.from]
			w.recs = append(w.recs, rec)
			w.from++
			if !rec.Attrs.IsControl() {
				n++
			}
		}
		if w.from == len(w.rest.recs) {
			w.held = append(w.held, w.rest)
			w.rest = nil
		}
	}
	return n
}

// callBatch hands over the window as one batch, or its next record alone.
func (w *worker) callBatch() {
	end := w.end()
	if w.i < w.alone {
		end = w.i + 1
	}
	msgs := w.msgs[:0]
	if w.a.tr != nil || cap(msgs) < end-w.i { // where handlers mark, messages may be kept
		msgs = make([]consumer.Message, 0, end-w.i)
	}
	recs := w.recs[w.i:end]
	if w.plain && !w.gated {
		msgs = msgs[:len(recs)]
		for i, rec := range recs {
			msgs[i] = consumer.NewMessage(rec, w.delivered)
		}
		recs = nil
	}
	for i, rec := range recs {
		if rec.Attrs.IsControl() || w.gated && w.gate.dropped[w.i+i] {
			if w.a.tr != nil {
				_ = w.a.tr.mark(rec.Offset, false) // closed: nothing is lost, it comes again
			}
			continue
		}
		msgs = append(msgs, consumer.NewMessage(rec, w.delivered))
	}
	if len(msgs) == 0 {
		w.i = end
		return
	}
	ctx := w.a.ctx
	if w.timed != nil {
		ctx = w.timed.start()
	}
	if w.a.tr == nil {
		w.msgs = msgs
	}
	w.batch.Reset(msgs)
	if w.out != nil {
		w.out.begin(w.recs[w.i])
	}
	w.calling = true
	err := w.chain.HandleBatch(ctx, &w.batch)
	w.calling = false
	w.err = err
	next := w.recs[end-1].Offset + 1
	if at := consumer.VerdictOf(err).At; err == nil {
		w.i = end
	} else {
		if at != nil {
			w.i = indexOf(w.recs[w.i:end], at.Record, w.i)
		}
		next = w.recs[w.i].Offset
	}
	w.passSkipped(w.batch.Skipped(), next)
}

// indexOf returns the position of rec in recs plus from. A record that is not there fails the batch from its
// start, so that nothing is
// passed that did not succeed.
func indexOf(recs []*kgo.Record, rec *kgo.Record, from int) int {
	for i, r := range recs {
		if r == rec {
			return from + i
		}
	}
	return from
}
