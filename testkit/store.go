package testkit

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/karafgo/karafgo/offsets"
)

// Store is an [offsets.Store] in memory, for routes with ExternalOffsets: handlers write rows, and a test looks at what was committed.
type Store struct {
	mu    sync.Mutex
	parts map[offsets.Partition]*kept
	rows  []any

	claims, begins, commits, lost []error
}

// kept is what a Store has of a partition.
type kept struct {
	at    offsets.Position
	token int
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{parts: map[offsets.Partition]*kept{}} }

type unitKey struct{ s *Store }

// Write is what a handler under test does in place of writing to a database: row is committed with the offset of its record or batch, or
// not at all. It returns an error for a context of no handler of a route with this store.
func (s *Store) Write(ctx context.Context, row any) error {
	u, ok := ctx.Value(unitKey{s}).(*storeUnit)
	if !ok {
		return errors.New("testkit: no unit of work in this context: draw the route with ExternalOffsets(store)")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u.rows = append(u.rows, row)
	return nil
}

// Rows returns what was committed, in order.
func (s *Store) Rows() []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rows)
}

// Position returns the next offset that a group consumes of a partition, -1 when nothing is stored.
func (s *Store) Position(group, topic string, partition int32) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.part(offsets.Partition{Group: group, Topic: topic, ID: partition}).at.Offset
}

// Fence lets another owner claim a partition: whoever has it can store nothing any more.
func (s *Store) Fence(group, topic string, partition int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.part(offsets.Partition{Group: group, Topic: topic, ID: partition}).token++
}

// FailClaims lets the next n claims fail with err, and the next n answers to what became of a commit.
func (s *Store) FailClaims(n int, err error) { s.inject(&s.claims, n, err) }

// FailBegins lets the next n units of work not begin.
func (s *Store) FailBegins(n int, err error) { s.inject(&s.begins, n, err) }

// FailCommits lets the next n commits, and moves without a unit of work, fail with err and be rolled back.
func (s *Store) FailCommits(n int, err error) { s.inject(&s.commits, n, err) }

// LoseCommits lets the answers to the next n commits, or moves, be lost: they are stored, and err is returned.
func (s *Store) LoseCommits(n int, err error) { s.inject(&s.lost, n, err) }

func (s *Store) inject(to *[]error, n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*to = append(*to, slices.Repeat([]error{err}, n)...)
}

// next takes an injected failure. It is called with the lock held.
func next(from *[]error) (err error) {
	if len(*from) > 0 {
		err, *from = (*from)[0], (*from)[1:]
	}
	return err
}

// part is called with the lock held.
func (s *Store) part(p offsets.Partition) *kept {
	if s.parts[p] == nil {
		s.parts[p] = &kept{at: offsets.None()}
	}
	return s.parts[p]
}

// Claim implements offsets.Store.
func (s *Store) Claim(_ context.Context, p offsets.Partition) (offsets.Claim, offsets.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := next(&s.claims); err != nil {
		return nil, offsets.None(), err
	}
	k := s.part(p)
	k.token++
	return &storeClaim{s: s, k: k, token: k.token, chain: new(int)}, k.at, nil
}

// storeClaim is one token. Those that were renewed into one another share chain, the last of their tokens.
type storeClaim struct {
	s     *Store
	k     *kept
	token int
	chain *int
}

// Begin implements offsets.Claim.
func (c *storeClaim) Begin(ctx context.Context) (offsets.Unit, error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if err := next(&c.s.begins); err != nil {
		return nil, err
	}
	return &storeUnit{c: c, life: ctx}, nil
}

// Move implements offsets.Claim.
func (c *storeClaim) Move(_ context.Context, to offsets.Position) error { return c.store(to, nil) }

// Renew implements offsets.Claim.
func (c *storeClaim) Renew(context.Context) (offsets.Claim, offsets.Position, error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if err := next(&c.s.claims); err != nil {
		return nil, offsets.None(), err
	}
	if c.k.token != max(c.token, *c.chain) {
		return nil, offsets.None(), offsets.ErrFenced
	}
	c.k.token++
	*c.chain = c.k.token
	return &storeClaim{s: c.s, k: c.k, token: c.k.token, chain: c.chain}, c.k.at, nil
}

func (c *storeClaim) store(to offsets.Position, rows []any) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.k.token != c.token {
		return offsets.ErrFenced
	}
	if err := next(&c.s.commits); err != nil {
		return err
	}
	c.k.at = to
	c.s.rows = append(c.s.rows, rows...)
	return next(&c.s.lost)
}

type storeUnit struct {
	c    *storeClaim
	life context.Context //nolint:containedctx // the unit ends with it
	rows []any
}

// Context implements offsets.Unit.
func (u *storeUnit) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, unitKey{u.c.s}, u)
}

// Commit implements offsets.Unit.
func (u *storeUnit) Commit(_ context.Context, to offsets.Position) error {
	if err := context.Cause(u.life); err != nil {
		return err
	}
	return u.c.store(to, u.rows)
}

// Rollback implements offsets.Unit.
func (u *storeUnit) Rollback() {}
