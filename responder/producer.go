package responder

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Producer writes records from anywhere in a program: where nothing is consumed, from an HTTP handler, on a schedule. In handlers outputs
// are better written by a responder, whose record is marked only when its outputs are acknowledged.
//
// In a program of package framework it is injected: take a *Producer as a parameter of a constructor. It uses the client of the process,
// which is there when the program is put together: constructors that send get [ErrNotRunning], hooks and handlers do not. When the program
// stops, what is buffered is flushed within shutdown.grace, after the handlers have returned and the hooks of those that were given the
// Producer have run. framework.NewProducer makes one without a program, and testkit.NewProducer one that records.
//
// Acknowledgement, partitions, compression, linger, timeouts and buffers are those of the section producer of the configuration. A record
// is acknowledged or fails within producer.delivery_timeout; producing is idempotent (KIP-98, with producer.acks all), so that retries
// neither repeat nor reorder. Methods are safe for concurrent use; records that one goroutine sends to one partition stay in order.
type Producer struct {
	client Client
	opts   producerOptions
	closed atomic.Bool

	mu      sync.Mutex
	runs    map[string]*run
	buffers map[*Buffer]struct{}

	turn chan struct{} // of transactions
	tx   TransactionalClient
}

// Client is what a Producer writes with. *kgo.Client is one.
type Client interface {
	// Produce sends a record, and calls promise once when it is acknowledged or has failed. It waits while the buffer is full.
	Produce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error))
	// TryProduce is Produce, but fails with kgo.ErrMaxBuffered where Produce would wait.
	TryProduce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error))
	// Flush returns when everything that was sent before is acknowledged or has failed, or ctx has ended.
	Flush(ctx context.Context) error
}

// Errors of a Producer. Compare with errors.Is.
var (
	// ErrBufferFull: as many records wait for their acknowledgement as producer.max_buffered_records or max_buffered_bytes allow, and
	// producer.on_full is fail. Send less, or later.
	ErrBufferFull = errors.New("buffer of the producer is full")
	// ErrProducerClosed: the program has stopped.
	ErrProducerClosed = errors.New("producer is closed")
	// ErrNotRunning: the program is still being put together. Produce from its hooks and handlers, and not from constructors.
	ErrNotRunning = errors.New("producer is not ready before the program is")
	// ErrNoTransactions: transactions need producer.transactional_id.
	ErrNoTransactions = errors.New("transactions need a transactional id: set producer.transactional_id, another one for each process")
	// ErrTxOver: the transaction was used after its function returned.
	ErrTxOver = errors.New("transaction used after its function returned")
)

// SendError says which record was not acknowledged. Err is the reason: one of the errors above, a kerr.Error that the broker answered,
// kgo.ErrRecordTimeout after producer.delivery_timeout, or what ended the context. With the last two nobody knows whether the broker has
// the record.
type SendError struct {
	Topic string
	Key   []byte
	Err   error
}

// Error names the topic and the reason. The key is left out: it may be a secret.
func (e *SendError) Error() string { return fmt.Sprintf("send to topic %q: %v", e.Topic, e.Err) }

// Unwrap returns the reason.
func (e *SendError) Unwrap() error { return e.Err }

// Outcome tells about records of one topic that were acknowledged, or about one that failed.
type Outcome struct {
	Topic string
	// Count of records, 1 for one that failed.
	Count int
	// Elapsed is how long the run of acknowledged records took, from the first that was sent.
	Elapsed time.Duration
	// Err is nil for records that were acknowledged.
	Err error
}

type producerOptions struct {
	observe func(Outcome)
	closed  func()
	fail    bool
	open    func() (TransactionalClient, error)
}

// ProducerOption adds to [NewProducer].
type ProducerOption func(*producerOptions)

// Observe has every failure told, and successes by topic in runs: when nothing is under way, and once a second at least. It must be quick.
func Observe(fn func(Outcome)) ProducerOption { return func(o *producerOptions) { o.observe = fn } }

// OnClose has fn called when Close has flushed, to close the client.
func OnClose(fn func()) ProducerOption { return func(o *producerOptions) { o.closed = fn } }

// FailWhenFull makes Send and SendAsync fail with [ErrBufferFull] instead of waiting for room.
func FailWhenFull() ProducerOption { return func(o *producerOptions) { o.fail = true } }

// NewProducer makes a Producer of a client, which stays its caller's to close. Programs of package framework have theirs injected.
func NewProducer(c Client, opts ...ProducerOption) *Producer {
	p := &Producer{client: c, runs: map[string]*run{}, buffers: map[*Buffer]struct{}{}, turn: make(chan struct{}, 1)}
	for _, o := range opts {
		o(&p.opts)
	}
	return p
}

