package main

import (
	"context"
	"math/rand/v2"
	"os"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
)

// crashed is the exit code of a process that was made to crash.
const crashed = 86

// crash ends the process in the worst moment: after the database's commit, before Kafka knows of it. It is the chance of that for each
// commit. Nothing is flushed, nobody is told, deferred functions do not run: what other partitions were doing ends just so.
type crash float64

func (c crash) perhaps() {
	if rand.Float64() < float64(c) {
		os.Exit(crashed)
	}
}

// afterDedupe is middleware, outside of Dedupe: when the answer comes by here, the rows and the id are committed, and the record is not
// marked. A record that was a copy has committed nothing new.
func (c crash) afterDedupe(next consumer.BatchHandler) consumer.BatchHandler {
	return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
		err := next.HandleBatch(ctx, b)
		if err == nil && len(b.Skipped()) < b.Len() {
			c.perhaps()
		}
		return err
	})
}

// crashingStore crashes after it has committed a unit of work. Of a claim and a unit it changes nothing else.
type crashingStore struct {
	offsets.Store

	crash crash
}

type crashingClaim struct {
	offsets.Claim

	crash crash
}

type crashingUnit struct {
	offsets.Unit

	crash crash
}

// Claim implements offsets.Store.
func (s crashingStore) Claim(ctx context.Context, p offsets.Partition) (offsets.Claim, offsets.Position, error) {
	claim, at, err := s.Store.Claim(ctx, p)
	return crashingClaim{claim, s.crash}, at, err
}

// Renew implements offsets.Claim.
func (c crashingClaim) Renew(ctx context.Context) (offsets.Claim, offsets.Position, error) {
	claim, at, err := c.Claim.Renew(ctx)
	return crashingClaim{claim, c.crash}, at, err
}

// Begin implements offsets.Claim.
func (c crashingClaim) Begin(ctx context.Context) (offsets.Unit, error) {
	unit, err := c.Claim.Begin(ctx)
	return crashingUnit{unit, c.crash}, err
}

// Commit implements offsets.Unit.
func (u crashingUnit) Commit(ctx context.Context, next offsets.Position) error {
	err := u.Unit.Commit(ctx, next)
	if err == nil {
		u.crash.perhaps()
	}
	return err
}
