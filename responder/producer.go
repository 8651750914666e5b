package responder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/room"
)

// Producer writes records from anywhere in a program: where nothing is consumed, from an HTTP handler, on a schedule. In handlers outputs
// are better written by a responder, whose record is marked only when its outputs are acknowledged.
//
// In a program of package framework it is injected: take a *Producer as a parameter of a constructor. It uses the client of the process,
// which is there when the program is put together: constructors that send get [ErrNotRunning], hooks and handlers do not. When the program
// stops, what is buffered is flushed within shutdown.grace, after the handlers have returned and the hooks of those that were given the
// Producer have run. framework.NewProducer makes one without a program, and testkit.NewProducer one that records.
//
// Acknowledgement, partitions, compression, linger, timeouts and buffers are those of the section producer of the configuration.
// Producing is idempotent (KIP-98, with producer.acks all): retries neither repeat nor reorder. A record fails after
// producer.delivery_timeout, except one whose request was sent and never answered: giving it up would break idempotence, so it is tried
// until a broker answers, or until the Producer is closed.
//
// Contexts bound how long a call waits, and not the record: once it is in the client's buffer it is under way, whatever becomes of the
// context. Methods are safe for concurrent use; records that one goroutine sends to one partition stay in order.
type Producer struct {
	client  Client
	opts    producerOptions
	closed  atomic.Bool
	pending pending
	runs    sync.Map // of *run, by topic

	mu      sync.Mutex
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
	// ErrNotRunning: the program is still being put together. Produce from its hooks and handlers, and not from constructors and what
	// fx.Invoke calls.
	ErrNotRunning = errors.New("producer is not ready before the program is")
	// ErrNoTransactions: transactions need producer.transactional_id.
	ErrNoTransactions = errors.New("transactions need a transactional id: set producer.transactional_id, another one for each process")
	// ErrTxOver: the transaction was used after its function returned.
	ErrTxOver = errors.New("transaction used after its function returned")
)

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

// Observe has every failure told, and successes by topic in runs: when nothing is under way, and once a second while records are
// acknowledged. It must be quick, and must not send.
func Observe(fn func(Outcome)) ProducerOption { return func(o *producerOptions) { o.observe = fn } }

// OnClose has fn called when Close has flushed, to close the client.
func OnClose(fn func()) ProducerOption { return func(o *producerOptions) { o.closed = fn } }

// FailWhenFull makes Send and SendAsync fail with [ErrBufferFull] instead of waiting for room.
func FailWhenFull() ProducerOption { return func(o *producerOptions) { o.fail = true } }

// NewProducer makes a Producer of a client, which stays its caller's to close. Programs of package framework have theirs injected.
func NewProducer(c Client, opts ...ProducerOption) *Producer {
	p := &Producer{client: c, buffers: map[*Buffer]struct{}{}, turn: make(chan struct{}, 1)}
	for _, o := range opts {
		o(&p.opts)
	}
	return p
}

// Send sends records and returns when all are acknowledged or have failed: they leave together. Its error joins a [SendError] for each
// that failed. When ctx ends before, it returns with one for each that is not acknowledged yet; those that found room in the client's
// buffer stay under way.
func (p *Producer) Send(ctx context.Context, recs ...Record) error {
	sent := make([]*Future, len(recs))
	for i, r := range recs {
		sent[i] = p.submit(ctx, r)
	}
	errs := make([]error, len(recs))
	for i, f := range sent {
		if !f.wait(ctx) {
			errs[i] = recs[i].failed(context.Cause(ctx))
			continue
		}
		errs[i] = f.err
	}
	return join(errs)
}

// SendAsync sends a record and returns at once, unless the client's buffer is full: then it waits for room until ctx ends, which fails the
// record. Nothing else that becomes of ctx concerns the record.
func (p *Producer) SendAsync(ctx context.Context, r Record) *Future { return p.submit(ctx, r) }

// flight is one record under way: what the client is given for it, and what becomes of it, in one piece of memory.
type flight struct {
	Future

	p       *Producer
	r       Record
	out     kgo.Record
	room    room.Context
	ctx     context.Context //nolint:containedctx // in which it is sent: room, or that of a transaction
	under   *generation     // nil in a transaction
	counted *run
	then    func(*kgo.Record, error) // nil when only Future is asked
}

// submit sends a record of the program, unless the Producer is closed.
func (p *Producer) submit(ctx context.Context, r Record) *Future {
	f := &flight{p: p, r: r, under: p.pending.begin()}
	if p.closed.Load() { // asked after it is counted: who closes asks in the other order
		f.failed(ErrProducerClosed)
		return &f.Future
	}
	f.submitted(ctx)
	return &f.Future
}

// submitted sends what is counted already.
//
// What else is sent to the same partition, such as outputs of responders and dead letters, would fail with it if ctx were the record's own.
func (f *flight) submitted(ctx context.Context) {
	f.room.Context = ctx //nolint:fatcontext // it is no literal of a loop
	f.send(&f.room, f.p.client)
	f.room.Leave()
}

// send ends with one call of end.
func (f *flight) send(ctx context.Context, c Client) {
	f.ctx = ctx
	switch {
	case f.r.err != nil:
		f.failed(f.r.err)
		return
	case ctx.Err() != nil:
		f.failed(context.Cause(ctx))
		return
	}
	f.r.copyTo(&f.out)
	consumer.PrepareOutput(ctx, &f.out)
	f.counted = f.p.begin(f.out.Topic)
	if f.p.opts.fail {
		c.TryProduce(ctx, &f.out, f.answered)
	} else {
		c.Produce(ctx, &f.out, f.answered)
	}
}

