package engine

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// tick is how exact the clock is. Durations are summed from real clock readings at the ends of a run; the tick only
// decides which records took long enough to be told apart.
const tick = time.Millisecond

// clock is a millisecond clock that costs one atomic load to read. A reading of the real clock per record would
// cost as much as all of
// the engine's other work on it. It ticks only while handlers run: an idle process must not wake up a thousand times a
// second.
type clock struct {
	base   time.Time
	now    atomic.Int64 // nanoseconds since base
	active atomic.Int32
	mu     sync.Mutex
	pools  []*pool // to be looked at with every tick
	wake   chan struct{}
	quit   chan struct{}
	done   chan struct{}
}

func newClock() *clock {
	return &clock{base: time.Now(), wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
}

// enter starts a run and returns the real time.
func (c *clock) enter() int64 {
	if c.active.Add(1) == 1 {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	return c.read()
}

// leave ends a run and returns the real time.
func (c *clock) leave() int64 {
	c.active.Add(-1)
	return c.read()
}

// read returns the real time and lets coarse readers have it too.
func (c *clock) read() int64 {
	n := int64(time.Since(c.base))
	c.now.Store(n)
	return n
}

func (c *clock) run() {
	defer close(c.done)
	for {
		select {
		case <-c.wake:
		case <-c.quit:
			return
		}
		if c.beat() {
			return
		}
	}
}

// beat ticks until no run is left; it reports whether the clock was stopped.
func (c *clock) beat() bool {
	t := time.NewTicker(tick)
	defer t.Stop()
	for c.active.Load() > 0 {
		select {
		case <-t.C:
			now := c.read()
			for _, p := range c.watched() {
				p.tick(now)
			}
		case <-c.quit:
			return true
		}
	}
	return false
}

// watch lets every tick look at a pool.
func (c *clock) watch(p *pool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pools = append(slices.Clip(c.pools), p)
}

func (c *clock) watched() []*pool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pools
}

func (c *clock) stop() {
	close(c.quit)
	<-c.done
}
