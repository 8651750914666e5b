package main

import (
	"context"

	"github.com/karafgo/karafgo/bench/internal/client"
	"github.com/karafgo/karafgo/bench/internal/database"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/offsets/sqlstore"
	"github.com/karafgo/karafgo/router"
)

// store consumes into SQLite, with the offsets.
func store(r *client.Run, draw func(*client.Run, *router.Group, string, offsets.Store)) error {
	db, err := database.Open(r)
	if err != nil {
		return err
	}
	s, err := sqlstore.New(db)
	if err != nil {
		return err
	}
	if err := s.Migrate(context.Background()); err != nil {
		return err
	}
	if err := run(r, func(r *client.Run, g *router.Group, topic string) { draw(r, g, topic, s) }); err != nil {
		return err
	}
	return database.Check(r, db)
}

func storeEach(r *client.Run, g *router.Group, topic string, s offsets.Store) {
	g.Topic(topic).Each(consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		tx, err := sqlstore.Tx(ctx)
		if err != nil {
			return err
		}
		if err := database.Add(ctx, tx, m.Key); err != nil {
			return err
		}
		return r.Handle(m.Topic, m.Record.Partition, m.Offset, m.Value)
	})).ExternalOffsets(s)
}

func storeBatch(r *client.Run, g *router.Group, topic string, s offsets.Store) {
	g.Topic(topic).Batch(consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
		tx, err := sqlstore.Tx(ctx)
		if err != nil {
			return err
		}
		for _, m := range b.All() {
			if err := database.Add(ctx, tx, m.Key); err != nil {
				return err
			}
			if err := r.Handle(m.Topic, m.Record.Partition, m.Offset, m.Value); err != nil {
				return err
			}
		}
		return nil
	}), batchSize, batchWait).ExternalOffsets(s)
}
