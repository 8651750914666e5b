package main

import (
	"context"

	"github.com/karafgo/karafgo/bench/internal/client"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

func transform(r *client.Run, g *router.Group, topic string) {
	out := responder.NewTopic[[]byte](r.Output, consumer.BytesCodec)
	g.Topic(topic).Each(responder.Decoded(consumer.BytesCodec,
		func(_ context.Context, w *responder.Writer, m *consumer.Typed[[]byte]) error {
			return out.Send(w, m.Key, r.Transform(m.Topic, m.Record.Partition, m.Offset, m.Payload))
		}, out.Required()))
}

func transformBatch(r *client.Run, g *router.Group, topic string) {
	out := responder.NewTopic[[]byte](r.Output, consumer.BytesCodec)
	g.Topic(topic).Batch(responder.DecodedBatch(consumer.BytesCodec,
		func(_ context.Context, w *responder.Writer, b *consumer.TypedBatch[[]byte]) error {
			for _, m := range b.All() {
				if err := out.Send(w, m.Key, r.Transform(m.Topic, m.Record.Partition, m.Offset, m.Payload)); err != nil {
					return err
				}
			}
			return nil
		}, out.Required()), batchSize, batchWait)
}
