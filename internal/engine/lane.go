package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
)

// lane hands over records, a claim of one assignment after the other. Its state is in its fields and not on its stack, because a handler
// that calls runtime.Goexit takes the goroutine with it: another goes on from here.
type lane struct {
	p  *pool
	at int // in pool.lanes

	k       *keys
	claims  []claim
	place   atomic.Uint64 // the claim that comes next, and behind the last one
	since   atomic.Int64  // when the record in progress began, within a tick; 0 while none is
	calling int           // the claim in progress, -1 for none; in a batch the first stands for all
	began   int64
	whole   *failure      // of a batch that failed as a whole
	elapsed time.Duration // of the claim that failed, which is the last one

	reaped   int // claims[:reaped] are noted; with the lock
	reapedAt int64

	msgs  []consumer.Message
	m     int
	batch consumer.Batch
	out   *outbox
	first *delivery
	timed *attempts

	limited bool // it has a place of the process's limit
	claimed bool // it has a claim that it has not begun
	left    bool // it has nothing to do, and is not on the list any more
}

// claim is a record in a lane.
type claim struct {
	node    int32
	begun   bool
	skipped bool
	tries   int
	rec     *kgo.Record
	fail    *failure
	err     error
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
		if l.first = k.fresh; l.first == nil {
			l.first = &delivery{a: a, out: l.out, attempt: 1}
		}
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
	if l.p.batch {
		l.runBatch(ctx)
		return
	}
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
			l.elapsed = time.Duration(max(clock.read()-l.since.Load(), 0))
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
		d = &delivery{a: k.a, out: l.out, attempt: c.tries + 1}
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

// tellFailed tells of an attempt that failed. One that was postponed has not.
func (l *lane) tellFailed(f *failure, first, last int64, attempt int) {
	if consumer.VerdictOf(f.err).Kind == consumer.KindPostpone {
		return
	}
	var panicked *consumer.PanicError
	l.emit(callbacks.Failed{
		Where: l.k.a.where(), First: first, Last: last, Attempt: attempt,
		Err: f.err, Elapsed: f.elapsed, Panic: errors.As(f.err, &panicked),
	})
}

// handling is the offset of the record in progress. It is called with the lock held.
func (l *lane) handling() int64 {
	if at := int(uint32(l.place.Load())) - 1; at >= 0 && at < len(l.claims) {
		return l.claims[at].rec.Offset
	}
	return 0
}
