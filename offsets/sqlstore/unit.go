package sqlstore

import (
	"context"
	"database/sql"

	"github.com/karafgo/karafgo/offsets"
)

// unit is a transaction that ends with the offset behind it.
type unit struct {
	*transaction

	claim claim
}

// Begin implements offsets.Claim.
func (c claim) Begin(ctx context.Context) (offsets.Unit, error) {
	var first func(context.Context, *sql.Tx) error
	if c.s.dialect == SQLite {
		first = func(ctx context.Context, tx *sql.Tx) error { return c.exec(ctx, tx, c.s.sql.hold) }
	}
	open, err := c.s.open(ctx, first)
	if err != nil {
		return nil, c.fail("begin a transaction for", err)
	}
	return unit{open, c}, nil
}

// Commit implements offsets.Unit. The row is locked from the UPDATE on, so whoever claims waits until the commit has been decided.
func (u unit) Commit(ctx context.Context, next offsets.Position) error {
	if err := u.commit(ctx, func() error { return u.claim.move(ctx, u.tx, next) }); err != nil {
		return u.claim.fail("commit", err)
	}
	return nil
}
