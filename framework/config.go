package framework

import (
	"os"
	"time"

	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
)

// Config is the configuration of a process: docs/reference/config.md. Start from DefaultConfig or LoadConfig; zero values are
// refused.
type Config = config.Config

// TopicConfig is a value of Config.Topics.
type TopicConfig = config.Topic

// GroupConfig is a value of Config.Groups.
type GroupConfig = config.GroupConfig

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return config.Default() }

// LoadConfig reads the defaults, a YAML file and the environment (KARAFGO_SHUTDOWN__DRAIN=45s), in that order. An empty name reads
// karafgo.yaml if there is one. Its error names every mistake, with place and remedy.
func LoadConfig(file string) (Config, error) {
	return config.Load(config.Source{File: file, Environ: os.Environ()}) //nolint:wrapcheck // each mistake says its place
}

const (
	// queueShare is the part of fetch.max_buffered_bytes for queues, in quarters; the client keeps the rest.
	queueShare = 3
	quarters   = 4
	// revokeGrace bounds how long a cancelled handler may hold up a rebalance, beside a tenth of the rebalance timeout.
	revokeGrace      = 5 * time.Second
	rebalancePortion = 10
)

// settings are what the engine gets of the configuration.
func settings(cfg Config) engine.Settings {
	topics := map[string]engine.TopicSettings{}
	for name, t := range cfg.Topics {
		var s engine.TopicSettings
		if t.Concurrency != nil {
			s.Concurrency = *t.Concurrency
		}
		if t.BatchSize != nil {
			s.BatchSize = *t.BatchSize
		}
		if t.BatchWait != nil {
			s.BatchWait = *t.BatchWait
		}
		topics[name] = s
	}
	return engine.Settings{
		Topics:        topics,
		Limit:         cfg.Concurrency.Limit,
		BootTimeout:   cfg.Kafka.BootTimeout,
		MissingTopics: cfg.Kafka.MissingTopics,
		Drain:         cfg.Shutdown.Drain,
		Grace:         cfg.Shutdown.Grace,
		Group: func(id string) engine.GroupSettings {
			g := cfg.ForGroup(id)
			return engine.GroupSettings{
				MaxPollRecords:  g.Fetch.MaxPollRecords,
				QueueBytes:      int64(g.Fetch.MaxBufferedBytes) / quarters * queueShare,
				PartitionBytes:  int64(g.Fetch.MaxPartitionBytes),
				FetchWait:       g.Fetch.MaxWait,
				CommitInterval:  g.Commit.Interval,
				CommitThreshold: g.Commit.Threshold,
				RevokeDrain:     g.Group.Drain,
				RevokeGrace:     min(revokeGrace, g.Group.RebalanceTimeout/rebalancePortion),
			}
		},
	}
}
