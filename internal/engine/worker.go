package engine

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/router"
)

const (
	// chunk is how many messages are allocated at once. They are not used again, so that handlers may keep them.
	chunk = 256
	// turn is how long a run may hold its slot while others wait for one.
	turn = 10 * tick
	// openWindow is how many records of a partition may be handled and not marked.
	openWindow = 10_000
)

// worker hands the records of one assignment to its handler, one delivery at a time. Its state is in its fields
// and not on its stack, because
// a handler that calls runtime.Goexit takes the goroutine with it: another goes on from here.
type worker struct {
	a     *assignment
	r     *runner
	route *route

	each  consumer.Handler      // called directly: Each without middleware
	chain consumer.BatchHandler // all else
	batch consumer.Batch
	first consumer.Delivery // of first attempts

	// The window: records taken from the queue and not all done. recs[:i] are.
	recs  []*kgo.Record
	i     int
	plain bool    // none of them is a control record, as far as is known
	held  []*slab // what the window's records belong to
	rest  *slab   // batch: the slab that the window ends in
	from  int     // batch: where in rest the window ends
	// batch: the window is a part of a slab's slice, and own is the worker's.
	borrowed bool
	own      []*kgo.Record

	msgs []consumer.Message
	k    int

	fail    *failure
	attempt int // attempts that recs[i] has had
	alone   int // batch: deliver recs[i:alone] one by one
	ahead   int // AtMostOnce: recs[:ahead] are committed

	sender sender    // nil without outputs
	out    *pipeline // the same, unless they go in transactions
	exact  *exactly  // the same, if they do
	ext    *external // nil without ExternalOffsets
	trail  trail
	timed  *attempts
	gate   gate
	gated  bool // it has filters
	probe  bool // the next record tells whether the route goes on

	// Of the run in progress.
	base      int // recs[base] was the first
	seg       int // recs[seg] is the first not reported
	segStart  int64
	tickAt    int64
	started   int64
	skipped   int
	paced     int64 // records that the handler's pace was taken from
	calling   bool
	err       error
	delivered consumer.Delivery
}

func newWorker(a *assignment) *worker {
	w := &worker{a: a, r: a.r, route: a.route, gated: len(a.route.filters) > 0}
	switch {
	case a.r.tx != nil:
		w.exact = &exactly{t: a.r.tx, a: a}
		a.exact.Store(w.exact)
		w.sender = w.exact
	case a.route.responds:
		w.out = newPipeline(a)
		a.piped.Store(w.out)
		w.sender = w.out
	}
	w.first = &delivery{a: a, out: w.sender, attempt: 1}
	switch spec := &a.route.spec; spec.Mode {
	case router.ModeBatch:
		w.chain = consumer.Chain(spec.BatchHandler, a.route.mw...)
	default:
		h := spec.Handler
		if a.handler != nil {
			h = a.handler
		}
		if len(a.route.mw) == 0 {
			w.each = h
		} else {
			w.chain = consumer.Chain(eachHandler{h}, a.route.mw...)
		}
	}
	if x := w.exact; x != nil {
		x.each, x.chain = w.each, w.chain
		if w.each != nil {
			w.each = x
		} else {
			w.chain = x
		}
	}
	if t := a.route.spec.Timeout; t > 0 {
		w.timed = newAttempts(a.ctx, t, a.r.e.clock)
	}
	if a.route.spec.Store != nil {
		w.ext = newExternal(w)
	}
	return w
}

func (w *worker) batching() bool { return w.route.spec.Mode == router.ModeBatch }

// loop is the worker's goroutine.
func (w *worker) loop() {
	returned := false
	defer func() {
		if !returned {
			go w.loop()
			return
		}
		w.finish()
		w.a.end()
		if w.a.is(stateClosed) {
			w.a.cancel(offsets.ErrRevoked) // frees the context: whoever sealed the assignment did not wait for it
		}
	}()
	if before := w.a.prev.Load(); before != nil {
		select {
		case <-before.done: // its handlers have returned
			w.a.prev.Store(nil)
		case <-w.a.closing:
		}
	}
	for w.step() {
	}
	returned = true
}

