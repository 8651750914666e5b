package engine

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// wait is a record with outputs.
type wait struct {
	from    *kgo.Record // nothing from here on is done while it waits: the record, or the first of its batch
	source  int64       // the record that the outputs are of
	attempt int32
	pending int32
	topic   string // of the last of them
	refused *outputError
	p       *pipeline

	keep func(*kgo.Record, error) // its promise, which stays when it is used for another record
}

// waits are the waits of a pipeline in the order sent. There is one for every record, so they are used again, one after the other: a
// closure for each promise, or a list of free ones in the order of the answers, costs more than all else that a pipeline does. A wait
// leaves at the front only, when nothing of it is pending, so that no answer comes to one that is used for another record.
type waits struct {
	head, tail  *block
	first, last int // of head, and behind the last of tail
	n           int
}

const blockWaits = 128

type block struct {
	waits [blockWaits]wait
	next  *block
}

// blocks are those that no pipeline uses now.
//
//nolint:gochecknoglobals // a pool
var blocks = sync.Pool{New: func() any { return &block{} }}

func (q *waits) front() *wait { return &q.head.waits[q.first] }
func (q *waits) back() *wait  { return &q.tail.waits[q.last-1] }

// push makes room for a record at the end.
func (q *waits) push() *wait {
	switch {
	case q.tail == nil:
		q.head = blocks.Get().(*block) //nolint:forcetypeassert // nothing else is in it
		q.tail, q.first, q.last = q.head, 0, 0
	case q.last == blockWaits:
		q.tail.next = blocks.Get().(*block) //nolint:forcetypeassert // as above
		q.tail, q.last = q.tail.next, 0
	}
	q.n++
	q.last++
	return q.back()
}

// pop takes the front away.
func (q *waits) pop() {
	w := q.front()
	w.p, w.from, w.refused = nil, nil, nil
	q.n--
	q.first++
	switch {
	case q.n == 0 && q.head == q.tail: // from the start of the same block, which is in the processor's cache
		q.first, q.last = 0, 0
	case q.first == blockWaits:
		b := q.head
		q.head, q.first, b.next = b.next, 0, nil
		blocks.Put(b)
	}
}

// promise is what the producer calls with the answer to an output of the record.
func (w *wait) promise() func(*kgo.Record, error) {
	if w.keep == nil {
		w.keep = func(out *kgo.Record, err error) { w.p.answered(w, out.Topic, err) }
	}
	return w.keep
}