// Send sends records and returns when all are acknowledged or have failed: they leave together. Its error joins a [SendError] for each that
// failed. When ctx ends, what is not acknowledged yet fails.
func (p *Producer) Send(ctx context.Context, recs ...Record) error {
	errs := make([]error, len(recs))
	var all sync.WaitGroup
	all.Add(len(recs))
	for i, r := range recs {
		p.produce(ctx, p.client, r, func(_ *kgo.Record, err error) {
			errs[i] = err
			all.Done()
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// SendAsync sends a record and returns at once, unless the buffer is full. The record fails when ctx ends before it is acknowledged: pass
// a context that lives long enough, context.WithoutCancel(ctx) where the caller does not wait.
func (p *Producer) SendAsync(ctx context.Context, r Record) *Future {
	f := &Future{done: make(chan struct{})}
	p.produce(ctx, p.client, r, func(rec *kgo.Record, err error) {
		f.rec, f.err = rec, err
		close(f.done)
	})
	return f
}

// Future is a record under way.
type Future struct {
	done chan struct{}
	rec  *kgo.Record
	err  error
}

// Done is closed when the record is acknowledged or has failed.
func (f *Future) Done() <-chan struct{} { return f.done }

// Wait returns when the record is acknowledged or has failed, with the record as the broker has it, partition and offset included, or a
// [SendError]. When ctx ends before, it returns its error, and the record stays under way.
func (f *Future) Wait(ctx context.Context) (*kgo.Record, error) {
	select {
	case <-f.done:
	case <-ctx.Done():
		select {
		case <-f.done:
		default:
			return nil, context.Cause(ctx)
		}
	}
	if f.err != nil {
		return nil, f.err
	}
	return f.rec, nil
}

// produce calls promise once, with a *SendError for what failed.
func (p *Producer) produce(ctx context.Context, c Client, r Record, promise func(*kgo.Record, error)) {
	failed := func(err error) {
		p.tellFailed(r.rec.Topic, err)
		promise(r.rec, &SendError{Topic: r.rec.Topic, Key: r.rec.Key, Err: err})
	}
	switch {
	case r.err != nil:
		failed(r.err)
		return
	case p.closed.Load():
		failed(ErrProducerClosed)
		return
	}
	send := c.Produce
	if p.opts.fail {
		send = c.TryProduce
	}
	counted := p.begin(r.rec.Topic)
	send(ctx, r.rec, func(rec *kgo.Record, err error) {
		p.end(counted, err == nil)
		if err != nil {
			failed(reason(err))
			return
		}
		promise(rec, nil)
	})
}

func reason(err error) error {
	switch {
	case errors.Is(err, kgo.ErrMaxBuffered):
		return fmt.Errorf("%w: %w", ErrBufferFull, err)
	case errors.Is(err, kgo.ErrClientClosed):
		return fmt.Errorf("%w: %w", ErrProducerClosed, err)
	default:
		return err
	}
}

// Flush returns when everything that was sent before is acknowledged or has failed, buffers included, or ctx has ended.
func (p *Producer) Flush(ctx context.Context) error {
	p.mu.Lock()
	buffers := make([]*Buffer, 0, len(p.buffers))
	for b := range p.buffers {
		buffers = append(buffers, b)
	}
	p.mu.Unlock()
	errs := make([]error, 0, len(buffers)+1)
	for _, b := range buffers {
		errs = append(errs, b.Flush(ctx))
	}
	if err := p.client.Flush(ctx); err != nil {
		errs = append(errs, fmt.Errorf("flush: %w", err))
	}
	return errors.Join(errs...)
}

// Close flushes, and ends the Producer: what is sent afterwards fails with [ErrProducerClosed]. In a program of package framework the
// program does it.
func (p *Producer) Close(ctx context.Context) error {
	err := p.Flush(ctx)
	if p.closed.Swap(true) {
		return err
	}
	select {
	case p.turn <- struct{}{}: // no transaction is under way
		if p.tx != nil {
			p.tx.Close()
			p.tx = nil
		}
		<-p.turn
	case <-ctx.Done():
		err = errors.Join(err, context.Cause(ctx))
	}
	if p.opts.closed != nil {
		p.opts.closed()
	}
	return err
}

// run is records of a topic under way, told together.
type run struct {
	topic   string
	mu      sync.Mutex
	pending int
	acked   int
	since   time.Time
}

// tellAgain is how long a run may last.
const tellAgain = time.Second

// begin counts a record; nil when nobody wants to know.
func (p *Producer) begin(topic string) *run {
	if p.opts.observe == nil {
		return nil
	}
	p.mu.Lock()
	r := p.runs[topic]
	if r == nil {
		r = &run{topic: topic}
		p.runs[topic] = r
	}
	p.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending == 0 {
		r.since = time.Now()
	}
	r.pending++
	return r
}

func (p *Producer) end(r *run, ok bool) {
	if r == nil {
		return
	}
	const look = 256 // at the clock, among so many
	r.mu.Lock()
	r.pending--
	if ok {
		r.acked++
	}
	var told Outcome
	if r.acked > 0 && (r.pending == 0 || r.acked%look == 0 && time.Since(r.since) >= tellAgain) {
		now := time.Now()
		told = Outcome{Topic: r.topic, Count: r.acked, Elapsed: now.Sub(r.since)}
		r.acked, r.since = 0, now
	}
	r.mu.Unlock()
	if told.Count > 0 {
		p.opts.observe(told)
	}
}

func (p *Producer) tellFailed(topic string, err error) {
	if p.opts.observe != nil {
		p.opts.observe(Outcome{Topic: topic, Count: 1, Err: err})
	}
}
