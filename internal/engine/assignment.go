package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/offsets"
)

// state is where an assignment stands; see docs/DESIGN.md §3. It only grows.
type state int32

const (
	stateAssigned state = iota
	stateFetching
	stateClosing
	stateClosed
)

// assignment is one partition granted to this member, from one grant to its end. It is never used again: the
// next grant makes another,
// with a higher epoch.
type assignment struct {
	r        *runner
	route    *route
	tp       kafka.TopicPartition
	epoch    int
	metadata string // of its commits
	member   string // the id under which the group granted it
	grant    int    // the epoch of the first assignment of this grant: a seek makes further ones

	// ctx is the parent of the handler's contexts. Its cause tells why it ended: ErrRevoked or ErrStopping.
	ctx    context.Context //nolint:containedctx // the assignment's lifetime is what this context stands for
	cancel context.CancelCauseFunc

	state   atomic.Int32
	closing chan struct{}              // closed when the state turns closing
	prev    atomic.Pointer[assignment] // an epoch before whose handler has not returned; nil when none is waited for
	done    chan struct{}              // closed when the worker has returned
	over    atomic.Bool                // so it has

	queue  queue
	wake   chan struct{} // something changed: look again
	taken  chan struct{} // the worker took a slab
	paused atomic.Uint32 // why nothing is handed over; 0 for nothing
	skips  chan skip     // of a record that waits for its next attempt
	starve atomic.Bool   // paused in the client because the queue is above its share
	slow   atomic.Bool   // its handler takes longer than a tick per record: what is queued is cloned
	parked atomic.Bool   // its committed offset could not be read yet
	fenced atomic.Bool   // another owner has claimed it in its store
	// heldUntil is until when a filter holds its next record, nil when none does.
	heldUntil atomic.Pointer[time.Time]
	full      atomic.Bool // as many of its records as may be wait for their marks

	busySince atomic.Int64 // clock reading at which the record in progress began; 0 when idle
	handling  atomic.Int64 // its offset, as it was at the last tick
	handed    atomic.Int64 // the offset behind the last record that is handled; -1 for none
	perRecord atomic.Int64 // nanoseconds per record, smoothed
	highWater atomic.Int64
	spoiled   atomic.Int32 // unreadable batches, one after the other
	cooling   atomic.Bool  // it waits at one: what is fetched behind it is dropped
	current   atomic.Pointer[progress]

	mu        sync.Mutex
	pos       position                 // automatic: the next offset to commit
	tr        *tracker                 // manual: instead of pos
	keys      *keys                    // side by side: instead of both
	piped     atomic.Pointer[pipeline] // of a worker with outputs
	exact     atomic.Pointer[exactly]  // of a worker in a group with ExactlyOnce
	storedAs  string                   // the metadata that the broker has
	began     bool                     // the position is known
	closed    bool
	committed int64         // what the broker has; -1 unknown
	claim     offsets.Claim // of a route with ExternalOffsets
	fetched   int64         // the next offset expected from a fetch; -1 unknown

	handler consumer.Handler // of EachPartition
}

// progress is what a worker says about a record that does not simply pass, or about a batch that failed as a whole.
type progress struct {
	Offset  int64
	Last    int64
	Attempt int
	Blocked bool
	Err     error
	Until   time.Time
}

func newAssignment(r *runner, rt *route, tp kafka.TopicPartition, epoch int, prev *assignment, h consumer.Handler) *assignment {
	a := &assignment{
		r: r, route: rt, tp: tp, epoch: epoch, grant: epoch,
		closing: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1),
		taken: make(chan struct{}, 1), skips: make(chan skip), committed: -1, fetched: -1, handler: h,
	}
	a.highWater.Store(-1)
	a.handed.Store(-1)
	a.prev.Store(prev)
	a.ctx, a.cancel = context.WithCancelCause(r.e.base)
	return a
}

func (a *assignment) where() callbacks.Where {
	return callbacks.Where{Group: a.r.id, Topic: a.tp.Topic, Partition: a.tp.Partition}
}

// running is the epoch, this one or one before, whose handler has not returned; nil when all have. An epoch that is taken away while it
// waits for the one before ends without having called a handler: who comes next waits for the same one.
func (a *assignment) running() *assignment {
	if a == nil {
		return nil
	}
	if before := a.prev.Load(); before != nil && !before.returned() {
		return before
	}
	if a.returned() {
		return nil
	}
	return a
}

func (a *assignment) is(s state) bool { return state(a.state.Load()) == s }

