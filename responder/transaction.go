package responder

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TransactionalClient is a client with a transactional id. *kgo.Client is one.
type TransactionalClient interface {
	Client
	BeginTransaction() error
	EndTransaction(ctx context.Context, commit kgo.TransactionEndTry) error
	AbortBufferedRecords(ctx context.Context) error
	Close()
}

// Transactions lets the Producer make transactions, with a client of its own that open makes when the first one begins, and after a
// failure that a client cannot go on from.
func Transactions(open func() (TransactionalClient, error)) ProducerOption {
	return func(o *producerOptions) { o.open = open }
}

// endTimeout bounds the commit of a transaction, and its abort.
const endTimeout = 30 * time.Second

// Tx is a transaction in progress. It is valid until the function that it was given to returns, for any number of goroutines.
type Tx struct {
	p      *Producer
	ctx    context.Context //nolint:containedctx // the transaction's own: a Tx does not outlive the call
	client TransactionalClient

	sending sync.RWMutex // held by who ends the transaction when nobody sends in it
	over    bool

	mu     sync.Mutex
	failed error
}

// Send sends records in the transaction, and does not wait for their acknowledgement. The error is that of an earlier record that failed:
// then nothing of the transaction will be seen.
func (t *Tx) Send(recs ...Record) error {
	t.sending.RLock()
	defer t.sending.RUnlock()
	if t.over {
		return ErrTxOver
	}
	for _, r := range recs {
		if err := t.err(); err != nil {
			return err
		}
		f := &flight{p: t.p, r: r, then: func(_ *kgo.Record, err error) {
			if err == nil {
				return
			}
			t.mu.Lock()
			defer t.mu.Unlock()
			if t.failed == nil {
				t.failed = err
			}
		}}
		f.send(t.ctx, t.client)
	}
	return t.err()
}

func (t *Tx) err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

// Transaction calls fn and commits what it sent (KIP-98): consumers with isolation read_committed see all of it or nothing. When fn fails
// or panics, when a record fails or ctx ends, nothing is seen, and the error says why. Transactions of one Producer take turns. It needs
// producer.transactional_id, else it fails with [ErrNoTransactions]. A transaction within fn would wait for its own end: only ctx ends
// that.
//
// An error of the commit itself leaves open whether it took place. After one that a client cannot go on from (a process with the same
// transactional id has fenced it) the next transaction begins with a new client.
func (p *Producer) Transaction(ctx context.Context, fn func(tx *Tx) error) (err error) {
	if p.opts.open == nil {
		return ErrNoTransactions
	}
	select {
	case p.turn <- struct{}{}:
		defer p.leave()
	case <-ctx.Done():
		return fmt.Errorf("wait for another transaction: %w", context.Cause(ctx))
	}
	if p.closed.Load() {
		return ErrProducerClosed
	}
	if p.tx == nil {
		if p.tx, err = p.opts.open(); err != nil {
			return fmt.Errorf("make client for transactions: %w", err)
		}
	}
	if err := p.tx.BeginTransaction(); err != nil {
		p.replace()
		return fmt.Errorf("begin transaction: %w", err)
	}
	tx := &Tx{p: p, ctx: ctx, client: p.tx}
	returned := false
	defer func() {
		if !returned { // fn panicked, or ended the goroutine
			tx.end()
			_ = p.abort(ctx)
		}
	}()
	err = fn(tx)
	returned = true
	tx.end()
	if err == nil {
		if err = p.tx.Flush(ctx); err != nil {
			err = fmt.Errorf("flush: %w", reason(ctx, err))
		} else {
			err = tx.err()
		}
	}
	if err != nil {
		return errors.Join(err, p.abort(ctx))
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := p.tx.EndTransaction(ending, kgo.TryCommit); err != nil {
		p.replace()
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// end waits for those who are sending: a record that came after the end would be one of the next transaction.
func (t *Tx) end() {
	t.sending.Lock()
	t.over = true
	t.sending.Unlock()
}

// leave lets the next transaction begin. After Close, which did not wait for ever, nobody else closes the client.
func (p *Producer) leave() {
	if p.closed.Load() {
		p.replace()
	}
	<-p.turn
}

// closeTransactions waits for a transaction in progress.
func (p *Producer) closeTransactions(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
	default:
		select {
		case p.turn <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("wait for a transaction in progress: %w", context.Cause(ctx))
		}
	}
	p.leave()
	return nil
}

// abort ends the transaction in progress. A client that cannot is replaced: what it has open is aborted by the broker.
func (p *Producer) abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	err := p.tx.AbortBufferedRecords(ctx)
	if err == nil {
		err = p.tx.EndTransaction(ctx, kgo.TryAbort)
	}
	if err != nil {
		p.replace()
		return fmt.Errorf("abort transaction: %w", err)
	}
	return nil
}

// replace lets go of a client that cannot go on.
func (p *Producer) replace() {
	if p.tx != nil {
		p.tx.Close()
		p.tx = nil
	}
}
