// Command segmentio consumes with github.com/segmentio/kafka-go's Reader.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/karafgo/karafgo/bench/internal/client"
)

func main() {
	client.Main(map[string]func(*client.Run) error{"kafka-go": consume})
}

func consume(r *client.Run) error {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: r.Brokers, GroupID: r.Group, GroupTopics: r.Topics, StartOffset: kafka.FirstOffset,
		CommitInterval: 5 * time.Second, MaxWait: 500 * time.Millisecond, MinBytes: 1, MaxBytes: 1 << 20, //nolint:mnd // as karafgo has it
		QueueCapacity: 10_000, //nolint:mnd // as above
	})
	ctx, cancel := r.Context()
	defer cancel()
	for ctx.Err() == nil {
		m, err := reader.FetchMessage(ctx)
		if err != nil {
			if errors.Is(err, context.Canceled) {
				break
			}
			return err
		}
		if err := r.Handle(m.Topic, int32(m.Partition), m.Offset, m.Value); err != nil {
			return err
		}
		if err := reader.CommitMessages(context.Background(), m); err != nil {
			return err
		}
	}
	return reader.Close()
}
