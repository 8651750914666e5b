package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Consumer is one member of one consumer group. *kgo.Client implements most of it; the method comments there apply.
type Consumer interface {
	Fetcher
	OffsetStore
	// MemberID is the id under which the group knows the member, empty while it has none.
	MemberID() string
	// Leave leaves the group, calling Revoked for what is still assigned. A static member stays (KIP-345).
	Leave(ctx context.Context) error
	Close()
}

// Fetcher receives records.
type Fetcher interface {
	PollRecords(ctx context.Context, maxPollRecords int) kgo.Fetches
	PauseFetchPartitions(topicPartitions map[string][]int32) map[string][]int32
	ResumeFetchPartitions(topicPartitions map[string][]int32)
	SetOffsets(offsets map[string]map[int32]kgo.EpochOffset)
	// AddConsumeTopics and PurgeTopicsFromConsuming change what the member consumes; the group rebalances for it.
	AddConsumeTopics(topics ...string)
	PurgeTopicsFromConsuming(topics ...string)
	// SetPartitionBytes sets what one fetch may return of one partition; never more than one fetch may return in all.
	SetPartitionBytes(n int64)
}

// OffsetStore is what the cluster knows about positions.
type OffsetStore interface {
	// Commit stores offsets with metadata and returns when the broker answered. The error is that of the whole request; the map holds
	// the partitions that failed.
	Commit(ctx context.Context, offsets Offsets) (failed map[TopicPartition]error, err error)
	// AddOffsets adds offsets to a transaction, with their metadata. All of them count with it, or none.
	AddOffsets(ctx context.Context, tx TransactionIdentity, offsets Offsets) error
	// FetchOffset reads the committed offset of one partition, -1 when there is none.
	FetchOffset(ctx context.Context, tp TopicPartition) (Committed, error)
	// ListOffsets resolves positions: the first offset, the one after the last, or the first at or after a time.
	ListOffsets(ctx context.Context, at At, topics ...string) (map[TopicPartition]int64, error)
}

// Producer is the client that a process shares: it produces outputs, and answers questions about the cluster.
type Producer interface {
	// Ping returns nil when a broker answers.
	Ping(ctx context.Context) error
	// Denied says what of the rights the cluster does not give. What it does not tell is not denied.
	Denied(ctx context.Context, need Rights) ([]Denial, error)
	// CreateTopics makes topics.
	CreateTopics(ctx context.Context, topics []TopicSpec) error
	// Topics describes topics, all without names. A topic that does not exist is not in the result.
	Topics(ctx context.Context, topics ...string) (map[string]Topic, error)
	// Produce sends r on behalf of the record at from. It waits for room until ctx ends, or as long as a record may be under way. A context
	// that never ends costs least.
	Produce(ctx context.Context, from Source, r *kgo.Record, promise func(*kgo.Record, error))
	// Room is how many small records (see [IsSmall]) each of many senders may send now without waiting for room.
	Room() int
	// ProduceAlone is Produce, but in a batch without other records: an error for which [OneOfBatch] is true is then r's own. Records are
	// sent so one after the other.
	ProduceAlone(ctx context.Context, from Source, r *kgo.Record, promise func(*kgo.Record, error))
	Flush(ctx context.Context) error
	Close()
}

// Connector makes clients.
type Connector interface {
	Consumer(g Group, cb Callbacks) (Consumer, error)
	Producer() (Producer, error)
	// Transactions makes the client for the transactions of a group.
	Transactions(group string) (Transactions, error)
}

// Group is what a member of a consumer group subscribes to.
type Group struct {
	ID     string
	Topics []string
	// Reuse pools records: those that the group recycles are used again.
	Reuse bool
	// InTransactions says that its offsets are committed in transactions. It receives only records that are committed.
	InTransactions bool
}

// Callbacks are called by the client as its assignment changes, never concurrently for one member.
type Callbacks struct {
	Assigned func(ctx context.Context, p map[string][]int32)
	Revoked  func(ctx context.Context, p map[string][]int32)
	Lost     func(ctx context.Context, p map[string][]int32)
	// Position decides where newly assigned partitions are fetched from. It gets what the group had committed; a partition whose
	// offset could not be read is not in the map. What it returns is fetched.
	Position func(ctx context.Context, committed map[TopicPartition]Committed) (Offsets, error)
}

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Source is a consumed record that has others produced.
type Source struct {
	TopicPartition

	Group  string
	Offset int64
}

// Committed is a group's offset of a partition as the broker stores it.
type Committed struct {
	// Offset is negative when there is none.
	Offset   int64
	Epoch    int32
	Metadata string
}

// Offsets are positions by partition.
type Offsets map[TopicPartition]Offset

// Offset is a position: the next record to consume.
type Offset struct {
	Offset int64
	// Epoch is the leader epoch of the record before it, -1 if unknown (KIP-320).
	Epoch    int32
	Metadata string
}

// Topic is what the cluster says about a topic.
type Topic struct {
	ID         [16]byte
	Partitions []int32
	// Err is why it could not be described, though it is there; nil mostly.
	Err error
}

// TopicSpec is a topic to be made; zeros are the cluster's defaults.
type TopicSpec struct {
	Name                    string
	Partitions, Replication int
	Config                  map[string]string
}

// At says which offset ListOffsets looks for.
type At struct {
	kind atKind
	time time.Time
}

type atKind uint8

const (
	atStart atKind = iota
	atEnd
	atTime
)

// Positions to list.
var (
	AtStart = At{kind: atStart} //nolint:gochecknoglobals // a value that does not change
	AtEnd   = At{kind: atEnd}   //nolint:gochecknoglobals // as above
)

// Time returns the time that [AtTime] was given; the zero time otherwise.
func (a At) Time() time.Time { return a.time }

// AtTime is the first offset whose timestamp is t or later.
func AtTime(t time.Time) At { return At{kind: atTime, time: t} }