// finish lets go of what the worker holds.
func (w *worker) finish() {
	if w.settled() {
		w.resolve() // nothing but to tell of it
	}
	w.giveUpAhead()
	w.ext.flush()
	for _, t := range w.trail.windows {
		t.release()
	}
	w.trail = trail{}
	w.drop()
	if w.rest != nil {
		w.rest.release()
		w.rest = nil
	}
	if w.timed != nil {
		w.timed.stop()
	}
}

// step does the next thing; false when the assignment is closing.
func (w *worker) step() bool {
	a := w.a
	switch {
	case w.ext.waits():
		return w.ext.settle()
	case w.fail != nil: // also when it failed while draining: it is told
		return w.resolve()
	case w.out != nil && w.out.refused.Load():
		w.takeBack()
		return true
	case !a.is(stateFetching):
		if !w.goesOn() {
			return false
		}
	case w.i == len(w.recs):
		w.drop()
		if w.tooLong() {
			return w.awaitOutputs()
		}
		if w.batching() {
			return w.gather()
		}
		return w.load()
	case a.paused.Load() != 0:
		return w.sleep() || w.i < w.ahead
	case a.tr != nil && a.tr.open() >= openWindow:
		return w.awaitMarks()
	case w.route.once && w.i >= w.ahead && !w.commitAhead():
		return false
	case w.route.breaker != nil && !w.letThrough():
		return w.a.is(stateFetching)
	case w.gated && w.attempt == 0:
		if pass, going := w.filter(); !pass {
			return !going
		}
	}
	if !w.acquire() {
		return false
	}
	w.run()
	return true
}

// sleep waits until something about the assignment changed.
func (w *worker) sleep() bool {
	select {
	case <-w.a.wake:
		return true
	case s := <-w.a.skips:
		w.giveUp(s)
		return true
	case <-w.a.closing:
		return false
	}
}

func (w *worker) awaitMarks() bool {
	w.a.full.Store(true)
	defer w.a.full.Store(false)
	w.r.emit(callbacks.Paused{Where: w.a.where(), Reason: callbacks.PausedUnmarked})
	for w.a.tr.open() >= openWindow {
		if !w.sleep() {
			return false
		}
	}
	w.r.emit(callbacks.Resumed{Where: w.a.where(), Reason: callbacks.PausedUnmarked})
	return true
}

// load takes the next slab as the window.
func (w *worker) load() bool {
	for {
		if s := w.take(); s != nil {
			w.held = append(w.held[:0], s)
			w.recs, w.i, w.plain = s.recs, 0, s.plain
			return true
		}
		if !w.sleep() || w.goesBack() {
			return true
		}
	}
}

// take takes a slab from the queue, nil when there is none.
func (w *worker) take() *slab {
	s := w.a.queue.take()
	if s == nil {
		return nil
	}
	select {
	case w.a.taken <- struct{}{}:
	default:
	}
	if w.a.starve.Load() {
		w.r.flow(w.a)
	}
	if w.a.tr != nil {
		w.a.tr.receive(s.recs)
	}
	return s
}

// drop releases the window, all of which is handed over.
func (w *worker) drop() {
	w.leave()
	for _, s := range w.held {
		s.release()
	}
	clear(w.held) // else the last slab stays alive while the partition is idle
	w.held = w.held[:0]
	switch {
	case w.borrowed:
		w.recs, w.own, w.borrowed = w.own, nil, false
	case w.batching():
		clear(w.recs)
		w.recs = w.recs[:0]
	default: // the window was the slab's slice
		w.recs = nil
	}
	w.i, w.alone, w.ahead = 0, 0, 0
	w.gate.reset()
	switch {
	case w.batching():
	case w.route.reuse:
		clear(w.msgs)
		w.k = 0
	default:
		w.msgs, w.k = nil, 0
	}
}

func (w *worker) acquire() bool {
	quit := w.a.closing
	if w.i < w.ahead {
		quit = nil // until its context ends
	}
	if !w.route.limit.acquire(w.a.ctx, quit) {
		return false
	}
	if !w.r.e.limit.acquire(w.a.ctx, quit) {
		w.route.limit.release()
		return false
	}
	return true
}
