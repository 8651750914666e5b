package engine

// heads are the records that are the next of their keys, by the hash of the key: chains through the nodes themselves. That two keys have
// one hash merges their orders, and does no harm.
type heads struct {
	chains []int32 // the first of each; as many as a power of two
	used   int
}

const leastSlots = 64

// find returns the head of a hash, none when it has none.
func (h *heads) find(nodes []node, hash uint64) int32 {
	if len(h.chains) == 0 {
		return none
	}
	i := h.chains[hash&uint64(len(h.chains)-1)]
	for i != none && nodes[i].hash != hash {
		i = nodes[i].chain
	}
	return i
}

// add makes a node the head of its hash, which has none.
func (h *heads) add(nodes []node, i int32) {
	if h.used == len(h.chains) {
		h.grow(nodes)
	}
	h.used++
	h.chain(nodes, i)
	nodes[i].tail = i
}

func (h *heads) chain(nodes []node, i int32) {
	at := &h.chains[nodes[i].hash&uint64(len(h.chains)-1)]
	nodes[i].chain, *at = *at, i
}

func (h *heads) grow(nodes []node) {
	old := h.chains
	h.chains = make([]int32, max(2*len(old), leastSlots))
	for i := range h.chains {
		h.chains[i] = none
	}
	for _, i := range old {
		for i != none {
			next := nodes[i].chain
			h.chain(nodes, i)
			i = next
		}
	}
}

// drop puts what is behind a head in its place.
func (h *heads) drop(nodes []node, i int32) {
	at := &h.chains[nodes[i].hash&uint64(len(h.chains)-1)]
	for *at != i {
		at = &nodes[*at].chain
	}
	next := nodes[i].behind
	if next == none {
		*at = nodes[i].chain
		h.used--
		return
	}
	*at = next
	nodes[next].chain, nodes[next].tail = nodes[i].chain, nodes[i].tail
}

// ring is a queue whose head can be given back.
type ring[T any] struct {
	buf  []T // as many as a power of two
	head int
	n    int
}

func (r *ring[T]) len() int { return r.n }

// at is what is popped after n others.
func (r *ring[T]) at(n int) T { return r.buf[(r.head+n)&(len(r.buf)-1)] }

func (r *ring[T]) grow() {
	if r.n < len(r.buf) {
		return
	}
	next := make([]T, max(2*len(r.buf), leastSlots))
	for i := range r.n {
		next[i] = r.at(i)
	}
	r.buf, r.head = next, 0
}

func (r *ring[T]) push(v T) {
	r.grow()
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = v
	r.n++
}

func (r *ring[T]) unshift(v T) {
	r.grow()
	r.head = (r.head + len(r.buf) - 1) & (len(r.buf) - 1)
	r.buf[r.head] = v
	r.n++
}

func (r *ring[T]) pop() (v T) {
	at := &r.buf[r.head]
	v, *at = *at, v
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	return v
}
