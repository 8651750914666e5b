// Command sarama consumes with github.com/IBM/sarama's ConsumerGroup.
package main

import (
	"time"

	"github.com/IBM/sarama"

	"github.com/karafgo/karafgo/bench/internal/client"
)

func main() {
	client.Main(map[string]func(*client.Run) error{
		"sarama": consume, "sarama:transform": transform, "sarama:produce": produce,
	})
}

type handler struct{ r *client.Run }

func (handler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (h handler) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, ok := <-c.Messages():
			if !ok {
				return nil
			}
			if err := h.r.Handle(m.Topic, m.Partition, m.Offset, m.Value); err != nil {
				return err
			}
			s.MarkMessage(m, "")
		case <-s.Context().Done():
			return nil
		}
	}
}

func consume(r *client.Run) error { return join(r, config(), handler{r}) }

func config() *sarama.Config {
	cfg := sarama.NewConfig()
	cfg.Version = sarama.V2_8_0_0
	cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	cfg.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategySticky()}
	cfg.Consumer.MaxWaitTime = 500 * time.Millisecond
	cfg.Consumer.Fetch.Default = 1 << 20
	return cfg
}

func join(r *client.Run, cfg *sarama.Config, h sarama.ConsumerGroupHandler) error {
	group, err := sarama.NewConsumerGroup(r.Brokers, r.Group, cfg)
	if err != nil {
		return err
	}
	ctx, cancel := r.Context()
	defer cancel()
	for ctx.Err() == nil {
		if err := group.Consume(ctx, r.Topics, h); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return group.Close()
}
