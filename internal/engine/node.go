package engine

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// none ends lists of nodes.
const none = int32(-1)

// What becomes of a node, in this order.
type nodeState uint8

const (
	nodeWaits   nodeState = iota // for others of its key
	nodeReady                    // for a lane
	nodeRuns                     // in a lane
	nodeParked                   // it failed, and waits for its next attempt
	nodeHandled                  // by hand: for its mark
)

// node is a record that is not done.
type node struct {
	rec    *kgo.Record
	lot    *lot
	hash   uint64
	seq    uint64   // in the order received
	before position // where the partition stands when all before it is done
	offset int64
	prev   int32 // of the open ones, in the order received
	next   int32
	behind int32 // the next of the same key
	chain  int32 // in heads: of the next key
	tail   int32 // of a head: the last of the same key
	state  nodeState
	marked bool
	past   *past // nil for most
}

// past is what a record has behind it that was not done at once.
type past struct {
	fail   *failure // of its last attempt
	tries  int      // attempts that it has had
	copied int64    // bytes of its own
	timer  *time.Timer
	alone  bool // it failed in a batch, and is not to be in one
}

// was is a node's past, to be written.
func (n *node) was() *past {
	if n.past == nil {
		n.past = &past{}
	}
	return n.past
}

// lot is a slab whose records are handed over one by one: it is done when all of them are.
type lot struct {
	slab *slab
	left int // records that point into it, and one while it is read
}

func (l *lot) drop() {
	if l == nil {
		return
	}
	l.left--
	if l.left == 0 {
		l.done()
	}
}

func (l *lot) done() {
	l.slab.release()
	l.slab = nil // lots that are done stay on the list for a while
}

// take finds a free node.
func (k *keys) take() int32 {
	if k.free == none {
		k.nodes = append(k.nodes, node{})
		return int32(len(k.nodes) - 1)
	}
	i := k.free
	k.free = k.nodes[i].next
	return i
}

// clone copies the record of a node that waits for long, so that the fetch response it came in can go.
func (k *keys) clone(i int32) {
	n := &k.nodes[i]
	if n.lot == nil || n.state == nodeRuns {
		return
	}
	n.rec = cloneRecord(n.rec)
	n.was().copied = measure([]*kgo.Record{n.rec})
	k.a.r.budget.charge(n.past.copied)
	n.lot.drop()
	n.lot = nil
}

// drop lets go of what a node holds.
func (n *node) drop(b *budget) {
	if n.past != nil {
		if n.past.timer != nil {
			n.past.timer.Stop()
		}
		b.release(n.past.copied)
		n.past = nil
	}
	n.lot.drop()
	n.lot, n.rec = nil, nil
}

// unpin copies what is left of old slabs of which most is done.
func (k *keys) unpin() {
	const keep = 4
	for len(k.lots) > 0 && k.lots[0].left == 0 {
		k.lots = k.lots[1:]
	}
	if len(k.lots) <= keep {
		return
	}
	old := k.lots[0]
	for i := k.first; i != none && k.nodes[i].lot == nil || i != none && k.nodes[i].lot == old; i = k.nodes[i].next {
		k.clone(i)
	}
	k.lots = k.lots[1:] // what runs keeps it, and nothing else
}

// finish counts a node as done, and lets the next of its key go.
func (k *keys) finish(i int32) {
	n := &k.nodes[i]
	k.release(i)
	if k.byOffset != nil && !n.marked {
		n.state = nodeHandled
		return
	}
	k.unlink(i)
}

// release lets the next of a node's key go, and lets go of its record.
func (k *keys) release(i int32) {
	n := &k.nodes[i]
	if n.past != nil {
		if n.past.fail != nil {
			k.parked--
		}
		n.drop(k.a.r.budget)
	}
	n.lot.drop()
	n.lot, n.rec = nil, nil
	if k.p.key == nil {
		return
	}
	k.heads.drop(k.nodes, i)
	if n.behind == none || k.nodes[n.behind].state != nodeWaits { // in the same batch, and has its turn there
		return
	}
	k.nodes[n.behind].state = nodeReady
	k.ready.push(n.behind)
}

// unlink takes a node out of the open ones.
func (k *keys) unlink(i int32) {
	n := &k.nodes[i]
	after, before := n.prev != none && k.nodes[n.prev].seq+1 == n.seq, n.next != none && k.nodes[n.next].seq == n.seq+1
	switch {
	case after && before:
		k.holes++
	case !after && !before:
		k.holes--
	}
	if n.prev == none {
		k.first = n.next
	} else {
		k.nodes[n.prev].next = n.next
	}
	if n.next == none {
		k.last = n.prev
	} else {
		k.nodes[n.next].prev = n.prev
	}
	if k.byOffset != nil {
		delete(k.byOffset, n.offset)
	}
	n.next, k.free = k.free, i
	k.open--
}
