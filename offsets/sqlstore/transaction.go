package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// ErrNoTx is returned by Tx for a context of no handler of a route with ExternalOffsets, or behind middleware.Dedupe with a Set or a
// Last.
var ErrNoTx = errors.New("sqlstore: no transaction in this context: draw the route with ExternalOffsets(store), " +
	"or with middleware.Dedupe and a sqlstore.Set or Last, and pass on the handler's context")

type txKey struct{}

// Tx returns the transaction of the record or batch that a handler was called for. Neither commit it nor roll it back, and use it while
// the handler runs and no longer.
func Tx(ctx context.Context) (*sql.Tx, error) {
	if open, ok := ctx.Value(txKey{}).(*transaction); ok {
		return open.tx, nil
	}
	return nil, ErrNoTx
}

// transaction is one in progress. database/sql keeps the context that it began with for the commit too, and some drivers give up a
// commit whose context ends: it would be in doubt without need. So it has a context of its own, which the caller's ends only
// until the commit begins.
type transaction struct {
	db   *sql.DB
	tx   *sql.Tx
	end  context.CancelCauseFunc
	keep func() bool // unties it from the context that it began with; false when that has ended
	done func()      // gives the turn to write to the next
}

// open begins a transaction with what is first done in it, nil for nothing. In SQLite that has to be a write: a transaction that reads
// first and writes later fails when another has written in between.
func (t *table) open(ctx context.Context, first func(context.Context, *sql.Tx) error) (*transaction, error) {
	done, err := t.take(ctx)
	if err != nil {
		return nil, err
	}
	done = sync.OnceFunc(done)
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	open := &transaction{db: t.db, end: end, done: done}
	open.keep = context.AfterFunc(ctx, func() {
		end(context.Cause(ctx)) // database/sql rolls back
		done()
	})
	if open.tx, err = t.db.BeginTx(life, t.begin); err == nil && first != nil {
		if err = first(life, open.tx); err != nil {
			_ = open.tx.Rollback()
		}
	}
	if err != nil {
		open.keep()
		open.over()
		return nil, err
	}
	return open, nil
}

// Context returns ctx with the transaction. It implements offsets.Unit.
func (t *transaction) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, txKey{}, t)
}

// commit commits, after what is last done in it, nil for nothing. ctx bounds it; the end of the context that the transaction began with
// is of no meaning any more.
func (t *transaction) commit(ctx context.Context, last func() error) error {
	defer t.over()
	if !t.keep() {
		_ = t.tx.Rollback()
		return context.Canceled
	}
	defer context.AfterFunc(ctx, func() { t.end(context.Cause(ctx)) })()
	if last != nil {
		if err := last(); err != nil {
			_ = t.tx.Rollback()
			return err
		}
	}
	return t.tx.Commit()
}

// Rollback gives up what was written. A connection that does not take it is closed, which rolls back too. It implements offsets.Unit.
func (t *transaction) Rollback() {
	t.keep()
	_ = t.tx.Rollback()
	t.over()
}

func (t *transaction) over() {
	t.end(nil)
	t.done()
}
