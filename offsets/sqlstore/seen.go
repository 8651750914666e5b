package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/karafgo/karafgo/internal/seen"
	"github.com/karafgo/karafgo/offsets"
)

// commitTimeout bounds a commit. One that is cut off may have taken effect: the record is handed over again, and its id tells.
const commitTimeout = 10 * time.Second

// Set remembers the ids of records that were handled: a middleware.Seen for middleware.Dedupe. An id belongs to a group and a topic, and
// is any text.
//
// It grows by a row for each id: call Forget from time to time.
type Set struct {
	table

	insert, forget string
}

// NewSet returns a set in a database, which stays the caller's to close, after the engine has stopped. It does not talk to it: Migrate
// does.
func NewSet(db *sql.DB, opts ...Option) (*Set, error) {
	t, err := newTable(db, "karafgo_seen", opts)
	if err != nil {
		return nil, err
	}
	return &Set{table: t, insert: t.words(insertIDs), forget: t.words(deleteIDs)}, nil
}

// Of two transactions that insert the same id PostgreSQL lets the second wait for what becomes of the first. Ids come in one order, so
// that two batches do not wait for each other.
const (
	createSet = `CREATE TABLE IF NOT EXISTS %TABLE% (
	consumer_group TEXT   NOT NULL,
	topic          TEXT   NOT NULL,
	id             TEXT   NOT NULL,
	seen_at        BIGINT NOT NULL, -- seconds since 1970
	PRIMARY KEY (consumer_group, topic, id)
)`
	createSetIndex = `CREATE INDEX IF NOT EXISTS %INDEX% ON %OF% (seen_at)`
	insertIDs      = `INSERT INTO %TABLE% (consumer_group, topic, id, seen_at)
SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), value, CAST($3 AS BIGINT) FROM json_array_elements_text($4) WHERE true
ON CONFLICT (consumer_group, topic, id) DO NOTHING
RETURNING id`
	deleteIDs = `DELETE FROM %TABLE% WHERE (consumer_group, topic, id) IN
(SELECT consumer_group, topic, id FROM %TABLE% WHERE seen_at < $1 LIMIT $2)`
)

// Migrate creates the table, if it does not exist. Programs that may not create tables have it created by whoever may.
func (s *Set) Migrate(ctx context.Context) error { return s.create(ctx, createSet, createSetIndex) }

// Once implements middleware.Seen.
func (s *Set) Once(ctx context.Context, p offsets.Partition, ids []string, handle func(context.Context, []bool) (int, error)) error {
	return s.once(ctx, p, ids, s.find, handle)
}

// find remembers ids, and tells which of them had been.
func (s *Set) find(ctx context.Context, tx *sql.Tx, p offsets.Partition, ids []string) ([]bool, error) {
	for _, id := range ids {
		if !utf8.ValidString(id) || strings.ContainsRune(id, 0) {
			return nil, fmt.Errorf("id %q is no text that a database keeps: want UTF-8 without NUL, such as hex", id)
		}
	}
	list, err := json.Marshal(seen.Distinct(ids))
	if err != nil {
		return nil, err
	}
	found, err := tx.QueryContext(ctx, s.insert, p.Group, seen.Topic(p), time.Now().Unix(), string(list))
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }()
	fresh := map[string]bool{}
	for found.Next() {
		var id string
		if err := found.Scan(&id); err != nil {
			return nil, err
		}
		fresh[id] = true
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	return seen.Copies(ids, fresh), nil
}

// Forget deletes the ids that were remembered before a time, and returns how many. A copy that comes later than that is handled again:
// keep them for longer than a producer, or somebody who goes back in a topic, may be behind. It deletes a thousand at a time, so others
// need not wait for it, and goes on where it was when it is called again.
func (s *Set) Forget(ctx context.Context, before time.Time) (n int64, err error) {
	const most = 1000
	for {
		deleted, err := s.forgetSome(ctx, before, most)
		n += deleted
		if err != nil {
			return n, fmt.Errorf("sqlstore: forget ids in %s: %w", s.name, err)
		}
		if deleted < most {
			return n, nil
		}
	}
}

