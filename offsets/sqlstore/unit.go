package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"github.com/karafgo/karafgo/offsets"
)

// ErrNoTx is returned by Tx for a context of no handler of a route with ExternalOffsets.
var ErrNoTx = errors.New("sqlstore: no transaction in this context: draw the route with ExternalOffsets(store), " +
	"and pass on the handler's context")

type txKey struct{}

// Tx returns the transaction of the record or batch that a handler was called for. Neither commit it nor roll it back, and use it while the
// handler runs and no longer.
func Tx(ctx context.Context) (*sql.Tx, error) {
	if tx, ok := ctx.Value(txKey{}).(*sql.Tx); ok {
		return tx, nil
	}
	return nil, ErrNoTx
}

// unit is a transaction in progress. database/sql keeps the context that it began with for the commit too, and some drivers give up a
// commit whose context ends: it would be in doubt without need. So the transaction has a context of its own, which the engine's ends only
// until the commit begins.
type unit struct {
	claim claim
	tx    *sql.Tx
	end   context.CancelCauseFunc
	keep  func() bool // unties it from the context that it began with; false when that has ended
	done  func()      // gives the turn to write to the next
}

// Begin implements offsets.Claim.
func (c claim) Begin(ctx context.Context) (offsets.Unit, error) {
	done, err := c.s.take(ctx)
	if err != nil {
		return nil, c.fail("begin a transaction for", err)
	}
	done = sync.OnceFunc(done)
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	u := &unit{claim: c, end: end, done: done}
	u.keep = context.AfterFunc(ctx, func() {
		end(context.Cause(ctx)) // database/sql rolls back
		done()
	})
	if u.tx, err = c.s.db.BeginTx(life, c.s.begin); err == nil && c.s.dialect == SQLite {
		// A transaction that reads first and writes later fails when another has written in between. This one writes first.
		if err = c.exec(life, u.tx, c.s.sql.hold); err != nil {
			_ = u.tx.Rollback()
		}
	}
	if err != nil {
		u.keep()
		u.over()
		return nil, c.fail("begin a transaction for", err)
	}
	return u, nil
}

// Context implements offsets.Unit.
func (u *unit) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, txKey{}, u.tx)
}

// Commit implements offsets.Unit. The row is locked from the UPDATE on, so whoever claims waits until the commit has been decided.
func (u *unit) Commit(ctx context.Context, next offsets.Position) error {
	defer u.over()
	if !u.keep() {
		_ = u.tx.Rollback()
		return u.claim.fail("commit", context.Canceled)
	}
	defer context.AfterFunc(ctx, func() { u.end(context.Cause(ctx)) })()
	if err := u.claim.move(ctx, u.tx, next); err != nil {
		_ = u.tx.Rollback()
		return u.claim.fail("commit", err)
	}
	if err := u.tx.Commit(); err != nil {
		return u.claim.fail("commit", err)
	}
	return nil
}

// Rollback implements offsets.Unit. A connection that does not take it is closed, which rolls back too.
func (u *unit) Rollback() {
	u.keep()
	_ = u.tx.Rollback()
	u.over()
}

func (u *unit) over() {
	u.end(nil)
	u.done()
}
