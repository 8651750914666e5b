package engine

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"
)

// recordSize is what a record costs beside its bytes.
const recordSize = int64(unsafe.Sizeof(kgo.Record{}) + unsafe.Sizeof((*kgo.Record)(nil)))

// slab is the records of one partition in one fetch. The slice is kgo's.
type slab struct {
	recs  []*kgo.Record
	bytes int64
	body  *body
	plain bool    // none of its records is a control record, as far as is known
	reuse bool    // its records go back to the client's pool
	parts []*slab // that its records are of, if it was made of others: they go with it
}

// body is one fetch response. Uncompressed records point into it, so it lives as long as the last of them; it is charged to the
// budget in full until the last slab of it is done.
type body struct {
	budget *budget
	bytes  int64
	slabs  atomic.Int32
}

// smallBody is a size below which cloning a slab to free its response is not worth the copy.
const smallBody = 64 << 10

func measure(recs []*kgo.Record) int64 {
	n, _ := survey(recs)
	return n
}

// survey measures records, and tells whether none is a control record: in one pass, for they are not in the processor's cache yet.
func survey(recs []*kgo.Record) (n int64, plain bool) {
	n, plain = int64(len(recs))*recordSize, true
	for _, r := range recs {
		if r.Attrs.IsControl() {
			plain = false
		}
		n += int64(len(r.Key) + len(r.Value))
		for i := range r.Headers {
			n += int64(len(r.Headers[i].Key) + len(r.Headers[i].Value))
		}
	}
	return n, plain
}

func (s *slab) release() {
	if s.body != nil && s.body.slabs.Add(-1) == 0 {
		s.body.budget.release(s.body.bytes)
	}
	s.body = nil
	for _, part := range s.parts {
		part.release()
	}
	s.parts = nil
	if !s.reuse {
		return
	}
	s.reuse = false
	for _, r := range s.recs {
		r.Recycle()
	}
}

// pinsMore reports whether the slab keeps much more alive than itself.
func (s *slab) pinsMore() bool {
	return s.body != nil && s.body.bytes > smallBody && s.body.bytes > s.bytes+s.bytes/4
}

// detach copies the records from i on, so that the response they came in can go. What it copies is charged by
// itself. Of the records
// between base and i, which are done, only the offsets stay. It is called by whoever owns the slab: the worker, or the
// queue under its lock.
func (s *slab) detach(base, i int) {
	if !s.pinsMore() {
		return
	}
	rest := s.recs[i:]
	own := &body{budget: s.body.budget, bytes: measure(rest)}
	own.slabs.Store(1)
	if !own.budget.tryCharge(own.bytes) {
		return // no memory for a copy: the response stays
	}
	copies := make([]kgo.Record, len(rest))
	buf := make([]byte, 0, own.bytes-int64(len(rest))*recordSize)
	keep := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		at := len(buf)
		buf = append(buf, b...)
		return buf[at:len(buf):len(buf)]
	}
	recs := make([]*kgo.Record, len(rest))
	for j, r := range rest {
		c := &copies[j]
		*c = *r
		c.Key, c.Value = keep(r.Key), keep(r.Value)
		c.Headers = slices.Clone(r.Headers)
		for h := range c.Headers {
			c.Headers[h].Key = strings.Clone(c.Headers[h].Key)
			c.Headers[h].Value = keep(c.Headers[h].Value)
		}
		recs[j] = c
	}
	s.reuse = false // the copies are not the pool's, and some of the originals are still looked at
	s.release()
	// Whoever holds the slab counts from the front, so the length stays.
	all := make([]*kgo.Record, i, i+len(recs))
	for j := base; j < i; j++ {
		r := s.recs[j]
		all[j] = &kgo.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, LeaderEpoch: r.LeaderEpoch}
	}
	all = append(all, recs...)
	s.recs = all
	s.bytes, s.body = own.bytes, own
}

// budget counts the bytes that a group's queues keep alive.
type budget struct {
	mu   sync.Mutex
	used int64
	high int64
	low  int64
	room chan struct{} // not nil while somebody waits; closed when there is room
	peak int64
}

func newBudget(limit int64) *budget { return &budget{high: limit, low: limit / 4 * 3} }

func (b *budget) charge(n int64) {
	b.mu.Lock()
	b.used += n
	b.peak = max(b.peak, b.used)
	b.mu.Unlock()
}

// tryCharge charges for a copy, which lives beside the response it is made of: it may use what the limit leaves to the client, and no
// more.
func (b *budget) tryCharge(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+n > b.high+b.high/3 {
		return false
	}
	b.used += n
	b.peak = max(b.peak, b.used)
	return true
}

func (b *budget) release(n int64) {
	b.mu.Lock()
	b.used -= n
	if b.room != nil && b.used <= b.low {
		close(b.room)
		b.room = nil
	}
	b.mu.Unlock()
}

// plenty reports whether most of the memory is free: what a partition takes of it then is not missed by the others.
func (b *budget) plenty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used <= b.high/4
}

// full returns nil when there is room, else a channel that is closed when there is again.
func (b *budget) full() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used < b.high {
		return nil
	}
	if b.room == nil {
		b.room = make(chan struct{})
	}
	return b.room
}

// cloneRecord copies a record and all that it points to.
func cloneRecord(r *kgo.Record) *kgo.Record {
	c := *r
	c.Key, c.Value = slices.Clone(r.Key), slices.Clone(r.Value)
	c.Headers = slices.Clone(r.Headers)
	for h := range c.Headers {
		c.Headers[h].Key, c.Headers[h].Value = strings.Clone(c.Headers[h].Key), slices.Clone(c.Headers[h].Value)
	}
	return &c
}
