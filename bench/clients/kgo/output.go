package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/bench/internal/client"
)

const (
	linger      = 5 * time.Millisecond
	commitEvery = 5 * time.Second
)

// producing are the options of what produces: acks=all and idempotent, which are kgo's defaults.
func producing(r *client.Run) []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(r.Brokers...), kgo.DisableClientMetrics(), kgo.DefaultProduceTopic(r.Output),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(linger),
		kgo.MaxBufferedRecords(50_000), // as karafgo has it, which is faster than kgo's 10,000
	}
}

// pipe consumes, transforms and produces, at least once: an offset is committed only when the outputs of its record, and of all before it,
// are acknowledged. An output that is refused for good ends it, so that nothing after it is committed.
type pipe struct {
	cl   *kgo.Client
	of   map[key]*client.Tracker // of the poll loop; revoke callbacks run while it does not
	stop context.CancelCauseFunc
}

func transform(r *client.Run) error {
	done, cancel := r.Context()
	defer cancel()
	ctx, stop := context.WithCancelCause(done)
	defer stop(nil)
	p := &pipe{of: map[key]*client.Tracker{}, stop: stop}
	var err error
	p.cl, err = kgo.NewClient(append(producing(r), kgo.ConsumerGroup(r.Group), kgo.ConsumeTopics(r.Topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.OnPartitionsRevoked(p.revoked),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { p.forget(parts) }))...)
	if err != nil {
		return err
	}
	defer p.cl.CloseAllowingRebalance()
	committed := time.Now()
	for ctx.Err() == nil {
		polling, cancel := context.WithTimeout(ctx, commitEvery) // what is acknowledged while nothing comes is committed too
		fetches := p.cl.PollRecords(polling, most)
		cancel()
		if polling.Err() == nil && fetches.Err() != nil {
			return fetches.Err()
		}
		fetches.EachPartition(func(f kgo.FetchTopicPartition) { p.send(ctx, r, f) })
		if time.Since(committed) >= commitEvery {
			committed = time.Now()
			if err := p.commit(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
		p.cl.AllowRebalance()
	}
	if err := context.Cause(ctx); done.Err() == nil {
		return err // the offsets stay where they are
	}
	if err := p.cl.Flush(context.Background()); err != nil {
		return err
	}
	return p.commit(context.Background())
}

// send writes the outputs of one partition's records. It waits while the client buffers as many as it may.
func (p *pipe) send(ctx context.Context, r *client.Run, f kgo.FetchTopicPartition) {
	k := key{f.Topic, f.Partition}
	t := p.of[k]
	if t == nil {
		t = &client.Tracker{}
		p.of[k] = t
	}
	for _, rec := range f.Records {
		number := t.Sent(rec.Offset, rec.LeaderEpoch)
		out := &kgo.Record{Key: rec.Key, Value: r.Transform(rec.Topic, rec.Partition, rec.Offset, rec.Value)}
		p.cl.Produce(ctx, out, func(_ *kgo.Record, err error) {
			if err != nil {
				p.stop(err)
				return
			}
			t.Acked(number)
		})
	}
}

// commit commits what is acknowledged.
func (p *pipe) commit(ctx context.Context) error {
	at := map[string]map[int32]kgo.EpochOffset{}
	for k, t := range p.of {
		if next, epoch, fresh := t.Next(); fresh {
			if at[k.topic] == nil {
				at[k.topic] = map[int32]kgo.EpochOffset{}
			}
			at[k.topic][k.id] = kgo.EpochOffset{Epoch: epoch, Offset: next}
		}
	}
	if len(at) == 0 {
		return nil
	}
	var failed error
	p.cl.CommitOffsetsSync(ctx, at, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, _ *kmsg.OffsetCommitResponse, err error) {
		failed = err
	})
	return failed
}

// revoked waits for the outputs of what goes, and commits it.
func (p *pipe) revoked(ctx context.Context, cl *kgo.Client, parts map[string][]int32) {
	if cl.Flush(ctx) == nil {
		_ = p.commit(ctx)
	}
	p.forget(parts)
}

func (p *pipe) forget(parts map[string][]int32) {
	for topic, ids := range parts {
		for _, id := range ids {
			delete(p.of, key{topic, id})
		}
	}
}

// produce writes what a program writes that consumes nothing.
func produce(r *client.Run) error {
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	cl, err := kgo.NewClient(producing(r)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			stop(err)
		}
	}
	err = r.Outputs(func(key, value []byte) error {
		cl.Produce(ctx, &kgo.Record{Key: key, Value: value}, promise)
		return nil
	})
	if err == nil {
		err = cl.Flush(ctx)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	<-r.Done()
	return err
}
