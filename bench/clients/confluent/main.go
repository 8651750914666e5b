// Command confluent consumes with github.com/confluentinc/confluent-kafka-go, on librdkafka as it comes with it.
package main

import (
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/karafgo/karafgo/bench/internal/client"
)

func main() {
	client.Main(map[string]func(*client.Run) error{
		"confluent": func(r *client.Run) error { return consume(r, nil) },
		"confluent-backoff-10ms": func(r *client.Run) error {
			return consume(r, kafka.ConfigMap{"fetch.queue.backoff.ms": 10})
		},
	})
}

func consume(r *client.Run, more kafka.ConfigMap) error {
	cfg := kafka.ConfigMap{
		"bootstrap.servers": strings.Join(r.Brokers, ","), "group.id": r.Group, "auto.offset.reset": "earliest",
		"enable.auto.offset.store": false, "partition.assignment.strategy": "cooperative-sticky",
	}
	maps.Copy(cfg, more)
	c, err := kafka.NewConsumer(&cfg)
	if err != nil {
		return err
	}
	if err := c.SubscribeTopics(r.Topics, nil); err != nil {
		return err
	}
	ctx, cancel := r.Context()
	defer cancel()
	for ctx.Err() == nil {
		m, err := c.ReadMessage(100 * time.Millisecond)
		if err != nil {
			var failed kafka.Error
			if errors.As(err, &failed) && (failed.IsTimeout() || !failed.IsFatal()) {
				continue
			}
			return err
		}
		if err := r.Handle(*m.TopicPartition.Topic, m.TopicPartition.Partition, int64(m.TopicPartition.Offset), m.Value); err != nil {
			return err
		}
		if _, err := c.StoreMessage(m); err != nil {
			return err
		}
	}
	return c.Close()
}
