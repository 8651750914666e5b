package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
)

// trail is the windows of a worker that were handed over and wait for their outputs, in their order. They are held to be handed over again.
type trail struct {
	windows []window
	records int
	bytes   int64
}

type window struct {
	recs  []*kgo.Record
	slabs []*slab
}

// shortTrail is how many windows may wait for their outputs in any case. More of them may if they are small.
const shortTrail = 8

// tooLong reports whether the worker has to wait for outputs. What waits is charged to the group's memory: a partition whose outputs are
// not acknowledged may have its part of that, and not the others'.
func (w *worker) tooLong() bool {
	t := &w.trail
	return len(t.windows) >= shortTrail && (t.records >= openWindow || t.bytes >= inAll*w.r.partitionBytes())
}

// push adds a window at the end, and count counts one that comes or goes.
func (t *trail) push(v window) {
	t.windows = append(t.windows, v)
	t.count(v, 1)
}

func (t *trail) count(v window, sign int) {
	t.records += sign * len(v.recs)
	for _, s := range v.slabs {
		t.bytes += int64(sign) * s.bytes
	}
}

// leave puts the window, all of which is handed over, behind the worker if its outputs are not acknowledged.
func (w *worker) leave() {
	if w.out == nil || len(w.recs) == 0 {
		return
	}
	w.trim()
	if from, waits := w.out.waitsFor(); !waits || from > w.recs[len(w.recs)-1].Offset {
		return
	}
	w.trail.push(window{recs: w.recs, slabs: w.held})
	w.recs, w.held, w.own, w.borrowed = nil, nil, nil, false
}

// trim lets go of the windows whose outputs are acknowledged.
func (w *worker) trim() {
	from, waits := w.out.waitsFor()
	t, n := &w.trail, 0
	for n < len(t.windows) && (!waits || t.windows[n].recs[len(t.windows[n].recs)-1].Offset < from) {
		t.count(t.windows[n], -1)
		t.windows[n].release()
		n++
	}
	clear(t.windows[:n])
	if t.windows = t.windows[n:]; len(t.windows) == 0 {
		*t = trail{}
	}
}

func (t *window) release() {
	for _, s := range t.slabs {
		s.release()
	}
}

// awaitOutputs waits until few enough windows wait for their outputs.
func (w *worker) awaitOutputs() bool {
	w.out.watch(true)
	defer w.out.watch(false)
	for {
		w.trim()
		if !w.tooLong() || w.out.refused.Load() {
			return true
		}
		select {
		case <-w.a.wake:
		case <-w.a.closing:
			return true
		}
	}
}

// goesBack lets go of what is acknowledged, and reports whether an output was refused.
func (w *worker) goesBack() bool {
	if w.out == nil {
		return false
	}
	w.trim()
	return w.out.refused.Load()
}

// settled waits for the outputs of what was handed over, before the worker goes on. It reports whether one was refused and is to be decided
// about.
func (w *worker) settled() bool {
	if w.out == nil {
		return false
	}
	w.out.settle()
	if !w.out.refused.Load() {
		return false
	}
	w.takeBack()
	return true
}

// takeBack makes the first record whose output was refused fail, and hands over again what comes after it. A record that may have been
// refused for another one's sake has not failed: it is handed over again too.
func (w *worker) takeBack() {
	w.out.settle()
	refused, unclear := w.out.takeBack()
	from := refused.from.Offset
	again := &slab{}
	keep := func(recs []*kgo.Record, slabs []*slab) {
		for i, r := range recs {
			if r != nil && r.Offset >= from { // of what is done there may be nothing left
				again.recs = append(again.recs, recs[i:]...)
				break
			}
		}
		again.parts = append(again.parts, slabs...)
	}
	for _, t := range w.trail.windows {
		keep(t.recs, t.slabs)
	}
	keep(w.recs, w.held)
	w.trail, w.recs, w.held, w.own = trail{}, nil, nil, nil
	n := len(again.recs)
	if w.batching() {
		n, _ = slices.BinarySearchFunc(again.recs, refused.source+1, func(r *kgo.Record, at int64) int { return cmp.Compare(r.Offset, at) })
		if w.rest != nil {
			keep(w.rest.recs[w.from:], []*slab{w.rest})
		}
	}
	w.rest, w.from, w.borrowed = again, n, w.batching()
	w.recs = again.recs[:n:n]
	if n == len(again.recs) {
		w.held, w.rest, w.from = append(w.held, again), nil, 0
	}
	w.gate.reset()
	w.gate.passed = n
	if !w.batching() {
		w.gate.passed = 1
	}
	w.i, w.base, w.seg, w.alone, w.plain = 0, 0, 0, 0, false
	w.attempt = int(refused.attempt)
	if unclear {
		w.attempt--
	} else {
		w.fail = &failure{err: refused.refused}
	}
	w.a.handed.Store(from)
	w.a.current.Store(nil)
	if w.a.tr != nil {
		w.a.tr.thaw(from)
	}
	if context.Cause(w.a.ctx) == nil {
		w.r.emit(callbacks.ProduceFailed{Where: w.a.where(), Offset: from, Output: refused.refused.topic, Err: refused.refused.err})
	}
}
