package main

import (
	"context"
	"errors"

	"github.com/karafgo/karafgo/bench/internal/client"
	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/framework"
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

// exactly draws the group with ExactlyOnce.
func exactly(draw func(*client.Run, *router.Group, string)) func(*client.Run, *router.Group, string) {
	return func(r *client.Run, g *router.Group, topic string) {
		g.ExactlyOnce()
		draw(r, g, topic)
	}
}

// failing ends what sends when a record is not acknowledged.
type failing struct{ stop context.CancelCauseFunc }

func (f failing) OnEvent(_ context.Context, e callbacks.Event) {
	if failed, ok := e.(callbacks.SendFailed); ok {
		f.stop(failed.Err)
	}
}

// produce writes what a program writes that consumes nothing.
func produce(r *client.Run) error {
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	p, err := framework.NewProducer(config(r), failing{stop})
	if err != nil {
		return err
	}
	err = r.Outputs(func(key, value []byte) error {
		p.SendAsync(ctx, responder.NewRecord(r.Output, key, value))
		return nil
	})
	if err := errors.Join(err, p.Flush(ctx), context.Cause(ctx)); err != nil {
		return err
	}
	<-r.Done()
	return p.Close(ctx)
}
