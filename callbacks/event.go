package callbacks

import (
	"time"
)

// Event is one of the structs of this file, passed by value. The set is closed: a type switch over it is complete.
type Event interface {
	event()
}

// Where names a partition as a consumer group sees it. Events about a partition embed it.
type Where struct {
	Group     string
	Topic     string
	Partition int32
}

// Started says that a group has joined the cluster's consumer group and polls.
type Started struct {
	Group  string
	Topics []string
}

// Joined says that the group has completed a rebalance, and how many partitions this process has got by it; a member without any is idle
// and well.
type Joined struct {
	Group      string
	Partitions int
}

// Assigned says that a partition was granted to this process. Epoch counts its assignments in this process, from 1.
type Assigned struct {
	Where

	Epoch int
}

// Positioned says from where an assigned partition is consumed.
type Positioned struct {
	Where

	Offset int64
	// Committed is false when the group had no committed offset and the route's start policy decided.
	Committed bool
	// Start is the policy that decided: "earliest", "latest", a time, "new partition"; empty when Committed.
	Start string
	// Done is how many offsets above Offset are done already, on a route by key.
	Done int64
}

// MetadataIgnored says that a committed offset came with metadata that cannot be understood: what it may say of records above the offset
// that are done does not count, and they are handled again.
type MetadataIgnored struct {
	Where

	Offset int64
	Err    error
}

// Revoked says that a partition was taken away, after its drain and its last commit. Lost says that it went without warning and
// nothing could be committed.
type Revoked struct {
	Where

	Epoch int
	Lost  bool
	// Drained is false when a handler did not return in time and was abandoned.
	Drained bool
}

// Polled says that the client was polled. It is emitted for polls that returned something.
type Polled struct {
	Group   string
	Records int
}

// Fetched says that records of one partition were queued.
type Fetched struct {
	Where

	First, Last   int64
	Count         int
	Bytes         int64
	HighWatermark int64
}

// Handled says that a run of records was handled: all took about Elapsed / Count. On routes that hand over one after the other a record
// that took longer than the engine's clock tick (1 ms) has a run of its own. On routes by key and unordered a run is what was handled
// within a tick and took as long, to a factor of two, or less than half a millisecond. It is told of before an offset behind one of its
// records is committed.
type Handled struct {
	Where

	First, Last int64
	Count       int
	// Skipped is how many of Count were taken out by middleware.
	Skipped int
	Elapsed time.Duration
	// Batch is true for one call of a batch handler.
	Batch bool
	// Offsets are those of the records, ascending, where they are not all from First to Last: on routes by key.
	Offsets []int64
}

// Failed says that an attempt failed. First and Last differ for a batch that failed as a whole.
type Failed struct {
	Where

	First, Last int64
	Attempt     int
	Err         error
	Elapsed     time.Duration
	// Panic is true when the handler panicked or called runtime.Goexit; Err is then a *consumer.PanicError.
	Panic bool
}

// Retried says that a delivery that failed or was postponed is handed over again after Delay, as the attempt that Attempt says: postponed,
// it is the same once more.
type Retried struct {
	Where

	Offset  int64
	Attempt int
	Delay   time.Duration
	Err     error
}

// Blocked says that a record has used up its retries, or is permanent, on a route whose OnFailure ends in Block: its
// partition does not move on until it succeeds. It is emitted once for a record, Retried for each attempt that follows.
type Blocked struct {
	Where

	Offset  int64
	Attempt int
	Err     error
}

// RetriedLater says that a record left its partition for a retry topic, in which it waits for Delay and gets another attempt. Its
// partition goes on.
type RetriedLater struct {
	Where

	Offset int64
	// To is the retry topic.
	To      string
	Delay   time.Duration
	Attempt int
	Err     error
}

// DeadLettered says that a record was written to a dead letter topic, and is marked. Attempt counts those since it came from Where.
type DeadLettered struct {
	Where

	Offset int64
	// To is the dead letter topic.
	To      string
	Attempt int
	Err     error
}

// ForwardFailed says that a record could not be written to its dead letter or retry topic. Its partition waits, and it is tried again.
type ForwardFailed struct {
	Where

	Offset int64
	// To is the topic that could not be written.
	To  string
	Err error
}

// Skipped says that a record was marked without having been handled, and why.
type Skipped struct {
	Where

	Offset int64
	Err    error
}

// Produced says that outputs of a run were acknowledged by the broker.
type Produced struct {
	Where

	Count   int
	Elapsed time.Duration
}

// ProduceFailed says that an output was not acknowledged. The records from Offset on are delivered again.
type ProduceFailed struct {
	Where

	Offset int64
	Output string
	Err    error
}

// Sent says that the broker acknowledged records that the program sent by itself, through a responder.Producer: those of one topic, until
// none was under way, and once a second at least.
type Sent struct {
	Topic   string
	Count   int
	Elapsed time.Duration
}

// SendFailed says that a record that the program sent by itself was not acknowledged.
type SendFailed struct {
	Topic string
	Err   error
}

// Committed says that the broker stored an offset: the next record to consume.
type Committed struct {
	Where

	Offset int64
}

// TransactionAborted says that a transaction of a group drawn with ExactlyOnce was not committed: everything that was finished since the
// one before is handled again. Nobody who reads what is committed sees its outputs.
type TransactionAborted struct {
	Group string
	Err   error
}

// CommitFailed says that an offset was not stored. It is kept, and committed later if the partition is still owned.
type CommitFailed struct {
	Where

	Offset int64
	Err    error
}

