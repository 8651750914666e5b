package engine

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
)

// keys are the records of one assignment that are not done, on a route whose handlers run side by side: in which order they were received,
// which of them have to wait for others of their key, and so what may be committed. Its pool's lock guards it.
type keys struct {
	a *assignment
	p *pool

	nodes       []node
	free        int32
	first, last int32
	open        int    // nodes in use
	holes       int    // runs of them, in the order received
	seq         uint64 // of the record received last
	end         position
	heads       heads
	ready       ring[int32]
	byOffset    map[int64]int32 // by hand: to find what is marked

	reading *lot
	at      int
	lots    []*lot
	done    spans // what was done before, by whoever had the partition
	gate    gate
	timer   *time.Timer // a filter holds the next record until it fires
	held    bool
	full    bool
	waiting *time.Timer // for a batch to become full
	waited  bool        // long enough
	untold  []untold    // of what is handled

	fresh *delivery // of all first attempts; nil where a lane's outputs are its own

	lanes   int // that have records of it
	parked  int
	per     int64 // nanoseconds that a handler takes, smoothed
	listed  bool  // among those that have work
	slow    bool  // and counted there as one whose handlers are not quick
	started bool  // no earlier epoch's handler runs
	closing bool  // nothing more is handed over
	over    bool  // nothing counts any more
	ended   bool
}

func newKeys(a *assignment, p *pool, at position, done spans) *keys {
	k := &keys{a: a, p: p, first: none, last: none, free: none, end: at, done: done}
	if a.route.tracked {
		k.byOffset = map[int64]int32{}
	}
	if !a.route.responds {
		k.fresh = &delivery{a: a, attempt: 1}
	}
	return k
}

// ahead is how many more records are taken than are asked for: together they cost less than one at a time, because they are far from the
// processor. Where there are filters none are, because what a filter says is of the moment.
const ahead = 16

// feed takes records from the queue until so many are ready.
func (k *keys) feed(want int) {
	if k.ready.len() >= want {
		return
	}
	if len(k.a.route.filters) == 0 {
		want += ahead
	}
	for k.ready.len() < want && !k.held && (k.open < k.p.most && k.holes < k.p.holes && !k.full || !k.isFull()) {
		if k.reading == nil {
			s := k.a.queue.take()
			if s == nil {
				return
			}
			k.p.takenFrom(k.a)
			k.reading, k.at = &lot{slab: s, left: 1}, 0
			k.lots = append(k.lots, k.reading)
			k.unpin()
		}
		if !k.admit(k.reading.slab.recs[k.at]) {
			return
		}
		k.at++
		if k.at == len(k.reading.slab.recs) {
			k.reading.drop()
			k.reading = nil
		}
	}
}

// isFull reports whether as many records are open as may be, or as many holes as a commit can tell of.
func (k *keys) isFull() bool {
	full := k.open >= k.p.most || k.holes >= k.p.holes
	if full != k.full {
		k.full = full
		k.a.full.Store(full)
		if full {
			k.p.tell(callbacks.Paused{Where: k.a.where(), Reason: callbacks.PausedWindow})
		} else {
			k.p.tell(callbacks.Resumed{Where: k.a.where(), Reason: callbacks.PausedWindow})
		}
	}
	return full
}

// mostHoles is how many runs of open records there may be before no more are handed over: about three quarters of a commit's metadata, with
// two lengths of two bytes each for every run.
const mostHoles = 512

// admit puts the next record where it belongs. It reports false when a filter holds it.
func (k *keys) admit(rec *kgo.Record) bool {
	if k.done != nil {
		if k.done = k.done.after(rec.Offset); k.done.has(rec.Offset) {
			k.pass(rec)
			return true
		}
	}
	if !k.reading.slab.plain && rec.Attrs.IsControl() {
		k.pass(rec)
		return true
	}
	if len(k.a.route.filters) > 0 {
		now := time.Now()
		if k.gate.seen.IsZero() {
			k.gate.seen = now
		}
		for _, f := range k.a.route.filters {
			d := f.Check(rec, k.gate.seen, now)
			if why := d.Dropped(); why != nil {
				k.p.tell(callbacks.Skipped{Where: k.a.where(), Offset: rec.Offset, Err: why})
				k.gate.seen = time.Time{}
				k.pass(rec)
				return true
			}
			if until := d.Held(); !until.IsZero() {
				k.hold(until)
				return false
			}
		}
		k.gate.seen = time.Time{}
	}
	k.insert(rec)
	return true
}

