package engine

import (
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/kafka"
)

// Settings is what the engine is told beside the routes. Zero durations are taken as they are: defaults belong to the
// configuration.
type Settings struct {
	// Connect makes clients.
	Connect kafka.Connector
	// Group gives the settings of a consumer group.
	Group func(id string) GroupSettings
	// Topics override what routes draw.
	Topics map[string]TopicSettings
	// Limit bounds handlers at once in this process; 0 does not.
	Limit int
	// BootTimeout bounds how long Start waits for the cluster's first answer; 0 waits for as long as its context.
	BootTimeout time.Duration
	// MissingTopics is MissingFail, MissingWarn or MissingCreate.
	MissingTopics string
	// TopicInterval is how often the cluster's topics are looked at; 0 never.
	TopicInterval time.Duration
	// Drain and Grace are those of Stop.
	Drain, Grace time.Duration
	// Jitter makes a pause before a retry of the longest that it may be; nil takes a random part of it (full jitter).
	Jitter func(longest time.Duration) time.Duration
	// OnFatal is called once, in a goroutine of its own, when the engine cannot go on; may be nil.
	OnFatal func(error)
	// Middleware wraps every route, the first outermost.
	Middleware []consumer.Middleware
	Hooks      []callbacks.Hooks
	// Inline listeners are called where the event happens. They must be fast and safe for concurrent use.
	Inline []callbacks.Listener
	// Listeners have a queue each.
	Listeners []callbacks.Listener
}

// What to do at boot about drawn topics that do not exist.
const (
	MissingFail   = "fail"
	MissingWarn   = "warn"
	MissingCreate = "create"
)

// GroupSettings are those of one consumer group.
type GroupSettings struct {
	// MaxPollRecords bounds one poll.
	MaxPollRecords int
	// QueueBytes is what the group's queues may hold.
	QueueBytes int64
	// PartitionBytes is what a partition may have queued in any case.
	PartitionBytes int64
	// FetchWait is how long the broker holds a fetch that has nothing.
	FetchWait       time.Duration
	CommitInterval  time.Duration
	CommitThreshold int
	// TransactionInterval is between two commits of a group drawn with ExactlyOnce.
	TransactionInterval time.Duration
	// TransactionTimeout is after how long the cluster ends a transaction.
	TransactionTimeout time.Duration
	// StopOnGap ends the process when records are gone that should have been consumed, instead of going on after them.
	StopOnGap bool
	// StopOnUnreadable ends the process at a batch that cannot be read, instead of waiting at it.
	StopOnUnreadable bool
	// RevokeDrain is how long deliveries of a revoked partition may go on, RevokeGrace how long their cancellation may take.
	RevokeDrain, RevokeGrace time.Duration
}

// TopicSettings override a route; zero values do not.
type TopicSettings struct {
	Concurrency int
	BatchSize   int
	BatchWait   time.Duration
}
