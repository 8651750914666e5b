package testkit

import (
	"context"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/responder"
)

// Sent is what was sent through a Producer that has no cluster behind it. Its methods are safe for concurrent use.
type Sent struct {
	mu      sync.Mutex
	records []*kgo.Record
	fail    []error
	begun   int
}

// NewProducer makes a Producer that records instead of sending, for what takes one. Records are acknowledged as soon as they are sent,
// in partition 0 unless they name another, with the offsets that they would have there; those of a transaction when it commits.
func NewProducer(opts ...responder.ProducerOption) (*responder.Producer, *Sent) {
	s := &Sent{}
	opts = append([]responder.ProducerOption{responder.Transactions(func() (responder.TransactionalClient, error) {
		return pretend(s, true), nil
	})}, opts...)
	return responder.NewProducer(pretend(s, false), opts...), s
}

// To returns what was sent to a topic, in order; of an empty topic, everything.
func (s *Sent) To(topic string) []*kgo.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.records), func(r *kgo.Record) bool { return topic != "" && r.Topic != topic })
}

// Fail lets the next n records fail with err, such as kerr.InvalidRecord or kgo.ErrRecordTimeout.
func (s *Sent) Fail(n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = append(s.fail, slices.Repeat([]error{err}, n)...)
}

// Transactions is how many transactions have begun.
func (s *Sent) Transactions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun
}

// next is what becomes of the next record.
func (s *Sent) next() error {
	if len(s.fail) == 0 {
		return nil
	}
	err := s.fail[0]
	s.fail = s.fail[1:]
	return err
}

func (s *Sent) add(r *kgo.Record) {
	r.Partition, r.Offset = max(r.Partition, 0), 0
	for _, before := range s.records {
		if before.Topic == r.Topic && before.Partition == r.Partition {
			r.Offset++
		}
	}
	s.records = append(s.records, r)
}

// pretended is a client. One for transactions keeps what is inside until the commit.
type pretended struct {
	s       *Sent
	inside  bool
	pending []*kgo.Record
	under   int        // promises that were not called yet
	idle    *sync.Cond // with the lock of s
}

func pretend(s *Sent, inside bool) *pretended {
	return &pretended{s: s, inside: inside, idle: sync.NewCond(&s.mu)}
}

// Produce implements responder.Client.
func (c *pretended) Produce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	c.s.mu.Lock()
	err := context.Cause(ctx)
	if err == nil {
		err = c.s.next()
	}
	switch {
	case err != nil:
	case c.inside:
		c.pending = append(c.pending, r)
	default:
		c.s.add(r)
	}
	c.under++
	c.s.mu.Unlock()
	go func() { // as a client does: never from within
		promise(r, err)
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		c.under--
		c.idle.Broadcast()
	}()
}

// TryProduce implements responder.Client.
func (c *pretended) TryProduce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	c.Produce(ctx, r, promise)
}

// Flush implements responder.Client.
func (c *pretended) Flush(context.Context) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for c.under > 0 {
		c.idle.Wait()
	}
	return nil
}

// BeginTransaction implements responder.TransactionalClient.
func (c *pretended) BeginTransaction() error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.begun++
	return nil
}

// EndTransaction implements responder.TransactionalClient.
func (c *pretended) EndTransaction(_ context.Context, commit kgo.TransactionEndTry) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if commit == kgo.TryCommit {
		for _, r := range c.pending {
			c.s.add(r)
		}
	}
	c.pending = nil
	return nil
}

// AbortBufferedRecords implements responder.TransactionalClient.
func (c *pretended) AbortBufferedRecords(ctx context.Context) error { return c.Flush(ctx) }

// Close implements responder.TransactionalClient.
func (*pretended) Close() {}
