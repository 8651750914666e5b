package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/bench/internal/client"
)

// transact consumes, transforms and produces exactly once, with the session that franz-go has for it: what is polled until the interval is
// over is committed with its outputs.
func transact(r *client.Run) error {
	ctx, cancel := r.Context()
	defer cancel()
	s, err := kgo.NewGroupTransactSession(append(producing(r), kgo.TransactionalID(r.Group), kgo.ConsumerGroup(r.Group),
		kgo.ConsumeTopics(r.Topics...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.Balancers(kgo.CooperativeStickyBalancer()))...)
	if err != nil {
		return err
	}
	defer s.Close()
	var refused atomic.Pointer[error]
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			refused.CompareAndSwap(nil, &err)
		}
	}
	for {
		if err := s.Begin(); err != nil {
			return err
		}
		some, err := fillTransaction(ctx, r, s, promise)
		if err != nil {
			return err
		}
		if !some { // the job is over; committing nothing would keep the session for 500 ms
			_, err := s.End(context.Background(), kgo.TryAbort)
			return err
		}
		if err := s.Client().Flush(context.Background()); err != nil {
			return err
		}
		if err := refused.Load(); err != nil {
			return *err // nothing of it is committed
		}
		if _, err := s.End(context.Background(), kgo.TryCommit); err != nil {
			return err
		}
	}
}

// fillTransaction writes outputs, from the first that there are until the interval is over. It reports whether there were any.
func fillTransaction(
	ctx context.Context, r *client.Run, s *kgo.GroupTransactSession, promise func(*kgo.Record, error),
) (some bool, err error) {
	ctx, over := context.WithCancel(ctx)
	defer over()
	for ctx.Err() == nil {
		fetches := s.PollRecords(ctx, most)
		if ctx.Err() == nil && fetches.Err() != nil {
			return some, fetches.Err()
		}
		if !some && !fetches.Empty() {
			some = true
			defer time.AfterFunc(r.Interval, over).Stop() //nolint:gocritic // once
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			out := &kgo.Record{Key: rec.Key, Value: r.Transform(rec.Topic, rec.Partition, rec.Offset, rec.Value)}
			s.Produce(context.Background(), out, promise)
		})
	}
	return some, nil
}
