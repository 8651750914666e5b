package engine

import (
	"hash/maphash"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/router"
)

// pool runs the handlers of a route side by side, whatever partitions their records are of: one at a time for each key, in the order of the
// offsets. Its lanes are goroutines that live while there is work.
type pool struct {
	e     *Engine
	route *route
	limit int
	key   consumer.KeyFunc // nil when there is no order at all
	seed  maphash.Seed
	batch bool                  // it hands over batches
	chain consumer.BatchHandler // nil where single records go to a handler without middleware
	most  int                   // records of a partition that may be open
	holes int                   // runs of them that there may be

	mu     sync.Mutex
	turn   *keys       // whose records are handed over
	turned int64       // since when
	waking bool        // a timer looks for work again
	work   ring[*keys] // those that have records to hand over, in turn
	slow   int         // of these, whose handlers were not quick when they were listed
	lanes  []*lane
	stuck  int               // of these, which had been handing over one record for a tick when the clock looked
	events []callbacks.Event // to be told when the lock is free
	taken  []*assignment     // that the worker's side of flow control has to look at
	untold []*keys           // that have handled records of which nobody was told
}

func newPool(e *Engine, rt *route) *pool {
	p := &pool{e: e, route: rt, limit: rt.spec.Concurrency, key: rt.spec.Ordering.Key(), seed: maphash.MakeSeed(), most: openWindow}
	p.holes = max(mostHoles, 2*p.limit)
	switch {
	case rt.spec.Mode == router.ModeBatch:
		p.batch = true
		p.chain = consumer.Chain(rt.spec.BatchHandler, rt.mw...)
		p.most = min(max(openWindow, 2*p.limit*rt.spec.BatchSize), 10*openWindow) // each may have one, and the next ones are there
	case len(rt.mw) > 0:
		p.chain = consumer.Chain(eachHandler{rt.spec.Handler}, rt.mw...)
	}
	e.clock.watch(p)
	return p
}

// hash is that of a record's key. Records without one are of one order: that of their partition.
func (p *pool) hash(rec *kgo.Record) uint64 {
	key := p.key(rec)
	if key == nil {
		return 0
	}
	return maphash.Bytes(p.seed, key)
}

// tell and takenFrom keep for later what need not happen under the lock.
func (p *pool) tell(e callbacks.Event) {
	p.tellHandled()
	p.events = append(p.events, e)
}

func (p *pool) takenFrom(a *assignment) { p.taken = append(p.taken, a) }

// unlock frees the lock, and does what was kept for then.
func (p *pool) unlock() {
	p.tellHandled()
	p.free()
}

// free frees the lock, and does what was kept for then; what is handled is told of later.
func (p *pool) free() {
	events, taken := p.events, p.taken
	p.events, p.taken = nil, nil
	p.mu.Unlock()
	for _, a := range taken {
		select {
		case a.taken <- struct{}{}:
		default:
		}
		if a.starve.Load() {
			a.r.flow(a)
		}
	}
	for _, e := range events {
		p.e.emit(e)
	}
}

// begin takes an assignment on, when no handler of an earlier epoch runs any more.
func (p *pool) begin(k *keys) {
	if before := k.a.prev.Load(); before != nil {
		go func() {
			select {
			case <-before.done:
				k.a.prev.Store(nil)
				p.open(k)
			case <-k.a.closing:
			}
		}()
		return
	}
	p.open(k)
}

func (p *pool) open(k *keys) {
	p.mu.Lock()
	defer p.unlock()
	k.started = true
	p.enlist(k)
}

// poke looks at an assignment again: something was queued, or changed.
func (p *pool) poke(k *keys) {
	p.mu.Lock()
	defer p.unlock()
	p.enlist(k)
}

// enlist puts an assignment among those that have work, and finds hands for it.
func (p *pool) enlist(k *keys) {
	if k.listed || !k.started || k.closing || k.a.paused.Load() != 0 {
		return
	}
	if !k.hasWork() {
		return
	}
	p.list(k, false)
	p.staff()
}

// hasWork reports whether there is something to hand over.
func (k *keys) hasWork() bool {
	if k.p.batch {
		return k.ripe()
	}
	k.feed(1)
	return k.ready.len() > 0
}

// list puts an assignment among those that have work.
func (p *pool) list(k *keys, first bool) {
	k.listed, k.slow = true, !k.quick()
	if k.slow {
		p.slow++
	}
	if first {
		p.work.unshift(k)
	} else {
		p.work.push(k)
	}
}

// unlist takes the first one off.
func (p *pool) unlist() *keys {
	k := p.work.pop()
	if k.slow {
		p.slow--
	}
	k.listed, k.slow = false, false
	return k
}

// staff adds a lane where there is work for another: always while handlers take long, and else as many as there are processors. A lane that
// finds more work adds the next.
func (p *pool) staff() {
	if p.work.len() == 0 || len(p.lanes) >= p.limit || p.waking {
		return
	}
	if n := len(p.lanes); n > 0 && n-p.stuck >= runtime.GOMAXPROCS(0) && p.work.at(0).quick() {
		return // the next tick looks whether they get on
	}
	l := &lane{p: p, at: len(p.lanes), out: &outbox{}}
	p.lanes = append(p.lanes, l)
	go l.loop()
}

// worthALane is how long a handler must take for its record to be worth another goroutine.
const worthALane = 20 * time.Microsecond

// quick reports whether handlers take so little that what costs most is to get at the records. Where all are like that the lanes stay with
// one assignment for a tick, because its next records are near the processor, and those of another are not.
func (k *keys) quick() bool { return k.per < int64(worthALane) }

