package engine

import "sync"

// queue holds the slabs that wait for an assignment's worker. Its lock is taken once per slab, never per record.
type queue struct {
	mu      sync.Mutex
	slabs   []*slab
	records int
	bytes   int64
	closed  bool
}

// push adds a slab, and returns false when the queue is closed.
func (q *queue) push(s *slab) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.slabs = append(q.slabs, s)
	q.records += len(s.recs)
	q.bytes += s.bytes
	return true
}

// take removes the oldest slab, nil when there is none.
func (q *queue) take() *slab {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.slabs) == 0 {
		return nil
	}
	s := q.slabs[0]
	q.slabs[0] = nil
	q.slabs = q.slabs[1:]
	if len(q.slabs) == 0 {
		q.slabs = nil // let the backing array go, it moves along otherwise
	}
	q.records -= len(s.recs)
	q.bytes -= s.bytes
	return s
}

// detach frees the fetch responses that queued slabs pin.
func (q *queue) detach() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.slabs {
		q.bytes -= s.bytes
		s.detach(0, 0)
		q.bytes += s.bytes
	}
}

// close drops what is queued and takes nothing more.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, s := range q.slabs {
		s.release()
	}
	q.slabs, q.records, q.bytes = nil, 0, 0
}

func (q *queue) size() (slabs, records int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.slabs), q.records, q.bytes
}
