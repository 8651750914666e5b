package main

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/bench/internal/client"
	"github.com/karafgo/karafgo/bench/internal/database"
)

func storeEach(r *client.Run) error { return store(r, 1) }

func storeBatch(r *client.Run) error { return store(r, 500) } //nolint:mnd // as karafgo's

// store consumes into SQLite, up to so many records of a partition in a transaction, which has their offset too. The offset is where a
// partition begins that is assigned.
func store(r *client.Run, batch int) error {
	db, err := database.Open(r)
	if err != nil {
		return err
	}
	ctx, cancel := r.Context()
	defer cancel()
	_, err = db.ExecContext(ctx, "CREATE TABLE positions (topic TEXT, id INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, id))")
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.Brokers...), kgo.DisableClientMetrics(), kgo.ConsumerGroup(r.Group),
		kgo.ConsumeTopics(r.Topics...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.AdjustFetchOffsetsFn(func(ctx context.Context, at map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
			return at, positions(ctx, db, at)
		}))
	if err != nil {
		return err
	}
	writing, stop := context.WithCancel(context.Background()) // as programs have one; drivers do more for one that can end
	defer stop()
	for ctx.Err() == nil {
		fetches := cl.PollRecords(ctx, most)
		if ctx.Err() == nil && fetches.Err() != nil {
			return fetches.Err()
		}
		var failed error
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for recs := p.Records; len(recs) > 0 && failed == nil; {
				n := min(batch, len(recs))
				failed = apply(writing, r, db, recs[:n])
				recs = recs[n:]
			}
		})
		if failed != nil {
			return failed
		}
		cl.AllowRebalance()
	}
	cl.CloseAllowingRebalance()
	return database.Check(r, db)
}

// positions reads where partitions go on.
func positions(ctx context.Context, db *sql.DB, at map[string]map[int32]kgo.Offset) error {
	for topic, ids := range at {
		for id := range ids {
			var next int64
			err := db.QueryRowContext(ctx, `INSERT INTO positions VALUES (?, ?, 0)
				ON CONFLICT (topic, id) DO UPDATE SET next = next RETURNING next`, topic, id).Scan(&next)
			if err != nil {
				return err
			}
			ids[id] = kgo.NewOffset().At(next)
		}
	}
	return nil
}

// apply does the work with records of one partition, in a transaction that nobody else has done it in.
func apply(ctx context.Context, r *client.Run, db *sql.DB, recs []*kgo.Record) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	for _, rec := range recs {
		if err := database.Add(ctx, tx, rec.Key); err != nil {
			return err
		}
		if err := r.Handle(rec.Topic, rec.Partition, rec.Offset, rec.Value); err != nil {
			return err
		}
	}
	first, last := recs[0], recs[len(recs)-1]
	done, err := tx.ExecContext(ctx, "UPDATE positions SET next = ? WHERE topic = ? AND id = ? AND next <= ?",
		last.Offset+1, last.Topic, last.Partition, first.Offset)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("somebody else has %s/%d: %w", last.Topic, last.Partition, err)
	}
	return tx.Commit()
}
