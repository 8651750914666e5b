package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"github.com/karafgo/karafgo/offsets"
)

// Store is an [offsets.Store] in a table of a database.
type Store struct {
	table

	sql statements
}

// New returns a store in a database, which stays the caller's to close, after the engine has stopped. It does not talk to it: Migrate
// does.
func New(db *sql.DB, opts ...Option) (*Store, error) {
	t, err := newTable(db, "karafgo_offsets", opts)
	if err != nil {
		return nil, err
	}
	return &Store{table: t, sql: t.statements()}, nil
}

// Migrate creates the table, if it does not exist. Programs that may not create tables have it created by whoever may.
func (s *Store) Migrate(ctx context.Context) error { return s.create(ctx, createTable) }

// Claim implements offsets.Store.
func (s *Store) Claim(ctx context.Context, p offsets.Partition) (offsets.Claim, offsets.Position, error) {
	c := claim{s: s, p: p, owner: rand.Text()}
	return c.own(ctx, "claim", s.sql.claim)
}

// claim is one token.
type claim struct {
	s     *Store
	p     offsets.Partition
	owner string
	token int64
}

// key are the arguments that name the row and the owner, and further ones.
func (c claim) key(more ...any) []any {
	return append([]any{c.p.Group, c.p.Topic, c.p.ID, c.owner}, more...)
}

func (c claim) fail(what string, err error) error {
	return fmt.Errorf("sqlstore: %s %s/%d of group %q in %s: %w", what, c.p.Topic, c.p.ID, c.p.Group, c.s.name, err)
}

// own runs a statement that returns a new token and what is stored.
func (c claim) own(ctx context.Context, what, text string) (offsets.Claim, offsets.Position, error) {
	done, err := c.s.take(ctx)
	if err != nil {
		return nil, offsets.None(), c.fail(what, err)
	}
	defer done()
	at := offsets.None()
	err = c.s.db.QueryRowContext(ctx, text, c.key()...).Scan(&c.token, &at.Offset, &at.Epoch, &at.Metadata)
	switch {
	case errors.Is(err, sql.ErrNoRows): // the owner is another
		return nil, offsets.None(), c.fail(what, offsets.ErrFenced)
	case err != nil:
		return nil, offsets.None(), c.fail(what, err)
	}
	return c, at, nil
}

// Renew implements offsets.Claim. It waits for the row while a transaction that has moved the position is not over.
func (c claim) Renew(ctx context.Context) (offsets.Claim, offsets.Position, error) {
	return c.own(ctx, "renew the claim of", c.s.sql.renew)
}

// Move implements offsets.Claim.
func (c claim) Move(ctx context.Context, to offsets.Position) error {
	done, err := c.s.take(ctx)
	if err != nil {
		return c.fail("move", err)
	}
	defer done()
	if err := c.move(ctx, c.s.db, to); err != nil {
		return c.fail("move", err)
	}
	return nil
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (c claim) move(ctx context.Context, in execer, to offsets.Position) error {
	return c.exec(ctx, in, c.s.sql.move, to.Offset, to.Epoch, to.Metadata)
}

// exec runs a statement that finds its row if the token is good.
func (c claim) exec(ctx context.Context, in execer, text string, more ...any) error {
	result, err := in.ExecContext(ctx, text, append(c.key(c.token), more...)...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		return offsets.ErrFenced
	}
	return err
}
