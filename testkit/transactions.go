package testkit

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/kafka"
)

// Transactions implements kafka.Connector.
func (c *memory) Transactions(group string) (kafka.Transactions, error) { //nolint:ireturn // it implements an interface
	c.mu.Lock()
	defer c.mu.Unlock()
	c.producers++
	return &memoryTransactions{c: c, id: group + "-" + strconv.FormatInt(c.producers, 10)}, nil
}

// memoryTransactions acknowledges at once, and writes to the logs when a transaction is committed.
type memoryTransactions struct {
	c     *memory
	id    string
	under sync.WaitGroup

	mu      sync.Mutex
	pending []output
}

// Begin implements kafka.Transactions.
func (*memoryTransactions) Begin() error { return nil }

// Produce implements kafka.Transactions.
func (t *memoryTransactions) Produce(_ context.Context, from kafka.Source, r *kgo.Record, promise func(*kgo.Record, error)) {
	t.c.create(r.Topic, 1)
	err := t.c.refusal(r.Topic, true)
	if err == nil {
		t.mu.Lock()
		t.pending = append(t.pending, output{from, r})
		t.mu.Unlock()
	}
	t.under.Go(func() { promise(r, err) }) // as a client does: never from within Produce
}

// Flush implements kafka.Transactions.
func (t *memoryTransactions) Flush(context.Context) error {
	t.under.Wait()
	return nil
}

// Identity implements kafka.Transactions.
func (t *memoryTransactions) Identity(context.Context) (kafka.TransactionIdentity, error) {
	return kafka.TransactionIdentity{ID: t.id}, nil
}

// End implements kafka.Transactions.
func (t *memoryTransactions) End(_ context.Context, commit bool) error {
	t.under.Wait()
	t.mu.Lock()
	pending := t.pending
	t.pending = nil
	t.mu.Unlock()
	t.c.mu.Lock()
	added := t.c.added[t.id]
	delete(t.c.added, t.id)
	t.c.mu.Unlock()
	if !commit {
		return nil
	}
	for _, out := range pending {
		if int(out.record.Partition) >= t.c.partitions(out.record.Topic) {
			out.record.Partition = anyPartition
		}
		if err := t.c.append(out.record); err != nil {
			return err
		}
		t.c.outputs.add(out.from, out.record)
	}
	if added != nil {
		added()
	}
	return nil
}

// Close implements kafka.Transactions.
func (t *memoryTransactions) Close() { t.under.Wait() }

// AddOffsets implements kafka.Consumer.
func (m *member) AddOffsets(_ context.Context, tx kafka.TransactionIdentity, at kafka.Offsets) error {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	s := m.c.store(m.group.ID)
	if len(s.fail) > 0 {
		err := s.fail[0]
		s.fail = s.fail[1:]
		return err
	}
	m.c.added[tx.ID] = func() {
		m.c.mu.Lock()
		defer m.c.mu.Unlock()
		for tp, o := range at {
			s.committed[tp] = kafka.Committed(o)
		}
	}
	return nil
}

// recordingTransactions keeps which record had which output committed.
type recordingTransactions struct {
	kafka.Transactions

	outputs *outputs

	mu      sync.Mutex
	pending []output
}

// Transactions implements kafka.Connector.
func (r recording) Transactions(group string) (kafka.Transactions, error) { //nolint:ireturn // it implements an interface
	t, err := r.Connector.Transactions(group)
	if err != nil {
		return nil, err //nolint:wrapcheck // as the connector says
	}
	return &recordingTransactions{Transactions: t, outputs: r.outputs}, nil
}

// Produce implements kafka.Transactions.
func (t *recordingTransactions) Produce(ctx context.Context, from kafka.Source, r *kgo.Record, promise func(*kgo.Record, error)) {
	t.Transactions.Produce(ctx, from, r, func(r *kgo.Record, err error) {
		if err == nil {
			t.mu.Lock()
			t.pending = append(t.pending, output{from, r})
			t.mu.Unlock()
		}
		promise(r, err)
	})
}

// End implements kafka.Transactions.
func (t *recordingTransactions) End(ctx context.Context, commit bool) error {
	err := t.Transactions.End(ctx, commit)
	t.mu.Lock()
	pending := slices.Clone(t.pending)
	t.pending = nil
	t.mu.Unlock()
	if err == nil && commit {
		for _, out := range pending {
			t.outputs.add(out.from, out.record)
		}
	}
	return err //nolint:wrapcheck // as the cluster says
}
