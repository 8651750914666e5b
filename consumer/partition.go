package consumer

import "context"

// Partition is one partition assigned to this member, from its assignment to its revocation. When it comes back later that
// is another Partition with a higher epoch.
type Partition interface {
	// Group is the id of the consumer group.
	Group() string
	// Topic is the topic's name.
	Topic() string
	// ID is the partition's number.
	ID() int32
	// Epoch counts the assignments of this partition in this process, from 1.
	Epoch() int

	// Pause stops handing over records of this partition after the one in progress. Membership, other partitions and marks go on.
	// A pause ends with Resume, or when the partition is taken away: one that comes back is not paused. It outlasts a Seek.
	Pause()
	// Resume ends a Pause.
	Resume()
	// Seek continues at offset: whatever was fetched is dropped, and the partition gets a new epoch, which starts when the delivery
	// in progress has returned. Marks of the earlier epoch return offsets.ErrRevoked from then on. It returns when the
	// client has the new position, offsets.ErrRevoked when the partition is no longer this member's, and an error for a
	// negative offset. ctx bounds the wait. On a route with ExternalOffsets it returns at once: when the delivery in progress
	// has ended, and is committed or rolled back, the store is told, and then the client.
	Seek(ctx context.Context, offset int64) error
}

// RevokedHandler is implemented by handlers of EachPartition that want to know when their partition is taken away: after the last
// delivery returned (or was abandoned), before others get it. The context is bounded by the rebalance.
type RevokedHandler interface {
	OnRevoked(ctx context.Context) error
}

// LostHandler is like RevokedHandler for a partition that was lost without warning (the session expired): others may already handle
// it. Without it OnRevoked is called.
type LostHandler interface {
	OnLost(ctx context.Context) error
}

// StopHandler is implemented by handlers of EachPartition that have work to finish before the process stops, for instance a
// buffer to flush. It is called after the last delivery and before the last commit, so marks made in it count.
type StopHandler interface {
	BeforeStop(ctx context.Context) error
}
