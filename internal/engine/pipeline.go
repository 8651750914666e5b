package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/internal/room"
)

// pipeline knows which records of a worker have outputs that the broker has not acknowledged. The worker goes on meanwhile; what it has
// handed over is done as far as nothing before it waits.
type pipeline struct {
	a *assignment

	refused atomic.Bool // an output was not acknowledged: nothing moves on before the worker has taken its record back
	given   bool        // with the lock: up, because the assignment's context has ended

	mu      sync.Mutex
	waits   waits         // the first is pending or refused
	pending int           // outputs that were not answered
	idle    chan struct{} // closed when it is 0
	half    chan struct{} // closed when it is low or less
	low     int
	watched bool // the worker waits for it to get on
	batch   *kgo.Record
	room    int            // how many outputs need not wait for room; below zero: for how many it is not asked
	asked   int64          // when
	rooms   []room.Context // to be used next

	reached position // up to here everything is handed over and did not fail
	handled int      // records up to there
	told    int      // of them, the committer was told
	behind  int      // records that wait no longer, and are not published yet
	single  int64    // outputs of records up to here are sent alone; the worker's

	acked int       // since it was told, or since
	since time.Time // the first of them was sent
}

// blockRooms is how many contexts are allocated at once. They live until the last of their outputs is acknowledged.
const blockRooms = 32

func newPipeline(a *assignment) *pipeline { return &pipeline{a: a, single: -1} }

// alone tells whether the outputs of a record are sent alone, and waited for.
func (p *pipeline) alone(offset int64) bool { return offset <= p.single }

// begin names the first record of a batch, nil where records are handed over one by one.
func (p *pipeline) begin(batch *kgo.Record) {
	p.mu.Lock()
	p.batch = batch
	p.mu.Unlock()
}

func (p *pipeline) send(d *delivery, rec, out *kgo.Record) {
	p.mu.Lock()
	if p.given {
		p.expect(d, rec)
		p.waits.back().refused = &outputError{topic: out.Topic, err: context.Cause(p.a.ctx)}
		p.refused.Store(true)
		p.mu.Unlock()
		return
	}
	if p.pending == 0 && p.acked == 0 {
		p.since = time.Now()
	}
	p.pending++
	if p.waits.n == 0 || p.waits.back().source != rec.Offset || p.waits.back().pending == 0 {
		p.expect(d, rec)
	}
	w := p.waits.back()
	w.pending++
	w.topic = out.Topic
	keep, a := w.promise(), p.a
	if !p.alone(rec.Offset) && kafka.IsSmall(out) && p.hasRoom() {
		p.mu.Unlock()
		a.r.e.producer.Produce(context.Background(), a.source(rec.Offset), out, keep)
		return
	}
	if len(p.rooms) == 0 {
		p.rooms = make([]room.Context, blockRooms)
	}
	wait := &p.rooms[0]
	p.rooms = p.rooms[1:]
	p.mu.Unlock()
	wait.Context = a.ctx
	if p.alone(rec.Offset) {
		a.r.e.producer.ProduceAlone(wait, a.source(rec.Offset), out, keep)
	} else {
		a.r.e.producer.Produce(wait, a.source(rec.Offset), out, keep)
	}
	if wait.Leave() {
		p.ease()
	}
}

// ease waits, after an output has waited for room, until half of those before it are answered: whoever sends each as soon as there is room
// for one is put to sleep and woken for each.
func (p *pipeline) ease() {
	p.mu.Lock()
	p.room = 0
	if p.pending < blockRooms {
		p.mu.Unlock()
		return
	}
	if p.half == nil { // else another of the handler's goroutines waits already
		p.half, p.low = make(chan struct{}), p.pending/2
	}
	half := p.half
	p.mu.Unlock()
	select {
	case <-half:
	case <-p.a.ctx.Done():
	}
}

// hasRoom tells whether an output will hardly have to wait for room with the producer, which is asked once for some of them that are sent
// in the same millisecond: what waits must be let go with the assignment, and costs a context of its own. It is called with the lock held.
func (p *pipeline) hasRoom() bool {
	if now := p.a.r.e.clock.now.Load(); p.room == 0 || now != p.asked {
		p.asked = now
		if p.room = min(p.a.r.e.producer.Room(), blockRooms); p.room == 0 {
			p.room = -blockRooms
		}
	}
	if p.room < 0 {
		p.room++
		return false
	}
	p.room--
	return true
}

// expect adds a wait for a record. It is called with the lock held.
func (p *pipeline) expect(d *delivery, rec *kgo.Record) {
	w := p.waits.push()
	w.p, w.from, w.source, w.attempt = p, rec, rec.Offset, int32(d.attempt)
	if p.batch != nil {
		w.from = p.batch
	}
}

func (a *assignment) source(offset int64) kafka.Source {
	return kafka.Source{Group: a.r.id, TopicPartition: a.tp, Offset: offset}
}

