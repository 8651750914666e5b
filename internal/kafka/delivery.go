package kafka

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/room"
)

// delivery bounds how long records are under way, by contexts that many share. The client's own bound counts from the time that a record
// says: one with the time of an old event would fail at once, and with it all that go to its partition.
type delivery struct {
	timeout time.Duration

	newest atomic.Pointer[deadline]
	mu     sync.Mutex
}

// deadline is that of records which were sent within a short time.
type deadline struct {
	ctx   context.Context //nolint:containedctx // it is what they share
	until time.Time
	end   context.CancelFunc
}

// timed is a context that says why it has ended.
type timed struct{ context.Context } //nolint:containedctx // it is one itself

// Err implements context.Context.
func (t timed) Err() error { return context.Cause(t.Context) }

// sharedBy is the part of the timeout within which records share a deadline, and by which it may be late.
const sharedBy = 16

func newDelivery(timeout time.Duration) *delivery { return &delivery{timeout: timeout} }

// unbounded switches the client's own bound off.
func unbounded() kgo.Opt { return kgo.RecordDeliveryTimeout(0) }

type produceFunc func(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error))

// produce sends a record that fails with kgo.ErrRecordTimeout when it is under way for too long.
func (d *delivery) produce(ctx context.Context, send produceFunc, r *kgo.Record, promise func(*kgo.Record, error)) {
	by := d.from(r)
	if wait, ok := ctx.(*room.Context); ok { // whose Done is not to be asked for: nobody waits yet
		wait.Then = by
		send(wait, r, promise) // its maker leaves
		return
	}
	if ctx.Done() == nil {
		send(by, r, promise)
		return
	}
	wait := &room.Context{Context: ctx, Then: by}
	send(wait, r, promise)
	wait.Leave()
}

// from is the context of a record that is sent now. A record that says no time gets this one, as it would from the client.
func (d *delivery) from(r *kgo.Record) context.Context {
	now := time.Now()
	if r.Timestamp.IsZero() {
		r.Timestamp = now
	}
	if by := d.newest.Load(); by != nil && now.Before(by.until) {
		return by.ctx
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if by := d.newest.Load(); by != nil && now.Before(by.until) {
		return by.ctx
	}
	span := d.timeout / sharedBy
	ctx, end := context.WithTimeoutCause(context.Background(), d.timeout+span, kgo.ErrRecordTimeout)
	by := &deadline{timed{ctx}, now.Add(span), end}
	d.newest.Store(by)
	return by.ctx
}

// close is called when the client is closed. Earlier deadlines end by themselves.
func (d *delivery) close() {
	if by := d.newest.Load(); by != nil {
		by.end()
	}
}
