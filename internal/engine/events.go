package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/karafgo/karafgo/callbacks"
)

// listenerQueue is how many events may wait for a slow listener.
const listenerQueue = 1024

// hookTimeout bounds a hook.
const hookTimeout = 5 * time.Second

// feed is one listener with its queue: a slow listener misses events, and never holds up consuming.
type feed struct {
	listener callbacks.Listener
	events   chan callbacks.Event
	dropped  atomic.Int64
	quit     chan struct{}
	done     chan struct{}
}

func newFeed(l callbacks.Listener) *feed {
	return &feed{listener: l, events: make(chan callbacks.Event, listenerQueue), quit: make(chan struct{}), done: make(chan struct{})}
}

func (f *feed) offer(e callbacks.Event) {
	select {
	case f.events <- e:
	default:
		f.dropped.Add(1)
	}
}

func (f *feed) run(ctx context.Context) {
	defer close(f.done)
	for {
		select {
		case e := <-f.events:
			f.pass(ctx, e)
		case <-f.quit:
			for { // what was queued before the stop is still told
				select {
				case e := <-f.events:
					f.pass(ctx, e)
				default:
					return
				}
			}
		}
	}
}

func (f *feed) pass(ctx context.Context, e callbacks.Event) {
	defer func() { _ = recover() }() // a listener's panic is its own: there is nobody to tell but listeners
	if n := f.dropped.Swap(0); n > 0 {
		f.listener.OnEvent(ctx, callbacks.Dropped{Events: n})
	}
	f.listener.OnEvent(ctx, e)
}

// emit tells everybody. Inline listeners are the framework's own (metrics, log, health) and fast.
func (e *Engine) emit(ev callbacks.Event) {
	for _, l := range e.settings.Inline {
		l.OnEvent(e.base, ev)
	}
	for _, f := range e.feeds {
		f.offer(ev)
	}
}

// Tell tells everybody of what happened outside of the engine.
func (e *Engine) Tell(ev callbacks.Event) { e.emit(ev) }

func (r *runner) emit(ev callbacks.Event) { r.e.emit(ev) }

// hook runs user code that takes part in the life of a group: bounded in time, its panic contained.
func (r *runner) hook(name string, fn func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(r.e.base, hookTimeout)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		returned := false
		defer func() {
			if p := recover(); p != nil {
				result <- fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			} else if !returned {
				result <- fmt.Errorf("hook called runtime.Goexit")
			}
		}()
		err := fn(ctx)
		returned = true
		result <- err
	}()
	var err error
	select {
	case err = <-result:
	case <-ctx.Done():
		select {
		case err = <-result:
		default:
			err = fmt.Errorf("did not return within %s and is left behind", hookTimeout)
		}
	}
	if err != nil {
		r.emit(callbacks.HookFailed{Group: r.id, Hook: name, Err: err})
	}
}

// hooks calls one hook of everybody who has it.
func (r *runner) hooks(name string, pick func(callbacks.Hooks) func(ctx context.Context) error) {
	for _, h := range r.e.settings.Hooks {
		if fn := pick(h); fn != nil {
			r.hook(name, fn)
		}
	}
}

// groupHook adapts hooks that take only the group.
func (r *runner) groupHook(name string, pick func(callbacks.Hooks) func(ctx context.Context, group string) error) {
	r.hooks(name, func(h callbacks.Hooks) func(context.Context) error {
		fn := pick(h)
		if fn == nil {
			return nil
		}
		return func(ctx context.Context) error { return fn(ctx, r.id) }
	})
}

// partitionsHook adapts hooks about partitions.
func (r *runner) partitionsHook(name string, p callbacks.Partitions,
	pick func(callbacks.Hooks) partitionsFunc,
) {
	r.hooks(name, func(h callbacks.Hooks) func(context.Context) error {
		fn := pick(h)
		if fn == nil {
			return nil
		}
		return func(ctx context.Context) error { return fn(ctx, r.id, p) }
	})
}

// rate lets one report through in a while and counts the others.
type rate struct {
	mu    sync.Mutex
	every time.Duration
	seen  map[string]*reported
}

type reported struct {
	at    time.Time
	count int
}

func newRate(every time.Duration) *rate { return &rate{every: every, seen: map[string]*reported{}} }

// allow returns how many reports of this key the present one stands for, 0 when it should be swallowed.
func (l *rate) allow(key string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	p := l.seen[key]
	if p == nil {
		l.seen[key] = &reported{at: now}
		return 1
	}
	p.count++
	if now.Sub(p.at) < l.every {
		return 0
	}
	n := p.count
	p.at, p.count = now, 0
	return n
}
