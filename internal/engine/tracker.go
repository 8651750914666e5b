package engine

import (
	"sort"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/offsets"
)

// tracker knows which of an assignment's received records are done, where that is not simply «all up to here»:
// on routes with manual
// offsets. Records are counted by the order in which they were received, never by arithmetic on offsets: compaction, control
// records and aborted transactions leave gaps.
type tracker struct {
	mu     sync.Mutex
	offs   []int64  // offsets received and not yet part of the watermark, ascending
	epochs []int32  // their leader epochs
	done   []uint64 // one bit per entry of offs, counted from bit start
	start  int      // bit of offs[0] in done
	next   int64    // the watermark: the next offset to commit
	epoch  int32
	handed int // how many of offs have been handed to the handler
	frozen bool
	closed bool
}

// position is a point in a partition: the next offset to consume, and the leader epoch of the record before it.
type position struct {
	offset int64
	epoch  int32
}

func newTracker(start position) *tracker {
	return &tracker{next: start.offset, epoch: start.epoch}
}

// receive adds the records of a slab, in offset order.
func (t *tracker) receive(recs []*kgo.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range recs {
		t.add(r.Offset, r.LeaderEpoch)
	}
}

func (t *tracker) add(offset int64, epoch int32) {
	t.offs = append(t.offs, offset)
	t.epochs = append(t.epochs, epoch)
	if need := (t.start + len(t.offs) + 63) / 64; need > len(t.done) {
		t.done = append(t.done, 0)
	}
}

func (t *tracker) bit(i int) (word int, mask uint64) {
	n := t.start + i
	return n / 64, 1 << (n % 64)
}

func (t *tracker) isDone(i int) bool {
	w, m := t.bit(i)
	return t.done[w]&m != 0
}

// mark marks the record at offset, or with through it and everything before it.
func (t *tracker) mark(offset int64, through bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return offsets.ErrRevoked
	}
	i := sort.Search(len(t.offs), func(i int) bool { return t.offs[i] >= offset })
	found := i < len(t.offs) && t.offs[i] == offset
	if through {
		for j := range i {
			w, m := t.bit(j)
			t.done[w] |= m
		}
	}
	if found { // not found: already below the watermark, marking twice is harmless
		w, m := t.bit(i)
		t.done[w] |= m
	}
	t.advance()
	return nil
}

// marked reports whether the record at offset is done.
func (t *tracker) marked(offset int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := sort.Search(len(t.offs), func(i int) bool { return t.offs[i] >= offset })
	if i == len(t.offs) || t.offs[i] != offset {
		return offset < t.next
	}
	return t.isDone(i)
}

// unmark takes marks back from offset on: their outputs were refused and the records will be delivered again.
// The tracker is frozen,
// so none of them has been committed.
func (t *tracker) unmark(offset int64) {
	i := sort.Search(len(t.offs), func(i int) bool { return t.offs[i] >= offset })
	for ; i < len(t.offs); i++ {
		w, m := t.bit(i)
		t.done[w] &^= m
	}
}

// advance moves the watermark over the unbroken run of done records. While frozen it stays, because marks may be taken back.
func (t *tracker) advance() {
	if t.frozen {
		return
	}
	n := 0
	for n < len(t.offs) && t.isDone(n) {
		n++
	}
	if n == 0 {
		return
	}
	t.next, t.epoch = t.offs[n-1]+1, t.epochs[n-1]
	t.offs, t.epochs = t.offs[n:], t.epochs[n:]
	t.handed = max(t.handed-n, 0)
	t.start += n
	if words := t.start / 64; words > 0 {
		t.done = t.done[words:]
		t.start %= 64
	}
}

// watermark is the next offset to commit.
func (t *tracker) watermark() position {
	t.mu.Lock()
	defer t.mu.Unlock()
	return position{t.next, t.epoch}
}

// open is how many records were handed over and are at or above the watermark.
func (t *tracker) open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.handed
}

// handOver notes that the record at offset has been handed to the handler.
func (t *tracker) handOver(offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := sort.Search(len(t.offs), func(i int) bool { return t.offs[i] > offset })
	t.handed = max(t.handed, i)
}

// freeze holds the watermark while outputs are under way; thaw lets it go on.
func (t *tracker) freeze() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.frozen = true
}

// thaw ends freeze. With refused ≥ 0 the marks from that offset on are taken back first.
func (t *tracker) thaw(refused int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if refused >= 0 {
		t.unmark(refused)
	}
	t.frozen = false
	t.advance()
}

// seal ends the tracker: later marks return ErrRevoked. It returns what may be committed.
func (t *tracker) seal() position {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	return position{t.next, t.epoch}
}
