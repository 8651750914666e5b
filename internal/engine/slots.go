package engine

// slots are the keys of open records, by hash: open addressing with linear probing. That two keys have one hash merges their orders, and
// does no harm.
type slots struct {
	all  []slot
	used int
}

type slot struct {
	hash       uint64
	head, tail int32
	taken      bool
}

const leastSlots = 64

// find returns the slot of a hash, an empty one when it has none. It is valid until the next call.
func (t *slots) find(hash uint64) *slot {
	if 2*(t.used+1) > len(t.all) {
		t.grow()
	}
	for i := hash & uint64(len(t.all)-1); ; i = (i + 1) & uint64(len(t.all)-1) {
		s := &t.all[i]
		if !s.taken {
			*s = slot{hash: hash, head: none, tail: none, taken: true}
			t.used++
			return s
		}
		if s.hash == hash {
			return s
		}
	}
}

func (t *slots) grow() {
	old := t.all
	t.all, t.used = make([]slot, max(2*len(old), leastSlots)), 0
	for _, s := range old {
		if s.taken {
			*t.find(s.hash) = s
		}
	}
}

// remove forgets a hash, and moves up what collided with it.
func (t *slots) remove(hash uint64) {
	mask := uint64(len(t.all) - 1)
	i := hash & mask
	for !t.all[i].taken || t.all[i].hash != hash {
		i = (i + 1) & mask
	}
	t.used--
	for j := i; ; {
		t.all[i].taken = false
		for {
			j = (j + 1) & mask
			if !t.all[j].taken {
				return
			}
			if home := t.all[j].hash & mask; (j-home)&mask >= (j-i)&mask {
				break
			}
		}
		t.all[i] = t.all[j]
		i = j
	}
}

// ring is a queue of nodes that can be given back.
type ring struct {
	buf  []int32
	head int
	n    int
}

func (r *ring) len() int { return r.n }

// at is the node that is popped after n others.
func (r *ring) at(n int) int32 { return r.buf[(r.head+n)%len(r.buf)] }

func (r *ring) grow() {
	if r.n < len(r.buf) {
		return
	}
	next := make([]int32, max(2*len(r.buf), leastSlots))
	for i := range r.n {
		next[i] = r.buf[(r.head+i)%len(r.buf)]
	}
	r.buf, r.head = next, 0
}

func (r *ring) push(i int32) {
	r.grow()
	r.buf[(r.head+r.n)%len(r.buf)] = i
	r.n++
}

func (r *ring) unshift(i int32) {
	r.grow()
	r.head = (r.head + len(r.buf) - 1) % len(r.buf)
	r.buf[r.head] = i
	r.n++
}

func (r *ring) pop() int32 {
	i := r.buf[r.head]
	r.head = (r.head + 1) % len(r.buf)
	r.n--
	return i
}
