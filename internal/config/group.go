package config

import "time"

// The values of [Group.Balancers].
const (
	CooperativeSticky = "cooperative-sticky"
	Sticky            = "sticky"
	Range             = "range"
	RoundRobin        = "round-robin"
)

// The values of [Group.Protocol].
const (
	Classic  = "classic"
	Consumer = "consumer"
)

// The values of [Fetch.Isolation].
const (
	ReadUncommitted = "read_uncommitted"
	ReadCommitted   = "read_committed"
)

// The values of [Fetch.OnGap].
const (
	ResumeAfterGap = "resume"
	StopOnGap      = "stop"
)

// The values of [Fetch.OnUnreadable].
const (
	BlockOnUnreadable = "block"
	StopOnUnreadable  = "stop"
)

// Group is the membership of every consumer group of the process: how a dead member is noticed and
// how partitions change hands. A group's own values stand in groups.<id>.group.
type Group struct {
	// Protocol is classic, or consumer for the protocol of KIP-848: the broker distributes the
	// partitions, and only those that move are stopped. It needs Kafka 4.0, and 4.3 to be free of
	// needless redeliveries in a rebalance. session_timeout and heartbeat_interval are the broker's then
	// (group.consumer.session.timeout.ms) and refused here. Kafka: group.protocol. Defaults to classic.
	Protocol string `yaml:"protocol"`
	// SessionTimeout is how long the broker waits for a heartbeat before it takes the member for dead
	// and gives its partitions to others, 100ms or more. The broker may narrow the range
	// (group.min.session.timeout.ms, group.max.session.timeout.ms). It must be less than
	// rebalance_timeout, or a dead member would hold a rebalance up to its very end. Kafka:
	// session.timeout.ms (KIP-735). Defaults to 45s.
	SessionTimeout time.Duration `yaml:"session_timeout"`
	// HeartbeatInterval is the time between two heartbeats, at most a third of session_timeout, so
	// that two may get lost. A member learns of a rebalance by its heartbeat. Kafka:
	// heartbeat.interval.ms. Defaults to 3s.
	HeartbeatInterval time.Duration `yaml:"heartbeat_interval"`
	// RebalanceTimeout is how long members may take to give up their partitions and join again, once
	// a rebalance began. A member that takes longer is put out of the group, and what it was handling
	// is handled again by another. The broker uses the longest of all members. Kafka: the part of
	// max.poll.interval.ms that concerns rebalances (KIP-62). Defaults to 1m.
	RebalanceTimeout time.Duration `yaml:"rebalance_timeout"`
	// Drain is how long a handler that is running on a revoked partition may go on before its context
	// is cancelled; less than rebalance_timeout, because cancelling, committing and joining take time
	// too. 0s cancels at once. Defaults to half of rebalance_timeout.
	Drain time.Duration `yaml:"drain"`
	// Balancers are the strategies that distribute partitions, in order of preference; members of a
	// group must have one in common: cooperative-sticky (KIP-429), sticky (KIP-54), range,
	// round-robin. With one of the last three in the list every rebalance stops all partitions of the
	// group, so mix them with cooperative-sticky only to migrate: roll out both, then
	// cooperative-sticky alone. With the protocol consumer the broker has two: uniform, which
	// cooperative-sticky and sticky mean, and range. A program may have its own (framework.Balancers).
	// Kafka: partition.assignment.strategy, group.remote.assignor. Defaults to cooperative-sticky.
	Balancers []string `yaml:"balancers"`
	// InstanceID makes the member static (KIP-345): a restart within session_timeout causes no
	// rebalance. It must differ from process to process and stay the same over a restart, so take it
	// from the environment, such as the name of a stateful pod. Letters, digits, dot, underscore and
	// hyphen. Kafka: group.instance.id. Defaults to empty, a dynamic member.
	InstanceID string `yaml:"instance_id"`
}

// Fetch bounds what a group receives from the cluster and holds in memory. A group's own values stand
// in groups.<id>.fetch.
type Fetch struct {
	// MinBytes is how much a broker collects before it answers a fetch, unless max_wait passes first,
	// up to a quarter of max_buffered_bytes. More trades latency for fewer requests. Kafka:
	// fetch.min.bytes. Defaults to 1.
	MinBytes Bytes `yaml:"min_bytes"`
	// MaxWait is how long a broker may wait for min_bytes, 10ms or more. It is also how long a
	// partition that resumes may have to wait behind a fetch that is under way, so long waits make
	// resuming slow. Kafka: fetch.max.wait.ms. Defaults to 500ms.
	MaxWait time.Duration `yaml:"max_wait"`
	// MaxPartitionBytes is the most that one fetch returns of one partition, up to a quarter of
	// max_buffered_bytes: one part is handled while others are queued, buffered and on their way. A
	// single batch that is larger is returned nevertheless (KIP-74). Small fetches are still in the
	// processor's cache when they are handled; where brokers are far away, large ones save round
	// trips. Kafka: max.partition.fetch.bytes. Defaults to 512KiB.
	MaxPartitionBytes Bytes `yaml:"max_partition_bytes"`
	// MaxBufferedBytes bounds the memory of one group: all records that are fetched and not yet
	// handled, by the size of the responses that they keep alive. The size and number of fetches are
	// derived from it; above it polling stops until handlers have caught up. A process with several
	// groups may hold this much for each. Defaults to 256MiB.
	MaxBufferedBytes Bytes `yaml:"max_buffered_bytes"`
	// Isolation is read_committed to receive only records of transactions that were committed
	// (KIP-98), or read_uncommitted to receive all records at once. Kafka: isolation.level. Defaults
	// to read_uncommitted.
	Isolation string `yaml:"isolation"`
	// OnGap is what to do when records are gone that should have been consumed next, because retention
	// deleted them, the log was cut, or the committed offset is beyond its end: resume with the next
	// record that exists, or stop the process, so that somebody looks. Either way it is told. Kafka: the
	// part of auto.offset.reset that concerns offsets out of range. Defaults to resume.
	OnGap string `yaml:"on_gap"`
	// OnUnreadable is what to do with a batch that cannot be read: one that is corrupt, or that grows to
	// more than a quarter of max_buffered_bytes when it is decompressed. block leaves its partition where it is,
	// visibly, and tries again every 30s at most; stop ends the process. Nothing is skipped: who wants to go
	// on behind it seeks there, or resets the group. Defaults to block.
	OnUnreadable string `yaml:"on_unreadable"`
	// MaxPollRecords is the most records taken from the client at once, 1 or more. It does not bound
	// what is fetched. Kafka: max.poll.records (KIP-41). Defaults to 10000.
	MaxPollRecords int `yaml:"max_poll_records"`
}

// Commit paces the commits of offsets. What was handled after the last commit is handled again after
// a crash; a revoke and a clean stop always commit. A group's own values stand in groups.<id>.commit.
type Commit struct {
	// Interval is the time between two commits of a group, 100ms or more. Kafka:
	// auto.commit.interval.ms. Defaults to 5s.
	Interval time.Duration `yaml:"interval"`
	// Threshold is the number of records handled since the last commit that causes one at once,
	// before interval has passed. 0 leaves it to interval alone. Defaults to 0.
	Threshold int `yaml:"threshold"`
	// TransactionInterval is how long outputs and offsets of a group drawn with ExactlyOnce wait to be
	// committed together, 1ms or more: what reads them committed sees them so much later. Kafka Streams:
	// commit.interval.ms. Defaults to 100ms.
	TransactionInterval time.Duration `yaml:"transaction_interval"`
}
