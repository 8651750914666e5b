// Command karafgo consumes as a program with karafgo does: framework.Run, with metrics on.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/karafgo/karafgo/bench/internal/client"
	"github.com/karafgo/karafgo/bench/internal/work"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/middleware"
	"github.com/karafgo/karafgo/router"
)

func main() {
	client.Main(map[string]func(*client.Run) error{
		"karafgo-each":            func(r *client.Run) error { return run(r, each) },
		"karafgo-each-middleware": func(r *client.Run) error { return run(r, each, middleware.Log()) },
		"karafgo-each-reuse":      func(r *client.Run) error { return run(r, reuse) },
		"karafgo-batch":           func(r *client.Run) error { return run(r, batch) },
		"karafgo-typed":           func(r *client.Run) error { return run(r, typed) },
		"karafgo-by-key":          func(r *client.Run) error { return run(r, byKey) },
		"karafgo-each:transform":  func(r *client.Run) error { return run(r, transform) },
		"karafgo-batch:transform": func(r *client.Run) error { return run(r, transformBatch) },
		"karafgo-each:transact":   func(r *client.Run) error { return run(r, exactly(transform)) },
		"karafgo-batch:transact":  func(r *client.Run) error { return run(r, exactly(transformBatch)) },

		"karafgo-each:store":        func(r *client.Run) error { return store(r, storeEach) },
		"karafgo-batch:store-batch": func(r *client.Run) error { return store(r, storeBatch) },

		"karafgo-producer:produce": produce,
	})
}

func run(r *client.Run, draw func(*client.Run, *router.Group, string), mw ...consumer.Middleware) error {
	cfg := config(r)
	ctx, cancel := r.Context()
	defer cancel()
	return framework.Run(ctx, cfg, framework.Routes(func(rt *router.Router) {
		rt.Use(mw...)
		for i, topics := range r.Groups() {
			id := fmt.Sprintf("%s-%d", r.Group, i)
			if r.Output != "" {
				id = r.Group // the driver looks at what it commits
			}
			rt.Group(id, func(g *router.Group) {
				for _, topic := range topics {
					draw(r, g, topic)
				}
			})
		}
	}))
}

func config(r *client.Run) framework.Config {
	cfg := framework.DefaultConfig()
	cfg.Kafka.Brokers = r.Brokers
	cfg.Log.Level = "error"
	cfg.HTTP.Listen = ""
	cfg.Producer.Compression = "none"
	if r.Interval > 0 {
		cfg.Commit.TransactionInterval = r.Interval
	}
	return cfg
}

func each(r *client.Run, g *router.Group, topic string) {
	g.Topic(topic).Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		return r.Handle(m.Topic, m.Record.Partition, m.Offset, m.Value)
	}))
}

// defaultAtOnce is how many handlers run at once by key.
const defaultAtOnce = 256

func byKey(r *client.Run, g *router.Group, topic string) {
	n := r.AtOnce
	if n == 0 {
		n = defaultAtOnce
	}
	var failing []byte
	if r.FailKey != "" {
		failing = []byte(r.FailKey)
	}
	g.Topic(topic).Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if failing != nil && bytes.Equal(m.Key, failing) {
			return errFails
		}
		return r.HandleSideBySide(m.Topic, m.Record.Partition, m.Offset, m.Value)
	})).Concurrency(n, router.ByKey)
}

var errFails = errors.New("fails always")

func reuse(r *client.Run, g *router.Group, topic string) {
	g.Topic(topic).Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		return r.Handle(m.Topic, m.Record.Partition, m.Offset, m.Value)
	})).ReuseRecords()
}

const (
	batchSize = 500
	batchWait = 10 * time.Millisecond
)

func batch(r *client.Run, g *router.Group, topic string) {
	wait := batchWait
	if r.Handler == work.Latency {
		wait = 0
	}
	g.Topic(topic).Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
		for _, m := range b.All() {
			if err := r.Handle(m.Topic, m.Record.Partition, m.Offset, m.Value); err != nil {
				return err
			}
		}
		return nil
	}), batchSize, wait)
}

// typed decodes by the framework: the job leaves that to it.
func typed(r *client.Run, g *router.Group, topic string) {
	g.Topic(topic).Each(consumer.JSON(func(_ context.Context, m *consumer.Typed[work.Order]) error {
		return r.Handle(m.Topic, m.Record.Partition, m.Offset, m.Value)
	}))
}