func (k *keys) hold(until time.Time) {
	k.held = true
	k.a.heldUntil.Store(&until)
	if time.Until(until) > detachAfter {
		k.a.queue.detach()
	}
	k.timer = time.AfterFunc(time.Until(until), func() {
		k.p.mu.Lock()
		defer k.p.unlock()
		k.held = false
		k.a.heldUntil.Store(nil)
		k.p.enlist(k)
	})
}

// pass counts a record as done that nobody has to handle.
func (k *keys) pass(rec *kgo.Record) {
	k.seq++
	k.end = position{rec.Offset + 1, rec.LeaderEpoch}
}

// insert adds a record behind those of its key.
func (k *keys) insert(rec *kgo.Record) {
	i := k.take()
	n := &k.nodes[i]
	k.seq++ // the fields one by one: a whole node would be made, and then copied
	n.rec, n.lot, n.past = rec, k.reading, nil
	n.seq, n.before, n.offset = k.seq, k.end, rec.Offset
	n.prev, n.next, n.behind = k.last, none, none
	n.state, n.marked = nodeWaits, false
	k.reading.left++
	k.end = position{rec.Offset + 1, rec.LeaderEpoch}
	if k.last == none {
		k.first = i
	} else {
		k.nodes[k.last].next = i
	}
	if k.last == none || k.nodes[k.last].seq+1 != n.seq {
		k.holes++
	}
	k.last = i
	k.open++
	if k.byOffset != nil {
		k.byOffset[rec.Offset] = i
	}
	if k.p.key == nil {
		n.state = nodeReady
		k.ready.push(i)
		return
	}
	n.hash = k.p.hash(rec)
	at := k.heads.find(k.nodes, n.hash)
	if at == none {
		k.heads.add(k.nodes, i)
		n.state = nodeReady
		k.ready.push(i)
		return
	}
	head := &k.nodes[at]
	k.nodes[head.tail].behind = i
	head.tail = i
	if head.state == nodeParked {
		k.clone(i)
	}
}

// forget lets go of everything, when the last lane is done with it.
func (k *keys) forget() {
	for i := k.first; i != none; i = k.nodes[i].next {
		k.nodes[i].drop(k.a.r.budget)
	}
	k.reading.drop()
	k.nodes, k.heads, k.ready, k.lots, k.reading, k.byOffset = nil, heads{}, ring[int32]{}, nil, nil, nil
	k.first, k.last, k.open = none, none, 0
}

// watermark is the next offset to commit.
func (k *keys) watermark() position {
	if k.first == none {
		return k.end
	}
	return k.nodes[k.first].before
}

// above is what is done above the watermark, with what was done before and has not been received again yet.
func (k *keys) above() (done spans) {
	defer func() {
		for _, s := range k.done.after(k.end.offset) {
			s.from = max(s.from, k.end.offset)
			if n := len(done); n > 0 && done[n-1].to == s.from {
				done[n-1].to = s.to
			} else {
				done = append(done, s)
			}
		}
	}()
	if k.first == none {
		return nil
	}
	var from int64
	var seq uint64
	for i := k.first; i != none; i = k.nodes[i].next {
		n := &k.nodes[i]
		if i != k.first && n.seq != seq+1 {
			done = append(done, span{from, n.before.offset})
		}
		from, seq = n.offset+1, n.seq
	}
	if seq != k.seq {
		done = append(done, span{from, k.end.offset})
	}
	return done
}

// mark marks a record, on a route by hand.
func (k *keys) mark(offset int64) {
	i, ok := k.byOffset[offset]
	if !ok {
		return // done already: marking twice is harmless
	}
	if n := &k.nodes[i]; n.state == nodeHandled {
		k.unlink(i)
	} else {
		n.marked = true
	}
}

// markOne marks from outside of the lock; false when nothing counts any more.
func (k *keys) markOne(offset int64) bool {
	k.p.mu.Lock()
	defer k.p.unlock()
	if k.over {
		return false
	}
	k.mark(offset)
	if k.full { // it may have waited for this
		k.p.enlist(k)
	}
	return true
}

// state is what may be committed now.
func (k *keys) state() (position, string) {
	k.p.mu.Lock()
	defer k.p.unlock()
	return k.committable()
}
