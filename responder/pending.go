package responder

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// pending counts records under way, in generations: who waits, waits for those that were sent before, however many are sent meanwhile.
// Records take no lock: they come from many goroutines and end in one of the client's, which would wait for each other.
type pending struct {
	all    atomic.Int64
	newest atomic.Pointer[generation] // takes what is sent now

	mu     sync.Mutex
	waited []*generation // somebody waits for them
}

type generation struct {
	n       atomic.Int64
	retired atomic.Bool // somebody waits for it; who had it in hand before may still add to it
	done    chan struct{}
	over    bool // under the lock of pending
}

// begin counts a record. It ends with end.
func (p *pending) begin() *generation {
	p.all.Add(1)
	for {
		g := p.newest.Load()
		if g == nil {
			p.newest.CompareAndSwap(nil, &generation{done: make(chan struct{})})
			continue
		}
		g.n.Add(1)
		if !g.retired.Load() {
			return g
		}
		p.leave(g) // it may be over already
	}
}

func (p *pending) end(g *generation) {
	p.leave(g)
	p.all.Add(-1)
}

func (p *pending) leave(g *generation) {
	if g.n.Add(-1) == 0 && g.retired.Load() {
		p.mu.Lock()
		p.finish(g)
		p.mu.Unlock()
	}
}

// finish ends a generation of which nothing is under way. It is called with the lock held.
func (p *pending) finish(g *generation) {
	if g.over {
		return // who came late has waited for nobody
	}
	g.over = true
	close(g.done)
	p.waited = slices.DeleteFunc(p.waited, func(w *generation) bool { return w == g })
}

func (p *pending) count() int { return int(p.all.Load()) }

// wait returns when all that has begun before has ended, or with the cause when ctx has.
func (p *pending) wait(ctx context.Context) error {
	p.mu.Lock()
	if g := p.newest.Load(); g != nil && g.n.Load() > 0 {
		p.waited = append(p.waited, g)
		p.newest.CompareAndSwap(g, nil)
		g.retired.Store(true)
		if g.n.Load() == 0 { // its last has ended between, and did not know
			p.finish(g)
		}
	}
	before := slices.Clone(p.waited)
	p.mu.Unlock()
	for _, g := range before {
		select {
		case <-g.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