// answered notes that an output was acknowledged, or refused.
func (p *pipeline) answered(w *wait, topic string, err error) {
	p.mu.Lock()
	if p.given {
		p.mu.Unlock()
		return // nobody waits for it any more
	}
	w.pending--
	p.pending--
	switch {
	case err == nil:
		p.acked++
	case w.refused == nil:
		w.refused = &outputError{topic: topic, err: err}
		p.refused.Store(true)
	}
	n := 0
	for p.waits.n > 0 && p.waits.front().pending == 0 && p.waits.front().refused == nil {
		if from := p.waits.front().from; from.Offset > p.reached.offset { // sent in part, perhaps: done only when the worker says so
			p.reached = position{from.Offset, from.LeaderEpoch}
		}
		p.waits.pop()
		n++
	}
	if p.behind += n; p.behind > mostBehind || n > 0 && p.waits.n == 0 {
		p.publish()
	}
	wake := err != nil || n > 0 && (p.watched || p.waits.n == 0)
	if p.half != nil && p.pending <= p.low {
		close(p.half)
		p.half = nil
	}
	if p.pending == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
	var e callbacks.Event
	if p.pending == 0 {
		e = p.produced()
	}
	p.mu.Unlock()
	if e != nil {
		p.a.r.emit(e)
	}
	if wake {
		p.a.signal()
	}
}

// mostBehind is how many records may have their outputs acknowledged before it is published. Whoever asks for the position sees all.
const mostBehind = 64

// publish makes what nothing waits for count as done. It reports false when the assignment was closed meanwhile. It is called with the lock
// held.
func (p *pipeline) publish() bool {
	at, n := p.reached, p.handled-p.told
	if p.waits.n > 0 {
		from := p.waits.front().from
		at, n = position{from.Offset, from.LeaderEpoch}, p.behind
	}
	p.behind = 0
	if at == (position{}) {
		return true // nothing is reached yet
	}
	ok := p.a.finish(at)
	if ok && n > 0 {
		p.told += n
		p.a.r.committer.finished(n)
	}
	return ok
}

// catchUp publishes what is behind. The position is asked for afterwards.
func (p *pipeline) catchUp() {
	if p == nil {
		return
	}
	p.mu.Lock()
	if p.behind > 0 {
		p.publish()
	}
	p.mu.Unlock()
}

// reach notes how far the worker has got, with n records more. It reports false when the assignment was closed meanwhile.
func (p *pipeline) reach(at position, n int) bool {
	p.mu.Lock()
	if at.offset > p.reached.offset {
		p.reached = at
	}
	p.handled += n
	ok := p.publish()
	e := p.produced()
	p.mu.Unlock()
	if e != nil {
		p.a.r.emit(e)
	}
	return ok
}

// produced tells of the outputs that were acknowledged since the last time.
func (p *pipeline) produced() callbacks.Event {
	if p.acked == 0 {
		return nil
	}
	now := time.Now()
	e := callbacks.Produced{Where: p.a.where(), Count: p.acked, Elapsed: now.Sub(p.since)}
	p.acked, p.since = 0, now
	return e
}

// waitsFor is the first offset that is not done because of an output; false when there is none.
func (p *pipeline) waitsFor() (int64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waits.n == 0 {
		return 0, false
	}
	return p.waits.front().from.Offset, true
}

// firstWaiting is the index of the first of the records that is not done because of an output, or behind them.
func (p *pipeline) firstWaiting(recs []*kgo.Record) int {
	at, waits := p.waitsFor()
	if !waits {
		return len(recs)
	}
	n := len(recs)
	for n > 0 && recs[n-1] != nil && recs[n-1].Offset >= at {
		n--
	}
	return n
}

// watch asks to be woken when it gets on, or no more.
func (p *pipeline) watch(on bool) {
	p.mu.Lock()
	p.watched = on
	p.mu.Unlock()
}

// settle waits until every output is acknowledged or refused, which the producer's delivery timeout bounds, or the assignment's context has
// ended: what is under way then stays under way, and its records are not done.
func (p *pipeline) settle() {
	p.mu.Lock()
	if p.pending == 0 {
		p.mu.Unlock()
		return
	}
	if p.idle == nil {
		p.idle = make(chan struct{})
	}
	idle := p.idle
	p.mu.Unlock()
	select {
	case <-idle:
	case <-p.a.ctx.Done():
		p.giveUp()
	}
}

var errAnswerLate = errors.New("not acknowledged in time")

func (p *pipeline) giveUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == 0 {
		return
	}
	p.given, p.pending = true, 0
	if first := p.waits.front(); first.refused == nil {
		first.refused = &outputError{topic: first.topic, err: fmt.Errorf("%w: %w", errAnswerLate, context.Cause(p.a.ctx))}
	}
	p.refused.Store(true)
}

// takeBack returns the first record whose output was refused, and forgets it and all after it: they are handed over again, alone where it
// is unclear whether it was refused for what it is itself. It is called when everything is settled.
func (p *pipeline) takeBack() (w wait, unclear bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.publish()
	w = *p.waits.front()
	unclear = !p.alone(w.source) && kafka.OneOfBatch(w.refused)
	if unclear {
		p.single = p.waits.back().source
	}
	p.waits = waits{}
	p.reached = position{w.from.Offset, w.from.LeaderEpoch}
	p.told = p.handled
	p.refused.Store(false)
	return w, unclear
}
