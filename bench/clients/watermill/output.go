package main

import (
	"context"
	"errors"
	"hash/maphash"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
	"golang.org/x/sync/errgroup"

	"github.com/karafgo/karafgo/bench/internal/client"
)

// publisher is Watermill's own: it waits for the acknowledgement of every message, so that a linger would only add to that.
func publisher(r *client.Run, key func(*message.Message) []byte) (*kafka.Publisher, error) {
	cfg := kafka.DefaultSaramaSyncPublisherConfig()
	cfg.Producer.RequiredAcks = sarama.WaitForAll
	cfg.Producer.Idempotent = true
	cfg.Net.MaxOpenRequests = 1
	return kafka.NewPublisher(kafka.PublisherConfig{
		Brokers: r.Brokers, OverwriteSaramaConfig: cfg,
		Marshaler: kafka.NewWithPartitioningMarshaler(func(_ string, m *message.Message) (string, error) { return string(key(m)), nil }),
	}, watermill.NopLogger{})
}

// transform is a handler that returns messages: the router publishes them, and acknowledges what it consumed when they are acknowledged.
func transform(r *client.Run) error {
	pub, err := publisher(r, func(m *message.Message) []byte {
		key, _ := kafka.MessageKeyFromCtx(m.Context())
		return key
	})
	if err != nil {
		return err
	}
	err = route(r, func(router *message.Router, sub message.Subscriber) {
		for _, topic := range r.Topics {
			router.AddHandler("bench-"+topic, topic, sub, r.Output, pub, func(m *message.Message) ([]*message.Message, error) {
				partition, _ := kafka.MessagePartitionFromCtx(m.Context())
				offset, _ := kafka.MessagePartitionOffsetFromCtx(m.Context())
				out := message.NewMessage(watermill.NewUUID(), r.Transform(topic, partition, offset, m.Payload))
				out.SetContext(m.Context()) // it has the key
				return []*message.Message{out}, nil
			})
		}
	})
	if err != nil {
		return err
	}
	return pub.Close()
}

// atOnce is how many goroutines publish, as each waits for the acknowledgement.
const atOnce = 64

type output struct{ key, value []byte }

// produce writes what a program writes that consumes nothing.
func produce(r *client.Run) error {
	const name = "key"
	pub, err := publisher(r, func(m *message.Message) []byte { return []byte(m.Metadata.Get(name)) })
	if err != nil {
		return err
	}
	todo := make([]chan output, atOnce)
	g, ctx := errgroup.WithContext(context.Background())
	for i := range todo {
		todo[i] = make(chan output, 1)
		g.Go(func() error {
			for o := range todo[i] {
				m := message.NewMessage(watermill.NewUUID(), o.value)
				m.Metadata.Set(name, string(o.key))
				if err := pub.Publish(r.Output, m); err != nil {
					return err
				}
			}
			return nil
		})
	}
	seed := maphash.MakeSeed()
	err = r.Outputs(func(key, value []byte) error {
		select {
		case todo[maphash.Bytes(seed, key)%atOnce] <- output{key, value}: // a key's stay in their order
			return nil
		case <-ctx.Done():
			return nil // Wait has the error
		}
	})
	for _, ch := range todo {
		close(ch)
	}
	if err := errors.Join(err, g.Wait()); err != nil {
		return err
	}
	<-r.Done()
	return pub.Close()
}
