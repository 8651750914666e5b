// Command watermill consumes with github.com/ThreeDotsLabs/watermill-kafka, by its router.
package main

import (
	"context"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/karafgo/karafgo/bench/internal/client"
)

func main() {
	client.Main(map[string]func(*client.Run) error{
		"watermill": consume, "watermill:transform": transform, "watermill:produce": produce,
	})
}

func consume(r *client.Run) error {
	return route(r, func(router *message.Router, sub message.Subscriber) {
		for _, topic := range r.Topics {
			router.AddConsumerHandler("bench-"+topic, topic, sub, func(m *message.Message) error {
				partition, _ := kafka.MessagePartitionFromCtx(m.Context())
				offset, _ := kafka.MessagePartitionOffsetFromCtx(m.Context())
				return r.Handle(topic, partition, offset, m.Payload)
			})
		}
	})
}

// route runs a router until the job is over.
func route(r *client.Run, draw func(*message.Router, message.Subscriber)) error {
	cfg := kafka.DefaultSaramaSubscriberConfig()
	cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	cfg.Consumer.MaxWaitTime = 500 * time.Millisecond
	log := watermill.NopLogger{}
	sub, err := kafka.NewSubscriber(kafka.SubscriberConfig{
		Brokers: r.Brokers, Unmarshaler: kafka.DefaultMarshaler{}, ConsumerGroup: r.Group, OverwriteSaramaConfig: cfg,
	}, log)
	if err != nil {
		return err
	}
	router, err := message.NewRouter(message.RouterConfig{}, log)
	if err != nil {
		return err
	}
	draw(router, sub)
	ctx, cancel := r.Context()
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- router.Run(context.WithoutCancel(ctx)) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	return router.Close()
}