func (s *Set) forgetSome(ctx context.Context, before time.Time, most int) (int64, error) {
	done, err := s.take(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	result, err := s.db.ExecContext(ctx, s.forget, before.Unix(), most)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Last remembers one id for each partition: a middleware.Seen for middleware.Dedupe, for ids that grow with the offset in a partition,
// such as a producer's sequence numbers. One that is not greater than the last is a copy. Ids are whole numbers in decimal; another text
// fails the record. Delete a partition's row when its ids begin anew.
//
// It needs an order: on a route by key every record fails. A record that goes to a retry topic leaves its order, and is a record of that
// topic, whose copies here are not told from it: take a [Set] there.
type Last struct {
	table

	hold, move string
}

// NewLast returns the last ids in a database, which stays the caller's to close, after the engine has stopped. It does not talk to it:
// Migrate does.
func NewLast(db *sql.DB, opts ...Option) (*Last, error) {
	t, err := newTable(db, "karafgo_last", opts)
	if err != nil {
		return nil, err
	}
	return &Last{table: t, hold: t.words(holdLast), move: t.words(moveLast)}, nil
}

// The row is locked before it is read, so an owner of before is waited for.
const (
	createLast = `CREATE TABLE IF NOT EXISTS %TABLE% (
	consumer_group TEXT    NOT NULL,
	topic          TEXT    NOT NULL,
	partition_id   INTEGER NOT NULL,
	last_id        BIGINT, -- NULL for none
	PRIMARY KEY (consumer_group, topic, partition_id)
)`
	holdLast = `INSERT INTO %TABLE% AS l (consumer_group, topic, partition_id) VALUES ($1, $2, $3)
ON CONFLICT (consumer_group, topic, partition_id) DO UPDATE SET last_id = l.last_id
RETURNING last_id`
	moveLast = `UPDATE %TABLE% SET last_id = $4 WHERE consumer_group = $1 AND topic = $2 AND partition_id = $3`
)

// Migrate creates the table, if it does not exist. Programs that may not create tables have it created by whoever may.
func (l *Last) Migrate(ctx context.Context) error { return l.create(ctx, createLast) }

// Once implements middleware.Seen.
func (l *Last) Once(ctx context.Context, p offsets.Partition, ids []string, handle func(context.Context, []bool) (int, error)) error {
	return l.once(ctx, p, ids, l.find, handle)
}

// find remembers the last of the ids, and tells which are copies.
func (l *Last) find(ctx context.Context, tx *sql.Tx, p offsets.Partition, ids []string) ([]bool, error) {
	if err := seen.InOrder(p); err != nil {
		return nil, err
	}
	var last sql.NullInt64
	if err := tx.QueryRowContext(ctx, l.hold, p.Group, p.Topic, p.ID).Scan(&last); err != nil {
		return nil, err
	}
	before := seen.Mark{ID: last.Int64, Valid: last.Valid}
	copies, next, err := seen.Grown(ids, before)
	if err == nil && next != before {
		_, err = tx.ExecContext(ctx, l.move, p.Group, p.Topic, p.ID, next.ID)
	}
	return copies, err
}

// finder remembers ids in a transaction and tells which are copies.
type finder func(ctx context.Context, tx *sql.Tx, p offsets.Partition, ids []string) ([]bool, error)

// handler hands over what is no copy, and tells how many count although it failed.
type handler = func(ctx context.Context, copies []bool) (n int, err error)

// once hands over in the transaction of ctx, which its owner commits, or in one of its own. When that fails at one of the records, nobody
// knows what was written for those before it, so they are handed over again, alone.
func (t *table) once(ctx context.Context, p offsets.Partition, ids []string, find finder, handle handler) error {
	if open, ok := ctx.Value(txKey{}).(*transaction); ok {
		if open.db != t.db {
			return t.fail(p, errors.New("the transaction of its route is in another database: make both with one *sql.DB"))
		}
		copies, err := find(ctx, open.tx, p, ids)
		if err != nil {
			return t.fail(p, err)
		}
		_, err = handle(ctx, copies)
		return err
	}
	n, failed := t.alone(ctx, p, ids, find, handle)
	for n > 0 {
		fewer, err := t.alone(ctx, p, ids[:n], find, handle)
		if err == nil {
			break
		}
		n, failed = fewer, err
	}
	return failed
}

// alone hands over in a transaction of its own. n is how many ids would count if they were alone.
func (t *table) alone(ctx context.Context, p offsets.Partition, ids []string, find finder, handle handler) (n int, err error) {
	var copies []bool
	open, err := t.open(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		copies, err = find(ctx, tx, p, ids)
		return err
	})
	if err != nil {
		return 0, t.fail(p, err)
	}
	committed := false
	defer func() {
		if !committed { // it failed, or panicked
			open.Rollback()
		}
	}()
	if n, err = handle(open.Context(ctx), copies); err != nil {
		return n, err
	}
	committed = true
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	if err := open.commit(bounded, nil); err != nil {
		return 0, t.fail(p, fmt.Errorf("commit: %w", err))
	}
	return 0, nil
}

func (t *table) fail(p offsets.Partition, err error) error {
	return fmt.Errorf("sqlstore: look for copies of %s/%d in group %q in %s: %w", p.Topic, p.ID, p.Group, t.name, err)
}
