package middleware

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/karafgo/karafgo/consumer"
)

// Seen remembers the ids of records that were handled. It is used by several goroutines.
type Seen interface {
	// Seen reports which of the ids are remembered, in their order.
	Seen(ctx context.Context, ids []string) ([]bool, error)
	// Remember adds ids.
	Remember(ctx context.Context, ids []string) error
}

// Dedupe skips records whose id was handled before: they are marked, and counted as skipped. id returns what tells a record apart, an empty
// text for one that is never a copy. An id is remembered after its handler returned nil; a process that dies in between handles the record
// again. A second record of the same id in one batch is skipped too.
//
// An error of the store fails the delivery, which is retried.
func Dedupe(store Seen, id func(*consumer.Message) string) consumer.Middleware {
	return func(next consumer.BatchHandler) consumer.BatchHandler {
		return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
			ids := make([]string, 0, b.Len())
			for _, m := range b.All() {
				if text := id(m); text != "" {
					ids = append(ids, text)
				}
			}
			seen, err := store.Seen(ctx, ids)
			if err != nil {
				return fmt.Errorf("look for copies: %w", err)
			}
			if len(seen) != len(ids) {
				return fmt.Errorf("look for copies: the store answers %d of %d ids", len(seen), len(ids))
			}
			known := map[string]bool{}
			for i, text := range ids {
				known[text] = known[text] || seen[i]
			}
			rest := b.Skip(func(m *consumer.Message) bool {
				text := id(m)
				if text == "" {
					return false
				}
				copied := known[text]
				known[text] = true
				return copied
			})
			err = next.HandleBatch(ctx, rest)
			if remembered := handled(rest, err, id); len(remembered) > 0 {
				if failed := store.Remember(ctx, remembered); failed != nil && err == nil {
					return fmt.Errorf("remember what was handled: %w", failed)
				}
			}
			return err
		})
	}
}

// handled are the ids of the messages that count as handled.
func handled(b *consumer.Batch, err error, id func(*consumer.Message) string) (ids []string) {
	at := consumer.VerdictOf(err).At
	if err != nil && at == nil {
		return nil
	}
	for _, m := range b.All() {
		if at != nil && m.Record == at.Record {
			break
		}
		if text := id(m); text != "" {
			ids = append(ids, text)
		}
	}
	return ids
}

// SeenInMemory remembers the last n ids, in this process and as long as it runs. n must be positive.
func SeenInMemory(n int) *Memory { return &Memory{last: make([]string, n), known: map[string]bool{}} }

// Memory is a Seen in memory.
type Memory struct {
	mu    sync.Mutex
	last  []string // a ring
	next  int
	known map[string]bool
}

// Seen implements Seen.
func (m *Memory) Seen(_ context.Context, ids []string) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := make([]bool, len(ids))
	for i, id := range ids {
		seen[i] = m.known[id]
	}
	return seen, nil
}

// Remember implements Seen. The oldest ids are forgotten for it.
func (m *Memory) Remember(_ context.Context, ids []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range slices.Values(ids) {
		if m.known[id] {
			continue
		}
		delete(m.known, m.last[m.next])
		m.known[id], m.last[m.next] = true, id
		m.next = (m.next + 1) % len(m.last)
	}
	return nil
}
