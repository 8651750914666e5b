package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// table is what a Store, a Set and a Last have in common: a table of a database, and how to write there.
type table struct {
	db      *sql.DB
	dialect Dialect
	name    string
	begin   *sql.TxOptions
	turn    chan struct{} // SQLite: whoever writes holds it
}

// Option changes a Store, a Set or a Last.
type Option func(*table)

// Table names the table, "schema.table" too. Defaults to karafgo_offsets for a Store, karafgo_seen for a Set and karafgo_last for a Last.
func Table(name string) Option { return func(t *table) { t.name = name } }

// Speaks says which kind of database it is. Defaults to what the driver is known for, which one that wraps another hides.
func Speaks(d Dialect) Option { return func(t *table) { t.dialect = d } }

// Begin are the options of the transactions that handlers get, such as the isolation. Defaults to those of the database. A read-only
// transaction cannot keep an offset or an id.
func Begin(opts sql.TxOptions) Option { return func(t *table) { t.begin = &opts } }

var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

func newTable(db *sql.DB, name string, opts []Option) (table, error) {
	if db == nil {
		return table{}, errors.New("sqlstore: the database is nil: pass what sql.Open returned")
	}
	t := table{db: db, name: name}
	for _, o := range opts {
		o(&t)
	}
	if t.dialect == unknown {
		t.dialect = detect(db)
	}
	switch {
	case t.dialect != PostgreSQL && t.dialect != SQLite:
		return table{}, fmt.Errorf("sqlstore: driver %T is not known: say sqlstore.Speaks(sqlstore.PostgreSQL) or SQLite", db.Driver())
	case !tableName.MatchString(t.name):
		return table{}, fmt.Errorf("sqlstore: table %q: want a name of letters, digits and _, with or without a schema before it", t.name)
	case t.begin != nil && t.begin.ReadOnly:
		return table{}, errors.New("sqlstore: a read-only transaction cannot keep an offset or an id: leave ReadOnly out")
	}
	if t.dialect == SQLite {
		t.turn = make(chan struct{}, 1)
	}
	return t, nil
}

// words puts a statement in the words of the database. %TABLE% is the table, %INDEX% and %OF% the name of an index and what it is of: a
// schema stands before one of the two.
func (t *table) words(text string) string {
	index, of := t.name+"_seen_at", t.name
	if schema, name, ok := strings.Cut(t.name, "."); ok {
		if index, of = name+"_seen_at", t.name; t.dialect == SQLite {
			index, of = schema+"."+index, name
		}
	}
	text = strings.NewReplacer("%TABLE%", t.name, "%INDEX%", index, "%OF%", of).Replace(text)
	if t.dialect == SQLite {
		text = strings.NewReplacer("$", "?", "json_array_elements_text", "json_each").Replace(text)
	}
	return text
}

// migrationLock keeps members that start together from creating a table at once, which PostgreSQL refuses to one of them.
const migrationLock = `SELECT pg_advisory_xact_lock(8746152312)`

// create creates the table, in one transaction.
func (t *table) create(ctx context.Context, texts ...string) error {
	done, err := t.take(ctx)
	if err != nil {
		return t.notCreated(err)
	}
	defer done()
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return t.notCreated(err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if t.dialect == PostgreSQL {
		texts = append([]string{migrationLock}, texts...)
	}
	for _, text := range texts {
		if _, err := tx.ExecContext(ctx, t.words(text)); err != nil {
			return t.notCreated(err)
		}
	}
	if err := tx.Commit(); err != nil {
		return t.notCreated(err)
	}
	return nil
}

func (t *table) notCreated(err error) error {
	return fmt.Errorf("sqlstore: create table %s in %s: %w", t.name, t.dialect, err)
}

// take waits for the turn to write, where there is one writer.
func (t *table) take(ctx context.Context) (done func(), err error) {
	if t.turn == nil {
		return func() {}, nil
	}
	select {
	case t.turn <- struct{}{}:
		return func() { <-t.turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