// begin starts the worker at a position. known is what the broker has committed, -1 for nothing.
func (a *assignment) begin(at position, known int64, done spans) {
	a.mu.Lock()
	if !a.is(stateAssigned) {
		a.mu.Unlock()
		return
	}
	a.pos, a.committed, a.fetched, a.began = at, known, at.offset, true
	switch {
	case a.route.pool != nil:
		a.keys = newKeys(a, a.route.pool, at, done)
		if known >= 0 {
			_, a.storedAs = a.keys.state() // what it came with says the same
		}
	case a.route.tracked:
		a.tr = newTracker(at)
	}
	a.state.Store(int32(stateFetching))
	a.mu.Unlock()
	if a.keys != nil {
		a.route.pool.begin(a.keys)
		return
	}
	w := newWorker(a)
	go w.loop()
}

// beginClose stops handing over records; the delivery in progress goes on. It reports whether it was open until then.
func (a *assignment) beginClose() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch state(a.state.Load()) {
	case stateAssigned:
		a.end() // no worker was started
	case stateFetching:
	case stateClosing, stateClosed:
		return false
	}
	a.state.Store(int32(stateClosing))
	close(a.closing)
	a.queue.close()
	if a.keys != nil {
		a.route.pool.close(a.keys)
	}
	return true
}

// signal wakes the worker to look at its assignment again.
func (a *assignment) signal() {
	a.mu.Lock()
	k := a.keys
	a.mu.Unlock()
	if k != nil {
		k.p.poke(k)
		return
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// finish publishes the position up to which records are done. It reports false when the assignment was closed
// meanwhile: the result
// of a handler that came too late.
func (a *assignment) finish(at position) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	if a.tr == nil && (at.offset > a.pos.offset || !a.route.once) { // committed ahead, it never goes back
		a.pos = at
	}
	return true
}

// committable is the next offset to commit, with what is said of it, and whether the broker does not have it yet.
func (a *assignment) committable() (kafka.Offset, bool) {
	a.piped.Load().catchUp()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || !a.began {
		return kafka.Offset{}, false
	}
	at, metadata := a.pos, a.metadata
	switch {
	case a.keys != nil:
		at, metadata = a.keys.state()
	case a.tr != nil:
		at = a.tr.watermark()
	}
	return a.due(at, metadata)
}

// due is called with the lock held.
func (a *assignment) due(at position, metadata string) (kafka.Offset, bool) {
	due := !a.fenced.Load() && at.offset > a.committed || at.offset == a.committed && a.keys != nil && metadata != a.storedAs
	return kafka.Offset{Offset: at.offset, Epoch: at.epoch, Metadata: metadata}, due
}

// stored notes what the broker has.
func (a *assignment) stored(at kafka.Offset) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at.Offset >= a.committed {
		a.committed, a.storedAs = at.Offset, at.Metadata
	}
}

// seal closes the assignment for marks and results, and returns what may still be committed. It is called under
// the commit lock, so a mark
// either is part of what is returned, or fails.
func (a *assignment) seal() (kafka.Offset, bool) {
	a.piped.Load().catchUp()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return kafka.Offset{}, false
	}
	at, metadata := a.pos, a.metadata
	switch {
	case a.keys != nil:
		at, metadata = a.route.pool.seal(a.keys)
	case a.tr != nil:
		at = a.tr.seal()
	}
	a.closed = true
	a.state.Store(int32(stateClosed))
	offset, due := a.due(at, metadata)
	return offset, due && a.began
}

// mark implements Message.Mark.
func (a *assignment) mark(offset int64, through bool) error {
	if a.keys != nil && a.route.tracked {
		return a.markOne(offset, through)
	}
	if a.tr == nil {
		return offsets.ErrAutomatic
	}
	if err := a.tr.mark(offset, through); err != nil {
		return err
	}
	a.signal()
	return nil
}

// markOne marks a record on a route by key, where none is before another.
func (a *assignment) markOne(offset int64, through bool) error {
	if through {
		return offsets.ErrUnordered
	}
	if !a.keys.markOne(offset) {
		return offsets.ErrRevoked
	}
	return nil
}

// partition is the face that an assignment shows to users. The one that a factory was given stands for the whole grant: a Seek within it
// makes another assignment, and the handler stays. The one that a message has stands for the message's epoch.
type partition struct {
	a       *assignment
	granted bool
}

// now is the assignment that the partition stands for.
func (p partition) now() *assignment {
	if !p.granted {
		return p.a
	}
	if current := p.a.r.find(p.a.tp); current != nil && current.grant == p.a.grant {
		return current
	}
	return p.a
}

func (p partition) Group() string { return p.a.r.id }
func (p partition) Topic() string { return p.a.tp.Topic }
func (p partition) ID() int32     { return p.a.tp.Partition }
func (p partition) Epoch() int    { return p.now().epoch }

func (p partition) Pause() {
	p.now().pause(pausedUser)
}

func (p partition) Resume() {
	p.now().resume(pausedUser)
}

func (p partition) Seek(ctx context.Context, offset int64) error {
	a := p.now()
	return a.r.seek(ctx, a, offset)
}
