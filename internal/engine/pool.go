package engine

import (
	"context"
	"hash/maphash"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
)

// pool runs the handlers of a route side by side, whatever partitions their records are of: one at a time for each key, in the order of the
// offsets. Its lanes are goroutines that live while there is work.
type pool struct {
	e     *Engine
	route *route
	limit int
	key   consumer.KeyFunc // nil when there is no order at all
	seed  maphash.Seed
	chain consumer.BatchHandler // nil without middleware

	mu     sync.Mutex
	work   []*keys // those that have records to hand over, in turn
	lanes  []*lane
	event  callbacks.Event   // to be told when the lock is free
	events []callbacks.Event // if there are more
	taken  []*assignment     // that the worker's side of flow control has to look at
}

func newPool(e *Engine, rt *route) *pool {
	p := &pool{e: e, route: rt, limit: rt.spec.Concurrency, key: rt.spec.Ordering.Key(), seed: maphash.MakeSeed()}
	if rt.spec.Handler != nil && len(rt.mw) > 0 {
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

// tell and takenFrom keep for later what must not happen under the lock.
func (p *pool) tell(e callbacks.Event) {
	if p.event == nil {
		p.event = e
		return
	}
	p.events = append(p.events, e)
}

func (p *pool) takenFrom(a *assignment) { p.taken = append(p.taken, a) }

// unlock frees the lock, and does what was kept for then.
func (p *pool) unlock() {
	event, events, taken := p.event, p.events, p.taken
	p.event, p.events, p.taken = nil, nil, nil
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
	if event != nil {
		p.e.emit(event)
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
	k.feed(1)
	if k.ready.len() == 0 {
		return
	}
	k.listed = true
	p.work = append(p.work, k)
	p.staff()
}

// staff adds a lane where there is work for another: always while handlers take long, and else as many as there are processors. A lane that
// finds more work adds the next.
func (p *pool) staff() {
	if len(p.work) == 0 || len(p.lanes) >= p.limit {
		return
	}
	if n := len(p.lanes); n > 0 && n >= runtime.GOMAXPROCS(0) && p.work[0].per < int64(worthALane) {
		return // the next tick looks whether they get on
	}
	l := &lane{p: p, at: len(p.lanes)}
	p.lanes = append(p.lanes, l)
	go l.loop()
}

// worthALane is how long a handler must take for its record to be worth another goroutine.
const worthALane = 20 * time.Microsecond

// next gives a lane records of one assignment, as many as take about a claim's time. It reports false when there are none.
func (p *pool) next(l *lane) bool {
	for len(p.work) > 0 {
		k := p.work[0]
		p.work = p.work[1:]
		k.listed = false
		if k.closing || k.a.paused.Load() != 0 {
			continue
		}
		want := k.claim()
		k.feed(2 * want)
		n := min(want, k.ready.len())
		if n == 0 {
			continue
		}
		l.k = k
		if cap(l.claims) < n {
			l.claims = make([]claim, n)
		}
		l.claims = l.claims[:n]
		for j := range l.claims {
			i := k.ready.pop()
			nd := &k.nodes[i]
			nd.state = nodeRuns
			c := &l.claims[j]
			c.node, c.rec, c.begun, c.skipped, c.err = i, nd.rec, false, false, nil
			c.tries, c.fail = 0, nil
			if nd.past != nil {
				c.tries, c.fail = nd.past.tries, nd.past.fail
			}
		}
		l.place.Store(uint64(n) << 32)
		l.reaped, l.reapedAt = 0, p.e.clock.now.Load()
		k.lanes++
		if k.ready.len() > 0 || k.reading != nil || k.queued() {
			k.listed = true
			p.work = append(p.work, k)
		}
		p.staff()
		return true
	}
	return false
}

func (k *keys) queued() bool {
	records, _ := k.a.queue.size()
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
	for _, l := range p.lanes {
		since := l.since.Load()
		if since == 0 || now-since < int64(tick) {
			continue
		}
		l.k.per = max(l.k.per, int64(tick)/8)
		if len(l.claims) == 1 {
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
	k.nodes[c.node].state = nodeReady
	k.ready.unshift(c.node)
}

// close ends the handing over of an assignment's records. Those in progress go on.
func (p *pool) close(k *keys) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k.closing = true
	if k.timer != nil {
		k.timer.Stop()
	}
	k.settled()
}

// settled ends an assignment whose handlers have all returned.
func (k *keys) settled() {
	if !k.closing || k.lanes > 0 || k.ended {
		return
	}
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
	defer p.mu.Unlock()
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

// lane hands over records, a claim of one assignment after the other. Its state is in its fields and not on its stack, because a handler
// that calls runtime.Goexit takes the goroutine with it: another goes on from here.
type lane struct {
	p  *pool
	at int // in pool.lanes

	k       *keys
	claims  []claim
	place   atomic.Uint64 // the claim that comes next, and behind the last one
	since   atomic.Int64  // when the record in progress began, within a tick; 0 while none is
	calling int           // the claim in progress, -1 for none
	began   int64

	reaped   int // claims[:reaped] are noted; with the lock
	reapedAt int64

	msgs  []consumer.Message
	m     int
	batch consumer.Batch
	out   outbox
	first *delivery
	timed *attempts

	limited bool // it has a place of the process's limit
	claimed bool // it has a claim that it has not begun
	left    bool // it has nothing to do, and is not on the list any more
}

// claim is a record in a lane.
type claim struct {
	node  int32
	rec   *kgo.Record
	tries int
	fail  *failure

	begun   bool
	err     error
	skipped bool
	elapsed time.Duration
}

// advance takes the next claim; -1 when there is none, or when it was given to others.
func (l *lane) advance() int {
	for {
		v := l.place.Load()
		at, end := uint32(v), uint32(v>>32)
		if at >= end {
			return -1
		}
		if l.place.CompareAndSwap(v, v+1) {
			return int(at)
		}
	}
}

// steal takes away what the lane has not begun.
func (l *lane) steal() []claim {
	for {
		v := l.place.Load()
		at, end := uint32(v), uint32(v>>32)
		if at >= end {
			return nil
		}
		if l.place.CompareAndSwap(v, uint64(at)<<32|uint64(at)) {
			return l.claims[at:end]
		}
	}
}

func (l *lane) loop() {
	returned := false
	defer func() {
		if !returned {
			go l.loop()
		}
	}()
	for l.step() {
	}
	returned = true
}

// step hands over one claim; false when there is nothing to do.
func (l *lane) step() bool {
	if !l.limited {
		l.limited = l.p.e.limit.acquire(l.p.e.base, nil)
		l.began = l.p.e.clock.enter()
	}
	if !l.claimed && !l.left {
		l.p.mu.Lock()
		l.claim()
		l.p.unlock()
	}
	if l.left {
		l.p.e.clock.leave()
		if l.limited {
			l.p.e.limit.release()
		}
		if l.timed != nil {
			l.timed.stop()
		}
		return false
	}
	l.claimed = false
	l.run()
	if !l.claimed && !l.left { // others wait for its place
		l.p.e.clock.leave()
		l.p.e.limit.release()
		l.limited = false
	}
	return true
}

// claim takes what is to be handed over next, or takes the lane off the list. It is called with the lock held.
func (l *lane) claim() {
	l.claimed = l.limited && l.p.next(l)
	if !l.claimed {
		l.left = true
		l.p.leave(l)
	}
}

// run calls the handler for what is claimed.
func (l *lane) run() {
	k, a := l.k, l.k.a
	l.calling = -1
	if l.first == nil || l.first.a != a {
		l.first = &delivery{a: a, out: &l.out, attempt: 1}
		if l.timed != nil {
			l.timed.stop()
			l.timed = nil
		}
	}
	if d := l.p.route.spec.Timeout; d > 0 {
		if l.timed == nil {
			l.timed = newAttempts(a.ctx, d, l.p.e.clock)
		}
		l.timed.arm()
	}
	defer l.settle()
	ctx, clock := a.ctx, l.p.e.clock
	seen := int64(-1)
	for state := int32(stateFetching); a.state.Load() == state && a.paused.Load() == 0; {
		i := l.advance()
		if i < 0 {
			break
		}
		c := &l.claims[i]
		c.begun = true
		if now := clock.now.Load(); now != seen { // a store costs as much as all else here
			seen = now
			l.since.Store(max(now, 1))
		}
		if c.fails() {
			break // on its way to another topic: it is not handled again
		}
		if l.timed != nil {
			ctx = l.timed.start() //nolint:fatcontext // it is not derived from the one before
		}
		l.calling = i
		c.err = l.call(ctx, k, c)
		l.calling = -1
		if c.err != nil {
			c.elapsed = time.Duration(max(clock.read()-l.since.Load(), 0))
			break
		}
	}
}

// fewMessages are allocated at once by lanes that claim one record at a time.
const fewMessages = 16

// call hands over one record.
func (l *lane) call(ctx context.Context, k *keys, c *claim) error {
	if l.m == len(l.msgs) {
		l.msgs, l.m = make([]consumer.Message, min(chunk, max(fewMessages, 4*len(l.claims)))), 0
	}
	m := &l.msgs[l.m]
	l.m++
	d := l.first
	if c.tries > 0 {
		d = &delivery{a: k.a, out: &l.out, attempt: c.tries + 1}
	}
	*m = consumer.NewMessage(c.rec, d)
	if l.p.chain == nil {
		return l.p.route.spec.Handler.Handle(ctx, m)
	}
	l.batch.Reset(l.msgs[l.m-1 : l.m : l.m])
	err := l.p.chain.HandleBatch(ctx, &l.batch)
	c.skipped = err == nil && len(l.batch.Skipped()) > 0
	return err
}
