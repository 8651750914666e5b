package config

import (
	"slices"
	"time"
)

//go:generate go run ./gen

// Config is the whole configuration of a process. Take [Default] or [Load] as the start, since the
// zero value of most keys is refused. Defaults to what [Default] returns.
type Config struct {
	// Kafka is the way to the cluster.
	Kafka Kafka `yaml:"kafka"`
	// Group is the membership of every consumer group.
	Group Group `yaml:"group"`
	// Fetch bounds what is received from the cluster and held in memory.
	Fetch Fetch `yaml:"fetch"`
	// Commit paces the commits of offsets.
	Commit Commit `yaml:"commit"`
	// Producer is the one client that sends outputs, dead letters and retries.
	Producer Producer `yaml:"producer"`
	// Concurrency bounds the handlers of the process.
	Concurrency Concurrency `yaml:"concurrency"`
	// Shutdown bounds a clean stop.
	Shutdown Shutdown `yaml:"shutdown"`
	// Routes chooses what this process consumes of what is drawn.
	Routes Routes `yaml:"routes"`
	// HTTP is the listener of metrics and probes.
	HTTP HTTP `yaml:"http"`
	// Log is the process's own log.
	Log Log `yaml:"log"`
	// Topics replace what the routes of a topic draw, by the topic's name: how much, never what. A key
	// that is not given leaves the drawing alone. A name that no route draws is refused at boot.
	Topics map[string]Topic `yaml:"topics,omitempty"`
	// Groups replace keys of the sections group, fetch and commit for one consumer group, by the
	// group's id; fetch limits belong to a group and not to a topic, because a group has one client. Keys
	// that are not given are those of the common sections, and the configuration in effect shows the
	// result. An id that no route draws is refused at boot.
	Groups map[string]GroupConfig `yaml:"groups,omitempty"`

	// places tells where a source set a key, by joined path, so that problems found later
	// (Validate, CheckRoutes) can still name the line.
	places map[string]string
}

// GroupConfig is what one consumer group runs with, complete: the common sections, with the keys
// replaced that groups.<id> gives.
type GroupConfig struct {
	// Group overrides keys of the section group.
	Group Group `yaml:"group"`
	// Fetch overrides keys of the section fetch.
	Fetch Fetch `yaml:"fetch"`
	// Commit overrides keys of the section commit.
	Commit Commit `yaml:"commit"`
}

// Topic is what topics.<name> replaces; a nil field leaves the drawing alone.
type Topic struct {
	// Concurrency is the number of handlers of each of the topic's routes that run at once in this
	// process, 1 or more. Defaults to what the route draws.
	Concurrency *int `yaml:"concurrency,omitempty"`
	// BatchSize is the most records that a batch handler receives in one call, 1 or more. Defaults to
	// what the route draws.
	BatchSize *int `yaml:"batch_size,omitempty"`
	// BatchWait is how long an incomplete batch waits for more records, counted from its first
	// record; 0s hands over what is there. Defaults to what the route draws.
	BatchWait *time.Duration `yaml:"batch_wait,omitempty"`
}

// Default returns the configuration of a process that is given none.
func Default() Config {
	return Config{
		Kafka: Kafka{
			Brokers:        []string{"localhost:9092"},
			ClientID:       "karafgo",
			DialTimeout:    10 * time.Second,
			RequestTimeout: 10 * time.Second,
			BootTimeout:    10 * time.Second,
			MetadataMaxAge: time.Minute,
			MissingTopics:  MissingFail,
			TLS:            TLS{MinVersion: TLS12},
			SASL:           SASL{Mechanism: NoSASL, TokenCommand: []string{}},
		},
		Group: Group{
			SessionTimeout:    45 * time.Second,
			HeartbeatInterval: 3 * time.Second,
			RebalanceTimeout:  time.Minute,
			Drain:             defaultDrain(time.Minute),
			Protocol:          Classic,
			Balancers:         []string{CooperativeSticky},
		},
		Fetch: Fetch{
			MinBytes:          1,
			MaxWait:           500 * time.Millisecond,
			MaxPartitionBytes: MiB / 2,
			MaxBufferedBytes:  256 * MiB,
			Isolation:         ReadUncommitted,
			OnGap:             ResumeAfterGap,
			OnUnreadable:      BlockOnUnreadable,
			MaxPollRecords:    10_000,
		},
		Commit: Commit{Interval: 5 * time.Second, TransactionInterval: 100 * time.Millisecond},
		Producer: Producer{
			Compression:        Snappy,
			Linger:             5 * time.Millisecond,
			DeliveryTimeout:    30 * time.Second,
			MaxBufferedRecords: 50_000,
			MaxBufferedBytes:   64 << 20,
			OnFull:             Wait,
			Acks:               AcksAll,
			Partitioner:        Murmur2,
			TransactionTimeout: 15 * time.Second,
		},
		Concurrency: Concurrency{Limit: 0},
		Shutdown:    Shutdown{Drain: 30 * time.Second, Grace: 5 * time.Second},
		Routes: Routes{
			IncludeGroups: []string{}, ExcludeGroups: []string{}, IncludeTopics: []string{}, ExcludeTopics: []string{},
		},
		HTTP: HTTP{Listen: ":8080", StuckAfter: 5 * time.Minute},
		Log:  Log{Level: LevelInfo, Format: FormatAuto},
	}
}

// ForGroup returns what the group runs with: its own entry in Groups, or the common sections when
// there is none.
func (c Config) ForGroup(id string) GroupConfig {
	own, ok := c.Groups[id]
	if !ok {
		own = GroupConfig{Group: c.Group, Fetch: c.Fetch, Commit: c.Commit}
	}

	// The copy is the caller's: a changed element must not change other groups.
	own.Group.Balancers = slices.Clone(own.Group.Balancers)

	return own
}

// defaultDrain leaves half of a rebalance to finish the running handlers and half to cancel, commit
// and join again, which the group's other members wait for.
//
// A negative timeout is a mistake that is reported for itself, not once more for the drain.
func defaultDrain(rebalance time.Duration) time.Duration { return max(0, rebalance/2) }
