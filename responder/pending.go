package responder

import (
	"context"
	"slices"
	"sync"
)

// pending counts records under way, in generations: who waits, waits for those that were sent before, however many are sent meanwhile.
type pending struct {
	mu     sync.Mutex
	all    int
	newest *generation   // takes what is sent now
	waited []*generation // somebody waits for them, and they take nothing any more
}

type generation struct {
	n    int
	done chan struct{} // made by who waits
}

// begin counts a record. It ends with end.
func (p *pending) begin() *generation {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.newest == nil {
		p.newest = &generation{}
	}
	p.newest.n++
	p.all++
	return p.newest
}

func (p *pending) end(g *generation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.n--
	p.all--
	if g.n == 0 && g.done != nil {
		close(g.done)
		p.waited = slices.DeleteFunc(p.waited, func(w *generation) bool { return w == g })
	}
}

func (p *pending) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all
}

// wait returns when all that has begun before has ended, or with the cause when ctx has.
func (p *pending) wait(ctx context.Context) error {
	p.mu.Lock()
	if p.newest != nil && p.newest.n > 0 {
		p.newest.done = make(chan struct{})
		p.waited = append(p.waited, p.newest)
		p.newest = nil
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
