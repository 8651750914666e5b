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
	db      *sql.DB
	dialect Dialect
	table   string
	begin   *sql.TxOptions
	sql     statements
	turn    chan struct{} // SQLite: whoever writes holds it
}

// Option changes a Store.
type Option func(*Store)

// Table names the table, "schema.table" too. Defaults to karafgo_offsets.
func Table(name string) Option { return func(s *Store) { s.table = name } }

// Speaks says which kind of database it is. Defaults to what the driver is known for, which one that wraps another hides.
func Speaks(d Dialect) Option { return func(s *Store) { s.dialect = d } }

// Begin are the options of the transactions that handlers get, such as the isolation. Defaults to those of the database. A read-only
// transaction cannot keep an offset.
func Begin(opts sql.TxOptions) Option { return func(s *Store) { s.begin = &opts } }

// New returns a store in a database, which stays the caller's to close, after the engine has stopped. It does not talk to it: Migrate does.
func New(db *sql.DB, opts ...Option) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: the database is nil: pass what sql.Open returned")
	}
	s := &Store{db: db, table: "karafgo_offsets"}
	for _, o := range opts {
		o(s)
	}
	if s.dialect == unknown {
		s.dialect = detect(db)
	}
	switch {
	case s.dialect != PostgreSQL && s.dialect != SQLite:
		return nil, fmt.Errorf("sqlstore: driver %T is not known: say sqlstore.Speaks(sqlstore.PostgreSQL) or SQLite", db.Driver())
	case !tableName.MatchString(s.table):
		return nil, fmt.Errorf("sqlstore: table %q: want a name of letters, digits and _, with or without a schema before it", s.table)
	case s.begin != nil && s.begin.ReadOnly:
		return nil, errors.New("sqlstore: a read-only transaction cannot keep an offset: leave ReadOnly out")
	}
	s.sql = s.dialect.statements(s.table)
	if s.dialect == SQLite {
		s.turn = make(chan struct{}, 1)
	}
	return s, nil
}

// Migrate creates the table, if it does not exist. Programs that may not create tables have it created by whoever may.
func (s *Store) Migrate(ctx context.Context) error {
	done, err := s.take(ctx)
	if err != nil {
		return s.notMigrated(err)
	}
	defer done()
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return s.notMigrated(err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	for _, text := range s.sql.migrate {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return s.notMigrated(err)
		}
	}
	if err := tx.Commit(); err != nil {
		return s.notMigrated(err)
	}
	return nil
}

func (s *Store) notMigrated(err error) error {
	return fmt.Errorf("sqlstore: create table %s in %s: %w", s.table, s.dialect, err)
}

// take waits for the turn to write, where there is one writer.
func (s *Store) take(ctx context.Context) (done func(), err error) {
	if s.turn == nil {
		return func() {}, nil
	}
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

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
	return fmt.Errorf("sqlstore: %s %s/%d of group %q in %s: %w", what, c.p.Topic, c.p.ID, c.p.Group, c.s.table, err)
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
