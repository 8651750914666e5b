package admin

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/kafka"
)

// Partitions returns how many partitions a topic has. Its error is ErrNoTopic where there is none of the name.
func (c *Cluster) Partitions(ctx context.Context, topic string) (n int, err error) {
	err = kafka.Patiently(ctx, func() error {
		details, err := c.describeTopics(ctx, []string{topic})
		n = len(details[topic].Partitions)
		return err
	})
	return n, err
}

// Create makes a topic, if it does not exist.
func (c *Cluster) Create(ctx context.Context, topic kafka.TopicSpec) error {
	return kafka.CreateTopic(ctx, c.admin, topic) //nolint:wrapcheck // by the caller
}

// Await waits until brokers know a topic that was just made, and returns how many partitions it has.
func (c *Cluster) Await(ctx context.Context, topic string) (int, error) {
	const pause = 50 * time.Millisecond
	for {
		n, err := c.Partitions(ctx, topic)
		if !errors.Is(err, ErrNoTopic) {
			return n, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return 0, err
		}
	}
}

// Produce sends a record, which waits for its acknowledgement in the client's buffer; done is called with what became of it.
func (c *Cluster) Produce(ctx context.Context, r *kgo.Record, done func(*kgo.Record, error)) {
	c.cl.Produce(ctx, r, done)
}

// Flush waits for what was sent.
func (c *Cluster) Flush(ctx context.Context) error {
	return c.cl.Flush(ctx) //nolint:wrapcheck // by the caller
}