// next gives a lane records of one assignment, as many as take about a claim's time. It reports false when there are none.
func (p *pool) next(l *lane) bool {
	probe := false
	if p.route.breaker != nil && p.work.len() > 0 { // without work nobody could probe
		var until time.Time
		if until, probe = p.route.breaker.ask(time.Now()); !until.IsZero() {
			p.wakeAt(until)
			return false
		}
	}
	for p.work.len() > 0 {
		k := p.unlist()
		if k.closing || k.a.paused.Load() != 0 {
			continue
		}
		now := p.e.clock.now.Load()
		if k != p.turn {
			p.turn, p.turned = k, now
		}
		if !l.take(k, probe) {
			continue
		}
		l.reaped, l.reapedAt = 0, now
		k.lanes++
		if k.ready.len() > 0 || k.reading != nil || k.queued() {
			stays := k.per > 0 && k.quick() && p.slow == 0 && now-p.turned < int64(tick)
			p.list(k, stays)
			if !stays {
				p.turn = nil
			}
		}
		p.staff()
		return true
	}
	return false
}

// take claims records of an assignment, one to probe. It reports false when there are none.
func (l *lane) take(k *keys, probe bool) bool {
	if l.p.batch {
		if !k.ripe() {
			return false
		}
		want := l.p.route.spec.BatchSize
		if probe {
			want = 1
		}
		l.k = k
		l.gather(want)
		return true
	}
	want := k.claim()
	if probe {
		want = 1
	}
	k.feed(want)
	n := min(want, k.ready.len())
	if n == 0 {
		return false
	}
	l.k = k
	l.make(n)
	for j := range l.claims {
		k.claimed(&l.claims[j], k.ready.pop())
	}
	l.place.Store(uint64(n) << 32)
	return true
}

// make makes room for claims, and keeps none of those before.
func (l *lane) make(n int) {
	if cap(l.claims) < n {
		l.claims = make([]claim, n)
	}
	if n < len(l.claims) {
		clear(l.claims[n:])
	}
	l.claims = l.claims[:n]
}

// wakeAt looks for work again when the breaker may let some through.
func (p *pool) wakeAt(until time.Time) {
	if p.waking {
		return
	}
	p.waking = true
	time.AfterFunc(time.Until(until), func() {
		p.mu.Lock()
		defer p.unlock()
		p.waking = false
		p.staff()
	})
}

func (k *keys) queued() bool {
	_, records, _ := k.a.queue.size()
	return records > 0 && !k.isFull() && !k.held
}

// claim is how many records a lane takes at once: one while handlers take long, and so many where they do not that the lock is not what
// takes the time.
func (k *keys) claim() int {
	const worth, most = int64(50 * time.Microsecond), 128
	if k.per <= 0 || k.a.route.responds { // outputs are waited for with their record
		return 1
	}
	return int(min(max(worth/k.per, 1), most))
}

// leave takes a lane off the list.
func (p *pool) leave(l *lane) {
	last := p.lanes[len(p.lanes)-1]
	p.lanes[l.at], last.at = last, l.at
	p.lanes = p.lanes[:len(p.lanes)-1]
}

// tick looks at lanes that do not get on: what they have claimed and not begun is given to others. The clock calls it once in a
// millisecond, while handlers run.
func (p *pool) tick(now int64) {
	p.mu.Lock()
	defer p.unlock()
	p.stuck = 0
	for _, l := range p.lanes {
		since := l.since.Load()
		if since == 0 || now-since < int64(tick) {
			continue
		}
		p.stuck++
		l.k.per = max(l.k.per, int64(tick)/8)
		if p.batch || len(l.claims) == 1 {
			continue // there is nothing to give to others
		}
		stolen := l.steal()
		for _, c := range slices.Backward(stolen) {
			l.k.giveBack(c)
		}
		if !p.route.responds { // outputs are acknowledged at the end
			p.reap(l, int(uint32(l.place.Load()))-1, now)
		}
		p.enlist(l.k)
	}
	p.staff()
}

// giveBack makes a claimed record ready again.
func (k *keys) giveBack(c claim) {
	if k.closing {
		return
	}
	if !k.leads(c.node) { // in a batch, behind one of its key
		k.nodes[c.node].state = nodeWaits
		return
	}
	k.nodes[c.node].state = nodeReady
	k.ready.unshift(c.node)
}

// close ends the handing over of an assignment's records. Those in progress go on.
func (p *pool) close(k *keys) {
	p.mu.Lock()
	defer p.unlock()
	k.closing = true
	if p.turn == k {
		p.turn = nil
	}
	for _, t := range []*time.Timer{k.timer, k.waiting} {
		if t != nil {
			t.Stop()
		}
	}
	k.settled()
}

// settled ends an assignment whose handlers have all returned.
func (k *keys) settled() {
	if !k.closing || k.lanes > 0 || k.ended {
		return
	}
	k.p.tellHandled() // before whoever waits for this tells that the partition is gone
	k.ended = true
	if k.over {
		k.forget()
		k.a.cancel(offsets.ErrRevoked) // frees the context: whoever sealed the assignment did not wait for it
	}
	k.a.end()
}

// seal fixes what may be committed.
func (p *pool) seal(k *keys) (position, string) {
	p.mu.Lock()
	defer p.unlock()
	k.over = true
	at, metadata := k.committable()
	if k.ended {
		k.forget()
	}
	return at, metadata
}

func (k *keys) committable() (position, string) {
	at := k.watermark()
	return at, withDone(k.a.metadata, at, k.above())
}
