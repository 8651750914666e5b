package middleware

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/karafgo/karafgo/internal/seen"
	"github.com/karafgo/karafgo/offsets"
)

// Set is a [Seen] in memory: the last ids, as long as the process runs.
type Set struct {
	mu    sync.Mutex
	last  []setID // a ring
	next  int
	known map[setID]chan struct{} // nil: remembered; else it is being handled, until the channel is closed
}

type setID struct{ group, topic, id string }

// NewSet remembers the last n ids, of all groups and topics together. n must be positive.
func NewSet(n int) *Set { return &Set{last: make([]setID, n), known: map[setID]chan struct{}{}} }

// Once implements Seen. An id that is being handled is waited for.
func (s *Set) Once(ctx context.Context, p offsets.Partition, ids []string, handle func(context.Context, []bool) (int, error)) error {
	over := make(chan struct{})
	taken := map[string]bool{}
	handled := 0
	defer func() { s.leave(over, p, taken, ids[:handled]) }() // a handler that panics has not handled
	for _, id := range seen.Distinct(ids) {
		fresh, err := s.take(ctx, setID{p.Group, seen.Topic(p), id}, over)
		if err != nil {
			return fmt.Errorf("wait for id %q, which is being handled: %w", id, err)
		}
		if fresh {
			taken[id] = true
		}
	}
	n, err := handle(ctx, seen.Copies(ids, taken))
	handled = n
	return err
}

// take makes an id the caller's until over is closed, or reports that it is remembered.
func (s *Set) take(ctx context.Context, id setID, over chan struct{}) (fresh bool, err error) {
	for {
		s.mu.Lock()
		busy, known := s.known[id]
		if !known {
			s.known[id] = over
		}
		s.mu.Unlock()
		if !known || busy == nil {
			return !known, nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// leave remembers those of the taken ids that were handled, and forgets the oldest for them. The others are anybody's again.
func (s *Set) leave(over chan struct{}, p offsets.Partition, taken map[string]bool, handled []string) {
	defer close(over)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range handled {
		if !taken[text] {
			continue
		}
		delete(taken, text)
		id := setID{p.Group, seen.Topic(p), text}
		delete(s.known, s.last[s.next])
		s.known[id], s.last[s.next] = nil, id
		s.next = (s.next + 1) % len(s.last)
	}
	for text := range maps.Keys(taken) {
		delete(s.known, setID{p.Group, seen.Topic(p), text})
	}
}

// Last is a [Seen] in memory of one id for each partition, as long as the process runs: for ids that grow with the offset in a partition,
// such as a producer's sequence numbers. One that is not greater than the last is a copy. Ids are whole numbers in decimal; another text
// fails the record.
//
// It needs an order: on a route by key every record fails. A record that goes to a retry topic leaves its order, and is a record of that
// topic, whose copies here are not told from it: take a [Set] there.
type Last struct {
	mu    sync.Mutex
	known map[offsets.Partition]*lastID
}

type lastID struct {
	turn chan struct{} // whoever hands over holds it
	mark seen.Mark
}

// NewLast remembers nothing yet.
func NewLast() *Last { return &Last{known: map[offsets.Partition]*lastID{}} }

// Once implements Seen.
func (l *Last) Once(ctx context.Context, p offsets.Partition, ids []string, handle func(context.Context, []bool) (int, error)) error {
	if err := seen.InOrder(p); err != nil {
		return err
	}
	l.mu.Lock()
	last := l.known[p]
	if last == nil {
		last = &lastID{turn: make(chan struct{}, 1)}
		l.known[p] = last
	}
	l.mu.Unlock()
	select {
	case last.turn <- struct{}{}:
		defer func() { <-last.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	copies, _, err := seen.Grown(ids, last.mark)
	if err != nil {
		return err
	}
	n, err := handle(ctx, copies)
	_, last.mark, _ = seen.Grown(ids[:n], last.mark) // ids that were read before
	return err
}