// again is a Client that sends a record once more when it may have been refused for the sake of others, which went in the same batch. It
// returns false when it does not.
type again interface {
	ProduceAgain(ctx context.Context, r *kgo.Record, refused error, promise func(*kgo.Record, error)) bool
}

// answered is called by the client, which waits for it.
func (f *flight) answered(rec *kgo.Record, err error) {
	if err != nil && f.under != nil {
		if c, ok := f.p.client.(again); ok && c.ProduceAgain(f.ctx, &f.out, err, f.known) {
			return
		}
	}
	f.known(rec, err)
}

// known ends with what the broker says.
func (f *flight) known(rec *kgo.Record, err error) {
	f.p.end(f.counted, err == nil)
	if err != nil {
		f.failed(reason(f.ctx, err))
		return
	}
	f.end(rec, nil)
}

func (f *flight) failed(err error) {
	f.p.tellFailed(f.r.Topic(), err)
	f.end(nil, f.r.failed(err))
}

func (f *flight) end(rec *kgo.Record, err error) {
	if f.then != nil {
		f.then(rec, err)
	} else {
		f.resolve(rec, err)
	}
	if f.under != nil {
		f.p.pending.end(f.under)
	}
}

func reason(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, kgo.ErrRecordTimeout): // whatever has become of ctx since
		return err
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return context.Cause(ctx)
	case errors.Is(err, kgo.ErrMaxBuffered):
		return fmt.Errorf("%w: %w", ErrBufferFull, err)
	case errors.Is(err, kgo.ErrClientClosed):
		return fmt.Errorf("%w: %w", ErrProducerClosed, err)
	default:
		return err
	}
}

// Flush sends what buffers hold, and returns when everything that was sent before is acknowledged or has failed. Its error joins what
// failed of the buffers, unless their OnError was told. When ctx ends before, it says how many records are not acknowledged yet.
func (p *Producer) Flush(ctx context.Context) error {
	p.mu.Lock()
	buffers := slices.Collect(maps.Keys(p.buffers))
	p.mu.Unlock()
	errs := make([]error, 0, len(buffers)+1)
	for _, b := range buffers {
		_ = b.send(ctx) // what stays behind is counted below
	}
	err := p.await(ctx, &p.pending)
	left := p.pending.count()
	for _, b := range buffers {
		held, failed := b.settle(ctx)
		left += held
		errs = append(errs, failed)
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil && left > 0 {
		errs = append(errs, fmt.Errorf("flush: %d records are not acknowledged yet: %w", left, err))
	}
	return errors.Join(errs...)
}

// await returns when what is pending has ended, or ctx has. The client's Flush is there for the linger, which it ends: it would wait for
// what others go on to send, too.
func (p *Producer) await(ctx context.Context, what *pending) error {
	if what.count() == 0 {
		return nil
	}
	flushing, stop := context.WithCancel(ctx)
	var flush sync.WaitGroup
	flush.Go(func() { _ = p.client.Flush(flushing) })
	err := what.wait(ctx)
	stop()
	flush.Wait()
	return err
}

// Close ends the Producer: what is sent from now on fails with [ErrProducerClosed]. What was sent before, and what buffers hold, is
// flushed, and a transaction in progress may end, until ctx does; its error says how many records were given up then. In a program of
// package framework the program does it.
func (p *Producer) Close(ctx context.Context) error {
	again := p.closed.Swap(true)
	err := p.Flush(ctx)
	if again {
		return err
	}
	err = errors.Join(err, p.closeTransactions(ctx))
	if p.opts.closed != nil {
		p.opts.closed()
	}
	return err
}

// run is records of a topic under way, told together.
type run struct {
	topic   string
	pending atomic.Int64
	acked   atomic.Int64
	since   atomic.Pointer[time.Time] // the first of them was sent, or the last run was told
}

// tellAgain is how long a run may last.
const tellAgain = time.Second

// begin counts a record; nil when nobody wants to know.
func (p *Producer) begin(topic string) *run {
	if p.opts.observe == nil {
		return nil
	}
	known, ok := p.runs.Load(topic)
	if !ok {
		known, _ = p.runs.LoadOrStore(topic, &run{topic: topic})
	}
	r := known.(*run) //nolint:forcetypeassert // nothing else is in it
	if r.pending.Add(1) == 1 {
		now := time.Now()
		r.since.Store(&now)
	}
	return r
}

func (p *Producer) end(r *run, ok bool) {
	if r == nil {
		return
	}
	if ok {
		r.acked.Add(1)
	}
	left := r.pending.Add(-1)
	since := r.since.Load()
	if since == nil || left > 0 && time.Since(*since) < tellAgain {
		return
	}
	now := time.Now()
	if n := r.acked.Swap(0); n > 0 {
		r.since.Store(&now)
		p.opts.observe(Outcome{Topic: r.topic, Count: int(n), Elapsed: now.Sub(*since)})
	}
}

func (p *Producer) tellFailed(topic string, err error) {
	if p.opts.observe != nil {
		p.opts.observe(Outcome{Topic: topic, Count: 1, Err: err})
	}
}
