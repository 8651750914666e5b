package responder

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Buffer collects records and sends them together: when there are enough, when the oldest has waited long enough, and on Flush. Until then
// they can be discarded. It is for what is worth sending only as a whole, or not at once; to have many small records share requests, the
// Producer's linger is enough.
type Buffer struct {
	p    *Producer
	opts BufferOptions

	pending pending       // sent, and nobody was told
	turn    chan struct{} // taken by who sends, which keeps the order

	mu      sync.Mutex
	held    []Record
	timer   *time.Timer
	failed  []error
	untold  []untold
	telling bool
	closed  bool
}

// untold is a failure for OnError.
type untold struct {
	err   *SendError
	under *generation
}

// BufferOptions say when a [Buffer] sends.
type BufferOptions struct {
	// Threshold is how many records are sent without waiting for more. Defaults to 1,000.
	Threshold int
	// Interval is how long a record waits at most. Defaults to 0, for ever: until the threshold or Flush.
	Interval time.Duration
	// OnError is told of every record that failed, one after the other, by a goroutine of its own. It may send, and must not flush: what it
	// is about to be told counts as under way. Defaults to nil: the next Flush returns the errors, up to 1,000 of them.
	OnError func(err *SendError)
}

const (
	defaultThreshold = 1000
	mostErrors       = 1000
)

// Buffer makes a buffer. It is flushed with the Producer: when a program stops, nothing that was added is left behind. Close it when the
// program goes on without it.
func (p *Producer) Buffer(opts BufferOptions) *Buffer {
	if opts.Threshold <= 0 {
		opts.Threshold = defaultThreshold
	}
	b := &Buffer{p: p, opts: opts, turn: make(chan struct{}, 1)}
	p.mu.Lock()
	p.buffers[b] = struct{}{}
	p.mu.Unlock()
	return b
}

// Add holds records. When that makes enough of them, all are sent, and Add waits only for room in the client's buffer (with
// producer.on_full fail, those that find none fail with [ErrBufferFull]). It fails with [ErrProducerClosed] after Close, and with the
// error of a record that does not encode; none of the records is held then.
func (b *Buffer) Add(recs ...Record) error {
	for _, r := range recs {
		if r.err != nil {
			return r.failed(r.err)
		}
	}
	b.mu.Lock()
	if b.closed || b.p.closed.Load() {
		b.mu.Unlock()
		return ErrProducerClosed
	}
	b.held = append(b.held, recs...)
	if len(b.held) < b.opts.Threshold {
		b.wind()
		b.mu.Unlock()
		return nil
	}
	b.mu.Unlock()
	return b.send(context.Background())
}

// wind sets the timer, if there is something to wait for. It is called with the lock held.
func (b *Buffer) wind() {
	if b.opts.Interval > 0 && b.timer == nil && len(b.held) > 0 {
		b.timer = time.AfterFunc(b.opts.Interval, func() { _ = b.send(context.Background()) })
	}
}

// take returns what is held. It is called with the lock held.
func (b *Buffer) take() []Record {
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	held := b.held
	b.held = nil
	return held
}

// send sends what is held. When ctx ends while the client's buffer is full, the rest is held again. It is called without the lock: who
// waits for room holds up only those who want to send, too.
func (b *Buffer) send(ctx context.Context) error {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-b.turn }()
	b.mu.Lock()
	held := b.take()
	b.mu.Unlock()
	for i, r := range held {
		if ctx.Err() != nil {
			b.mu.Lock()
			b.held = append(held[i:len(held):len(held)], b.held...)
			b.wind()
			b.mu.Unlock()
			return context.Cause(ctx)
		}
		under := b.pending.begin()
		// Also when the Producer was closed meanwhile: Close waits for what was added before.
		f := &flight{p: b.p, r: r, under: b.p.pending.begin(), then: func(_ *kgo.Record, err error) {
			if failed := (*SendError)(nil); errors.As(err, &failed) {
				b.fail(failed, under)
				return
			}
			b.pending.end(under)
		}}
		f.submitted(ctx)
	}
	return nil
}

func (b *Buffer) fail(err *SendError, under *generation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opts.OnError == nil {
		if len(b.failed) < mostErrors {
			b.failed = append(b.failed, err)
		}
		b.pending.end(under)
		return
	}
	b.untold = append(b.untold, untold{err, under})
	if !b.telling { // not here: the client waits for promises, and OnError may wait for the client
		b.telling = true
		go b.tell()
	}
}

// tell ends when everything is told.
func (b *Buffer) tell() {
	for {
		b.mu.Lock()
		all := b.untold
		b.untold = nil
		b.telling = len(all) > 0
		b.mu.Unlock()
		if len(all) == 0 {
			return
		}
		for _, u := range all {
			b.opts.OnError(u.err)
			b.pending.end(u.under)
		}
	}
}

// Flush sends what is held, and returns when all that the buffer has sent is acknowledged or has failed, or ctx has ended. Its error joins
// a [SendError] for each record that failed since the last Flush, unless OnError was told. When ctx ends before, what was not sent stays
// held.
func (b *Buffer) Flush(ctx context.Context) error {
	err := b.send(ctx)
	if err == nil {
		err = b.p.await(ctx, &b.pending)
	}
	if err != nil {
		return fmt.Errorf("flush buffer: %w", err)
	}
	_, err = b.settle(ctx)
	return err
}

// settle waits until failures are told, and returns those for which there is nobody to tell, and how many records are held all the same.
func (b *Buffer) settle(ctx context.Context) (held int, err error) {
	_ = b.pending.wait(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	err = join(b.failed)
	b.failed = nil
	return len(b.held), err
}

// Discard forgets what is held and was not sent, and returns how many records that were.
func (b *Buffer) Discard() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.take())
}

// Close flushes, and ends the buffer. What ctx gave no time for is left to the Producer.
func (b *Buffer) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	err := b.Flush(ctx)
	if ctx.Err() != nil {
		return err
	}
	b.p.mu.Lock()
	delete(b.p.buffers, b)
	b.p.mu.Unlock()
	return err
}
