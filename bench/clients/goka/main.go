// Command goka consumes with a github.com/lovoo/goka processor without state.
package main

import (
	"context"
	"errors"
	"io"
	"log" //nolint:depguard // what goka takes
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"

	"github.com/karafgo/karafgo/bench/internal/client"
)

func main() {
	client.Main(map[string]func(*client.Run) error{"goka": consume})
}

func consume(r *client.Run) error {
	cfg := goka.DefaultConfig()
	cfg.Version = sarama.V2_8_0_0
	cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	cfg.Consumer.MaxWaitTime = 500 * time.Millisecond
	goka.ReplaceGlobalConfig(cfg)
	var edges []goka.Edge
	for _, topic := range r.Topics {
		edges = append(edges, goka.Input(goka.Stream(topic), new(codec.Bytes), func(ctx goka.Context, msg any) {
			value, _ := msg.([]byte)
			if err := r.Handle(topic, ctx.Partition(), ctx.Offset(), value); err != nil {
				ctx.Fail(err)
			}
		}))
	}
	p, err := goka.NewProcessor(r.Brokers, goka.DefineGroup(goka.Group(r.Group), edges...),
		goka.WithLogger(log.New(io.Discard, "", 0)))
	if err != nil {
		return err
	}
	ctx, cancel := r.Context()
	defer cancel()
	if err := p.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
