package callbacks

import "context"

// Partitions are partition numbers by topic.
type Partitions map[string][]int32

// Hooks run in line with a consumer group's life. Any may be nil. The group waits for them: they must return when their context ends
// (5 s, and never later than a rebalance allows). An error is logged and changes nothing; a panic is contained and logged.
type Hooks struct {
	// BeforePoll runs before each poll of the client, in the poll loop.
	BeforePoll func(ctx context.Context, group string) error
	// AfterPoll runs after each poll with the number of records it returned, empty polls included.
	AfterPoll func(ctx context.Context, group string, records int) error
	// AfterFetch runs for the records of one partition before they are queued for its handler.
	AfterFetch func(ctx context.Context, group, topic string, partition int32, records int) error
	// OnAssigned runs after partitions were assigned and before they are fetched.
	OnAssigned func(ctx context.Context, group string, p Partitions) error
	// OnRevoked runs after the last commit for revoked partitions and before others get them.
	OnRevoked func(ctx context.Context, group string, p Partitions) error
	// OnLost runs instead of OnRevoked when partitions were lost without warning: others may handle them already.
	OnLost func(ctx context.Context, group string, p Partitions) error
	// BeforeStop runs when a group is about to stop, before anything is drained.
	BeforeStop func(ctx context.Context, group string) error
	// AfterStop runs after a group has left and its client is closed.
	AfterStop func(ctx context.Context, group string) error
}