// StoreFailed says that the store of a route with ExternalOffsets did not claim a partition, begin a unit of work, or say that it has
// stored an offset. The partition waits, and the store is asked again; what it has stored is found out first. Offset is that of the next
// record, -1 while the store has not told it.
type StoreFailed struct {
	Where

	Offset int64
	Err    error
}

// Fenced says that a partition of a route with ExternalOffsets has been claimed in its store by another owner, while this process thought
// that it had it: nothing of it is stored any more, and what was being handled at Offset is rolled back. Nothing is handed over until the
// group has taken the partition away. If it does not, the partition is claimed anew after a while.
type Fenced struct {
	Where

	Offset int64
	Epoch  int
}

// Reasons of Paused and Resumed.
const (
	// PausedQueue: more is queued than the partition's share, its handler is slower than the broker.
	PausedQueue = "queue"
	// PausedUser: Partition.Pause was called.
	PausedUser = "user"
	// PausedTopic: the topic was paused in this process by its operator.
	PausedTopic = "topic"
	// PausedQuiet: the process takes no work; Where names only the group.
	PausedQuiet = "quiet"
	// PausedUnmarked: too many records of a ManualOffsets route were handled and not marked.
	PausedUnmarked = "unmarked"
	// PausedWindow: on a route by key, too many records wait behind one that is not done.
	PausedWindow = "window"
	// PausedBreaker: most records of the route fail; Where has no partition.
	PausedBreaker = "breaker"
	// PausedFenced: another owner has claimed the partition in the store of its offsets.
	PausedFenced = "fenced"
	// PausedMemory: the group holds fetch.max_buffered_bytes; Where names only the group.
	PausedMemory = "memory"
)

// Paused says that a partition is not fetched or not handed over for now.
type Paused struct {
	Where

	Reason string
}

// Resumed ends a Paused of the same reason.
type Resumed struct {
	Where

	Reason string
}

// FetchFailed says that polling reported an error for a partition, or for the whole group when Topic is empty. Repeated errors are
// reported at most every few seconds; Count tells how many this one stands for.
type FetchFailed struct {
	Where

	Err   error
	Count int
}

// Gap says that records between two offsets will not be consumed because they no longer exist.
type Gap struct {
	Where

	// From is the offset that should have been next, To the one that is consumed next.
	From, To int64
	Reason   string
}

// Reasons of Gap.
const (
	// GapRetention: the broker deleted records before they were consumed.
	GapRetention = "retention"
	// GapDataLoss: an unclean leader election cut the log (KIP-320).
	GapDataLoss = "data loss"
	// GapRewound: the broker said that the position is out of range, and the client went back to the first record. To is below From:
	// nothing is lost, and records come again.
	GapRewound = "rewound"
	// GapBeyond: the committed offset is beyond the end of the log.
	GapBeyond = "beyond the end"
)

// Stale says that the result of a handler was dropped because its partition had been taken away meanwhile.
type Stale struct {
	Where

	First, Last int64
	Epoch       int
	Err         error
}

// Unassigned says that records were fetched for a partition that is not assigned, and dropped.
type Unassigned struct {
	Where

	Count int
}

// TopicMissing says that a drawn topic does not exist, or not any more. It is consumed as soon as it does.
type TopicMissing struct {
	Group string
	Topic string
}

// TopicFound says that a topic was found that a pattern matches. It is consumed from now on.
type TopicFound struct {
	Group string
	Topic string
}

// TopicRecreated says that a topic was deleted and made anew. It is consumed from its first record; what was committed for the old one does
// not count.
type TopicRecreated struct {
	Group string
	Topic string
}

// HookFailed says that a hook or a per-partition life-cycle method returned an error or panicked.
type HookFailed struct {
	Group string
	Hook  string
	Err   error
}

// Dropped says that a listener was too slow and missed events.
type Dropped struct {
	Events int64
}

// Stopping says that the process drains. Reason is nil for a plain stop.
type Stopping struct {
	Group  string
	Reason error
}

// Stopped is the last event of a group. Clean is false when a handler had to be abandoned.
type Stopped struct {
	Group string
	Clean bool
}

func (Started) event()            {}
func (Joined) event()             {}
func (Assigned) event()           {}
func (Positioned) event()         {}
func (MetadataIgnored) event()    {}
func (Revoked) event()            {}
func (Polled) event()             {}
func (Fetched) event()            {}
func (Handled) event()            {}
func (Failed) event()             {}
func (Retried) event()            {}
func (Blocked) event()            {}
func (RetriedLater) event()       {}
func (DeadLettered) event()       {}
func (ForwardFailed) event()      {}
func (Skipped) event()            {}
func (Produced) event()           {}
func (ProduceFailed) event()      {}
func (TransactionAborted) event() {}
func (Sent) event()               {}
func (SendFailed) event()         {}
func (Committed) event()          {}
func (CommitFailed) event()       {}
func (StoreFailed) event()        {}
func (Fenced) event()             {}
func (Paused) event()             {}
func (Resumed) event()            {}
func (FetchFailed) event()        {}
func (Gap) event()                {}
func (Stale) event()              {}
func (Unassigned) event()         {}
func (TopicMissing) event()       {}
func (TopicFound) event()         {}
func (TopicRecreated) event()     {}
func (HookFailed) event()         {}
func (Dropped) event()            {}
func (Stopping) event()           {}
func (Stopped) event()            {}
