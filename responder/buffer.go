package responder

import (
	"context"
	"errors"
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

	mu      sync.Mutex
	held    []Record
	timer   *time.Timer
	sending sync.WaitGroup
	failed  []error
	closed  bool
}

// BufferOptions say when a [Buffer] sends.
type BufferOptions struct {
	// Threshold is how many records are sent without waiting for more. Defaults to 1,000.
	Threshold int
	// Interval is how long a record waits at most. Defaults to 0, for ever: until the threshold or Flush.
	Interval time.Duration
	// OnError is told of every record that was sent by threshold or interval and failed. Defaults to nil: the next Flush returns their
	// errors, up to 1,000 of them.
	OnError func(err *SendError)
}

const (
	defaultThreshold = 1000
	mostErrors       = 1000
)

// Buffer makes a buffer. It is flushed with the Producer: when a program stops, nothing that was added is left behind.
func (p *Producer) Buffer(opts BufferOptions) *Buffer {
	if opts.Threshold <= 0 {
		opts.Threshold = defaultThreshold
	}
	b := &Buffer{p: p, opts: opts}
	p.mu.Lock()
	p.buffers[b] = struct{}{}
	p.mu.Unlock()
	return b
}

// Add holds records. When that makes enough of them, all are sent, and Add waits only for room in the Producer. It fails with
// [ErrProducerClosed] after Close, and with the error of a record that does not encode; none of the records is held then.
func (b *Buffer) Add(recs ...Record) error {
	for _, r := range recs {
		if r.err != nil {
			return &SendError{Topic: r.rec.Topic, Key: r.rec.Key, Err: r.err}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.p.closed.Load() {
		return ErrProducerClosed
	}
	b.held = append(b.held, recs...)
	if len(b.held) >= b.opts.Threshold {
		b.send()
		return nil
	}
	if b.opts.Interval > 0 && b.timer == nil && len(b.held) > 0 {
		b.timer = time.AfterFunc(b.opts.Interval, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.send()
		})
	}
	return nil
}

// send sends what is held. It is called with the lock held, which keeps the order.
func (b *Buffer) send() {
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	held := b.held
	b.held = nil
	b.sending.Add(len(held))
	for _, r := range held {
		b.p.produce(context.Background(), b.p.client, r, func(_ *kgo.Record, err error) {
			if err != nil {
				go b.fail(err) // promises may be called while the lock is held
				return
			}
			b.sending.Done()
		})
	}
}

func (b *Buffer) fail(err error) {
	defer b.sending.Done()
	if failed := (*SendError)(nil); b.opts.OnError != nil && errors.As(err, &failed) {
		b.opts.OnError(failed)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.failed) < mostErrors {
		b.failed = append(b.failed, err)
	}
}

// Flush sends what is held, and returns when all that the buffer has sent is acknowledged or has failed, or ctx has ended. Its error joins
// a [SendError] for each record that failed since the last Flush, unless OnError was told.
func (b *Buffer) Flush(ctx context.Context) error {
	b.mu.Lock()
	b.send()
	b.mu.Unlock()
	done := make(chan struct{})
	go func() {
		b.sending.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	err := errors.Join(b.failed...)
	b.failed = nil
	return err
}

// Discard forgets what is held and was not sent, and returns how many records that were.
func (b *Buffer) Discard() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.held)
	b.held = nil
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	return n
}

// Close flushes, and ends the buffer.
func (b *Buffer) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	err := b.Flush(ctx)
	b.p.mu.Lock()
	delete(b.p.buffers, b)
	b.p.mu.Unlock()
	return err
}
