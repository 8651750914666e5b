package offsets

import (
	"context"
	"errors"
)

// Store keeps offsets where the results are: in the user's own database. What a handler writes there and the offset behind its record are
// stored together or not at all, so a record takes effect once, whatever crashes in between. Routes use one with ExternalOffsets;
// package sqlstore has one for database/sql, and testkit one for tests and a suite that every Store must pass.
//
// The engine asks it, and never Kafka, where a partition is to be consumed from. It is used by several goroutines.
type Store interface {
	// Claim makes the caller the owner of a partition, instead of whoever was, and returns where it goes on. What is stored is read in the
	// same step as the ownership changes: a unit of an earlier owner either was committed before, and the position is behind it, or is
	// refused.
	//
	// A claim that returned an error may have been made all the same: the engine claims again.
	Claim(ctx context.Context, p Partition) (Claim, Position, error)
}

// Claim is one ownership of a partition, which ends with the next Claim or Renew. It stands for a fencing token: a number greater than
// that of every earlier owner, which everything that is stored is compared with. One goroutine uses it at a time.
type Claim interface {
	// Begin begins a unit of work, for one record or one batch. ctx is the unit's life: when it ends before Commit was called, the
	// unit is rolled back, whatever the handler still does.
	Begin(ctx context.Context) (Unit, error)
	// Move stores a position without a unit of work: for records that are skipped or went to another topic, for a start that a route
	// draws, for a seek. Of a stale owner it returns ErrFenced, and has no effect. After any other error nobody knows whether it has.
	Move(ctx context.Context, to Position) error
	// Renew finds out what became of a Commit or a Move that returned an error: it replaces the claim by one with another token, so that
	// nothing of this one that is still under way takes effect later, and returns the position that is stored. It waits for what cannot be
	// stopped any more. When the partition has been claimed by another owner it returns ErrFenced. After any other error it is called
	// again, on the same claim.
	Renew(ctx context.Context) (Claim, Position, error)
}

// Unit is a unit of work in progress: what one handler writes, and the offset behind it.
type Unit interface {
	// Context returns ctx with what the handler needs to write in this unit, such as its transaction.
	Context(ctx context.Context) context.Context
	// Commit stores what was written together with the position, or neither. Of a stale owner it returns ErrFenced, and nothing is
	// stored. After any other error nobody knows: the engine asks with Renew. ctx bounds the commit; the end of the context that the
	// unit began with is of no meaning any more.
	Commit(ctx context.Context, next Position) error
	// Rollback gives up what was written. It is called once for every unit that is not committed, and after a Commit that failed not at
	// all.
	Rollback()
}

// Partition names a partition as a consumer group sees it.
type Partition struct {
	Group string
	Topic string
	ID    int32
}

// Position is where a group goes on in a partition.
type Position struct {
	// Offset is that of the next record to consume, -1 for none: nothing was stored yet.
	Offset int64
	// Epoch is the leader epoch of the record before it, -1 if unknown (KIP-320).
	Epoch int32
	// Metadata is kept as it is, 4,096 bytes at most. The engine tells by it a topic from another one that was made later under its name.
	Metadata string
}

// None is the position of a partition that nothing was stored of.
func None() Position { return Position{Offset: -1, Epoch: -1} }

// ErrFenced is returned to a stale owner: somebody else has claimed the partition since. What it wanted to store is not stored.
var ErrFenced = errors.New("partition claimed by another owner in the offset store: nothing of this one is stored any more")
