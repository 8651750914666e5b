package engine

import (
	"time"

	"github.com/karafgo/karafgo/internal/config"
)

const (
	// queueShare is the part of fetch.max_buffered_bytes for queues, in quarters; the client keeps the rest.
	queueShare = 3
	quarters   = 4
	// revokeGrace bounds how long a cancelled handler may hold up a rebalance, beside a tenth of the rebalance timeout.
	revokeGrace      = 5 * time.Second
	rebalancePortion = 10
)

// Configure returns the settings that a configuration means. What it cannot say, as the way to the cluster and who listens, is left to
// the caller.
func Configure(cfg config.Config) Settings {
	topics := map[string]TopicSettings{}
	for name, t := range cfg.Topics {
		var s TopicSettings
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
	return Settings{
		Topics:        topics,
		Limit:         cfg.Concurrency.Limit,
		BootTimeout:   cfg.Kafka.BootTimeout,
		MissingTopics: cfg.Kafka.MissingTopics,
		TopicInterval: cfg.Kafka.MetadataMaxAge,
		Drain:         cfg.Shutdown.Drain,
		Grace:         cfg.Shutdown.Grace,
		Group: func(id string) GroupSettings {
			g := cfg.ForGroup(id)
			return GroupSettings{
				MaxPollRecords:  g.Fetch.MaxPollRecords,
				QueueBytes:      int64(g.Fetch.MaxBufferedBytes) / quarters * queueShare,
				PartitionBytes:  int64(g.Fetch.MaxPartitionBytes),
				FetchWait:       g.Fetch.MaxWait,
				CommitInterval:  g.Commit.Interval,
				CommitThreshold: g.Commit.Threshold,

				TransactionInterval: g.Commit.TransactionInterval,
				TransactionTimeout:  cfg.Producer.TransactionTimeout,
				StopOnGap:           g.Fetch.OnGap == config.StopOnGap,

				StopOnUnreadable: g.Fetch.OnUnreadable == config.StopOnUnreadable,
				RevokeDrain:      g.Group.Drain,
				RevokeGrace:      min(revokeGrace, g.Group.RebalanceTimeout/rebalancePortion),
			}
		},
	}
}
