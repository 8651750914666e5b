package responder

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Future is a record under way.
type Future struct {
	rec  *kgo.Record
	err  error
	over atomic.Bool // rec and err are there

	asked atomic.Bool // somebody waits, or did
	mu    sync.Mutex
	done  chan struct{} // made when somebody asks first
	ended bool          // it is closed
}

func (f *Future) resolve(rec *kgo.Record, err error) {
	f.rec, f.err = rec, err
	f.over.Store(true)
	if f.asked.Load() { // who asks from now on sees that it is over
		f.mu.Lock()
		f.end()
		f.mu.Unlock()
	}
}

// end is called with the lock held.
func (f *Future) end() {
	if f.done != nil && !f.ended {
		f.ended = true
		close(f.done)
	}
}

// Done is closed when the record is acknowledged or has failed.
func (f *Future) Done() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done == nil {
		f.done = make(chan struct{})
	}
	f.asked.Store(true)
	if f.over.Load() {
		f.end()
	}
	return f.done
}

// Wait returns when the record is acknowledged or has failed, with the record as the broker has it, partition and offset included, or a
// [SendError]. When ctx ends before, it returns its error, and the record stays under way.
func (f *Future) Wait(ctx context.Context) (*kgo.Record, error) {
	switch {
	case !f.wait(ctx):
		return nil, context.Cause(ctx)
	case f.err != nil:
		return nil, f.err
	default:
		return f.rec, nil
	}
}

// wait reports whether it is known what became of the record.
func (f *Future) wait(ctx context.Context) bool {
	if f.over.Load() {
		return true
	}
	select {
	case <-f.Done():
		return true
	case <-ctx.Done():
		return f.over.Load()
	}
}
