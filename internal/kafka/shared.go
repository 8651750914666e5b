package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/config"
)

// Shared makes the clients of one process: those of consumer groups, and one that its engine produces with and that the program may use
// too. It implements Connector. Clients are made when they are asked for first.
type Shared struct {
	*Cluster

	mu     sync.Mutex
	shared *producer
	free   *Own // of the program, where it wants other acknowledgements than the engine; else that of shared
	closed bool
}

// NewShared makes a Shared of a cluster.
func NewShared(c *Cluster) *Shared { return &Shared{Cluster: c} }

var errClosed = errors.New("the process has stopped")

// Producer implements Connector. What it returns outlives its Close: the program may go on producing.
func (s *Shared) Producer() (Producer, error) { //nolint:ireturn // it implements Connector
	p, err := s.open()
	if err != nil {
		return nil, err
	}
	return lent{p}, nil
}

func (s *Shared) open() (*producer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.shared == nil {
		p, err := s.producer()
		if err != nil {
			return nil, err
		}
		s.shared = p
	}
	return s.shared, nil
}

// lent is the engine's view of the shared client, which is not its to close.
type lent struct{ *producer }

// Close implements Producer.
func (lent) Close() {}

// Own is what the program produces with.
type Own struct {
	*kgo.Client

	single *single
	by     *delivery
}

// Produce sends a record, and waits while the buffer is full.
func (o *Own) Produce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	o.by.produce(ctx, o.Client.Produce, r, promise)
}

// TryProduce is Produce, but fails where that would wait.
func (o *Own) TryProduce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	o.by.produce(ctx, o.Client.TryProduce, r, promise)
}

// ProduceAlone sends a record that was refused together with others, for one of them, by itself.
func (o *Own) ProduceAlone(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	o.single.produce(ctx, r, promise)
}

func (o *Own) close() {
	o.single.close()
	o.Client.Close()
	o.by.close()
}

// Own is the client that the program produces with, the engine's where it can be.
func (s *Shared) Own() (*Own, error) {
	acks := map[string]kgo.Acks{config.AcksLeader: kgo.LeaderAck(), config.AcksNone: kgo.NoAck()}
	own, ok := acks[s.cfg.Producer.Acks]
	if !ok {
		p, err := s.open()
		if err != nil {
			return nil, err
		}
		return &Own{Client: p.Client, single: p.single, by: p.by}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.free == nil {
		open := func(more ...kgo.Opt) (*kgo.Client, error) {
			return s.client(append(more, kgo.RequiredAcks(own), kgo.DisableIdempotentWrite(), kgo.WithHooks(&recreated{}), unbounded())...)
		}
		cl, err := open()
		if err != nil {
			return nil, err
		}
		by := newDelivery(s.cfg.Producer.DeliveryTimeout)
		s.free = &Own{Client: cl, single: newSingle(open, by), by: by}
	}
	return s.free, nil
}

// Transactional is a client for transactions.
type Transactional struct {
	*kgo.Client

	by *delivery
}

// Transactional makes a client for transactions, which is its caller's to close.
func (s *Shared) Transactional() (*Transactional, error) {
	return s.transactional(s.cfg.Producer.TransactionalID)
}

func (c *Cluster) transactional(id string) (*Transactional, error) {
	p := c.cfg.Producer
	cl, err := c.client(kgo.TransactionalID(id), kgo.TransactionTimeout(p.TransactionTimeout), kgo.WithHooks(&recreated{}), unbounded())
	if err != nil {
		return nil, err
	}
	return &Transactional{Client: cl, by: newDelivery(p.DeliveryTimeout)}, nil
}

// Produce sends a record, and waits while the buffer is full.
func (t *Transactional) Produce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	t.by.produce(ctx, t.Client.Produce, r, promise)
}

// TryProduce is Produce, but fails where that would wait.
func (t *Transactional) TryProduce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	t.by.produce(ctx, t.Client.TryProduce, r, promise)
}

// Close ends the client.
func (t *Transactional) Close() {
	t.Client.Close()
	t.by.close()
}

func (c *Cluster) client(more ...kgo.Opt) (*kgo.Client, error) {
	opts, err := c.Options()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("configure client: %w", err)
	}
	return cl, nil
}

// Close ends the clients that were made for the process.
func (s *Shared) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.shared != nil {
		s.shared.Close()
	}
	if s.free != nil {
		s.free.close()
	}
}

// producer makes the client that a process shares.
func (c *Cluster) producer() (*producer, error) {
	open := func(more ...kgo.Opt) (*kgo.Client, error) {
		return c.client(append(more, kgo.WithHooks(&recreated{}), unbounded())...)
	}
	cl, err := open()
	if err != nil {
		return nil, err
	}
	by := newDelivery(c.cfg.Producer.DeliveryTimeout)
	return &producer{Client: cl, admin: kadm.NewClient(cl), cluster: c, single: newSingle(open, by), by: by}, nil
}

// Producer implements Connector, with a client of its own.
func (c *Cluster) Producer() (Producer, error) { return c.producer() } //nolint:ireturn // as above
