package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/kafka"
)

// pipeline knows which records of a worker have outputs that the broker has not acknowledged. The worker goes on meanwhile; what it has
// handed over is done as far as nothing before it waits.
type pipeline struct {
	a *assignment

	refused atomic.Bool // an output was not acknowledged: nothing moves on before the worker has taken its record back

	mu      sync.Mutex
	first   uint64 // number of waits[0]
	waits   []wait // in the order sent; the first is pending or refused
	pending int    // outputs that were not answered
	idle    chan struct{}
	watched bool // the worker waits for it to get on
	batch   *kgo.Record

	reached position // up to here everything is handed over and did not fail
	handled int      // records up to there
	told    int      // of them, the committer was told

	acked int       // since it was told, or since
	since time.Time // the first of them was sent
}

// wait is a record with outputs.
type wait struct {
	from    *kgo.Record // nothing from here on is done while it waits: the record, or the first of its batch
	source  int64       // the record that the outputs are of
	attempt int
	pending int
	refused error
	topic   string // of the output that was refused
}

func newPipeline(a *assignment) *pipeline { return &pipeline{a: a} }

// begin names the first record of a batch, nil where records are handed over one by one.
func (p *pipeline) begin(batch *kgo.Record) {
	p.mu.Lock()
	p.batch = batch
	p.mu.Unlock()
}

func (p *pipeline) send(d *delivery, rec, out *kgo.Record) {
	p.mu.Lock()
	if p.pending == 0 && p.acked == 0 {
		p.since = time.Now()
	}
	p.pending++
	n := len(p.waits)
	if n == 0 || p.waits[n-1].source != rec.Offset || p.waits[n-1].pending == 0 {
		w := wait{from: rec, source: rec.Offset, attempt: d.attempt}
		if p.batch != nil {
			w.from = p.batch
		}
		p.waits = append(p.waits, w)
		n++
	}
	p.waits[n-1].pending++
	number := p.first + uint64(n-1)
	p.mu.Unlock()
	a := p.a
	a.r.e.producer.Produce(a.ctx, a.source(rec.Offset), out, func(_ *kgo.Record, err error) { p.answered(number, out.Topic, err) })
}

func (a *assignment) source(offset int64) kafka.Source {
	return kafka.Source{Group: a.r.id, TopicPartition: a.tp, Offset: offset}
}

// answered notes that an output was acknowledged, or refused.
func (p *pipeline) answered(number uint64, topic string, err error) {
	p.mu.Lock()
	w := &p.waits[number-p.first]
	w.pending--
	p.pending--
	if err != nil && w.refused == nil {
		w.refused, w.topic = err, topic
		p.refused.Store(true)
	}
	if err == nil {
		p.acked++
	}
	n := 0
	for n < len(p.waits) && p.waits[n].pending == 0 && p.waits[n].refused == nil {
		n++
	}
	if n > 0 {
		if from := p.waits[n-1].from; from.Offset > p.reached.offset { // sent in part, perhaps: done only when the worker says so
			p.reached = position{from.Offset, from.LeaderEpoch}
		}
		clear(p.waits[:n])
		p.waits, p.first = p.waits[n:], p.first+uint64(n)
		p.publish(n)
	}
	wake := err != nil || n > 0 && (p.watched || len(p.waits) == 0)
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

// publish makes what nothing waits for count as done, n records more than before at least. It reports false when the assignment was closed
// meanwhile. It is called with the lock held.
func (p *pipeline) publish(n int) bool {
	at := p.reached
	if len(p.waits) > 0 {
		from := p.waits[0].from
		at = position{from.Offset, from.LeaderEpoch}
	} else {
		n = p.handled - p.told
	}
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

// reach notes how far the worker has got, with n records more. It reports false when the assignment was closed meanwhile.
func (p *pipeline) reach(at position, n int) bool {
	p.mu.Lock()
	if at.offset > p.reached.offset {
		p.reached = at
	}
	p.handled += n
	ok := p.publish(0)
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
	if len(p.waits) == 0 {
		return 0, false
	}
	return p.waits[0].from.Offset, true
}

// watch asks to be woken when it gets on, or no more.
func (p *pipeline) watch(on bool) {
	p.mu.Lock()
	p.watched = on
	p.mu.Unlock()
}

// settle waits until every output is acknowledged or refused, which the producer's delivery timeout bounds.
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
	<-idle
}

// takeBack returns the first record whose output was refused, and forgets it and all after it: they are handed over again. It is called
// when everything is settled.
func (p *pipeline) takeBack() wait {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.waits[0]
	p.first += uint64(len(p.waits))
	p.waits = nil
	p.reached = position{w.from.Offset, w.from.LeaderEpoch}
	p.told = p.handled
	p.refused.Store(false)
	return w
}
