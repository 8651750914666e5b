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

	mu     sync.Mutex
	failed error
	over   bool
}

// Send sends a record in the transaction, and does not wait for its acknowledgement. The error is that of an earlier record that failed:
// then nothing of the transaction will be seen.
func (t *Tx) Send(recs ...Record) error {
	t.mu.Lock()
	err, over := t.failed, t.over
	t.mu.Unlock()
	switch {
	case over:
		return ErrTxOver
	case err != nil:
		return err
	}
	for _, r := range recs {
		t.p.produce(t.ctx, t.client, r, func(_ *kgo.Record, err error) {
			if err == nil {
				return
			}
			t.mu.Lock()
			if t.failed == nil {
				t.failed = err
			}
			t.mu.Unlock()
		})
	}
	return nil
}

// Transaction calls fn and commits what it sent (KIP-98): consumers with isolation read_committed see all of it or nothing. When fn fails
// or panics, when a record fails or ctx ends, nothing is seen, and the error says why. Transactions of one Producer take turns. It needs
// producer.transactional_id, else it fails with [ErrNoTransactions].
//
// An error of the commit itself leaves open whether it took place. After one that a client cannot go on from (a process with the same
// transactional id has fenced it) the next transaction begins with a new client.
func (p *Producer) Transaction(ctx context.Context, fn func(tx *Tx) error) (err error) {
	if p.opts.open == nil {
		return ErrNoTransactions
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
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
			err = fmt.Errorf("flush: %w", err)
		} else {
			tx.mu.Lock()
			err = tx.failed
			tx.mu.Unlock()
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

func (t *Tx) end() {
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
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
	p.tx.Close()
	p.tx = nil
}
