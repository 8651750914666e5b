package config

import (
	"slices"
	"time"
)

// The values of [Producer.Compression].
const (
	NoCompression = "none"
	Gzip          = "gzip"
	Snappy        = "snappy"
	LZ4           = "lz4"
	Zstd          = "zstd"
)

// The values of [Producer.OnFull].
const (
	Wait = "wait"
	Fail = "fail"
)

// The values of [Producer.Acks].
const (
	AcksAll    = "all"
	AcksLeader = "leader"
	AcksNone   = "none"
)

// The values of [Producer.Partitioner].
const (
	Murmur2 = "murmur2"
	CRC32   = "crc32"
	Random  = "random"
)

// The values of [Log.Level].
const (
	LevelDebug = "debug"
	LevelInfo  = "info"
	LevelWarn  = "warn"
	LevelError = "error"
)

// The values of [Log.Format].
const (
	FormatAuto    = "auto"
	FormatJSON    = "json"
	FormatConsole = "console"
)

// Producer is how the process sends: what responders write, dead letters, retries, and what the program
// sends by itself through responder.Producer. It is idempotent (KIP-98).
type Producer struct {
	// Compression of the batches sent: none, gzip, snappy, lz4 or zstd (KIP-110). A broker that does
	// not know it is sent uncompressed batches. Kafka: compression.type. Defaults to snappy.
	Compression string `yaml:"compression"`
	// Linger is how long a batch that is not full waits for more records, 1m at most and less than
	// delivery_timeout. Kafka: linger.ms. Defaults to 5ms.
	Linger time.Duration `yaml:"linger"`
	// DeliveryTimeout is how long a record may take to be acknowledged, retries included, 1s or more.
	// What takes longer counts as a failure of the handler that wrote it. A record whose request was
	// sent and not answered is tried until a broker answers: giving it up could write it twice. Kafka:
	// delivery.timeout.ms (KIP-91). Defaults to 30s.
	DeliveryTimeout time.Duration `yaml:"delivery_timeout"`
	// MaxBufferedRecords is the most records that wait for their acknowledgement; above it a handler
	// that sends has to wait. Defaults to 50000.
	MaxBufferedRecords int `yaml:"max_buffered_records"`
	// MaxBufferedBytes is the most bytes of keys, values and headers that wait for their
	// acknowledgement, as max_buffered_records is for their number; a record that is larger alone
	// fails. Kafka: buffer.memory. Defaults to 64MiB.
	MaxBufferedBytes Bytes `yaml:"max_buffered_bytes"`
	// OnFull is what the injected responder.Producer does when the buffer is full: wait, or fail with
	// responder.ErrBufferFull. Outputs of responders, dead letters and retries always wait. Kafka:
	// max.block.ms. Defaults to wait.
	OnFull string `yaml:"on_full"`
	// Acks is how many replicas must have a record that the injected responder.Producer sends: all of
	// those in sync, the leader, or none. Outputs of responders, dead letters and retries are always
	// acknowledged by all. Without all, producing is not idempotent: retries may repeat and reorder.
	// Kafka: acks. Defaults to all.
	Acks string `yaml:"acks"`
	// Partitioner sends a key to a partition: murmur2 as Java's client does, crc32 as ruby-kafka and
	// librdkafka do, or random, whatever the key. Records without a key go to one partition until a
	// batch of 64 KiB is full, then to another. framework.Partitioner takes one of the program.
	// Defaults to murmur2.
	Partitioner string `yaml:"partitioner"`
	// TransactionalID names this process in transactions (KIP-98). Every process needs its own, and the
	// same again after a restart, which ends what it left open. Transactions of responder.Producer need
	// it. Groups drawn with ExactlyOnce add their own id to it; without it they take group.instance_id,
	// or else a random id, and what a crash leaves open holds up its partitions until
	// transaction_timeout. Kafka: transactional.id. Defaults to empty.
	TransactionalID string `yaml:"transactional_id"`
	// TransactionTimeout is how long a transaction may take before the broker aborts it, 15m at most
	// by the broker's own default (transaction.max.timeout.ms). Kafka: transaction.timeout.ms. Defaults
	// to 15s.
	TransactionTimeout time.Duration `yaml:"transaction_timeout"`
}

// Concurrency bounds the handlers of the process, over all groups and routes.
type Concurrency struct {
	// Limit is the number of handlers that run at once in this process. 0 sets no limit beside those
	// of the routes. Defaults to 0.
	Limit int `yaml:"limit"`
}

// Routes chooses what this process consumes of what is drawn, so that one program can be deployed in
// parts. A name that no route draws is refused at boot, and so is a choice that leaves nothing.
type Routes struct {
	// IncludeGroups are the ids of the only groups to consume. Defaults to empty, all of them.
	IncludeGroups []string `yaml:"include_groups"`
	// ExcludeGroups are the ids of groups to leave out. Defaults to empty, none.
	ExcludeGroups []string `yaml:"exclude_groups"`
	// IncludeTopics are the names of the only topics to consume. Every process of a group must choose the
	// same topics, or partitions of the others are consumed by nobody. Defaults to empty, all of them.
	IncludeTopics []string `yaml:"include_topics"`
	// ExcludeTopics are the names of topics to leave out; as with include_topics. Defaults to empty, none.
	ExcludeTopics []string `yaml:"exclude_topics"`
}

// Keeps reports whether a route is chosen.
func (r Routes) Keeps(group, topic string) bool {
	chosen := func(name string, include, exclude []string) bool {
		return (len(include) == 0 || slices.Contains(include, name)) && !slices.Contains(exclude, name)
	}

	return chosen(group, r.IncludeGroups, r.ExcludeGroups) && chosen(topic, r.IncludeTopics, r.ExcludeTopics)
}

// Shutdown bounds a clean stop: polling ends, running handlers finish, offsets are committed and the
// groups left. Give the platform more time than drain and grace together before it kills the process
// (terminationGracePeriodSeconds is 30 in Kubernetes).
type Shutdown struct {
	// Drain is how long running handlers may go on once the stop began, before their contexts are
	// cancelled. 0s cancels at once. Defaults to 30s.
	Drain time.Duration `yaml:"drain"`
	// Grace is how long cancelled handlers may take to return. The records of those that do not are
	// left uncommitted and handled again after the next start. Defaults to 5s.
	Grace time.Duration `yaml:"grace"`
}

// HTTP is the listener of /metrics and of the probes /healthz/startup, /healthz/ready and
// /healthz/live.
type HTTP struct {
	// Listen is the address as host:port; an empty host is every interface, port 0 a free port, and an
	// empty address turns the listener off. Defaults to :8080.
	Listen string `yaml:"listen"`
	// StuckAfter is how long a handler may run before the liveness probe fails, so that the platform
	// replaces the process. Longer than the slowest handler that is still well. 0s never fails for
	// that reason. Defaults to 5m.
	StuckAfter time.Duration `yaml:"stuck_after"`
}

// Log is the process's own log, written to standard error.
type Log struct {
	// Level is the least that is logged: debug, info, warn or error. Defaults to info.
	Level string `yaml:"level"`
	// Format is json for machines, console for people, or auto: console on a terminal, json
	// otherwise. Defaults to auto.
	Format string `yaml:"format"`
}
