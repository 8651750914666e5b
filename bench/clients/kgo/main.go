// Command kgo is what programs write with plain franz-go: what karafgo is measured by.
package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/karafgo/karafgo/bench/internal/client"
)

func main() {
	client.Main(map[string]func(*client.Run) error{
		"raw-kgo": loop, "raw-kgo-partitions": partitions,
		"raw-kgo:transform": transform, "raw-kgo:produce": produce,
		"raw-kgo:transact": transact, "raw-kgo:store": storeEach, "raw-kgo:store-batch": storeBatch,
	})
}

func options(r *client.Run) []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(r.Brokers...), kgo.AutoCommitMarks(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500 * time.Millisecond), kgo.DisableClientMetrics(),
	}
}

// most is how many records a poll may return, as karafgo has it.
const most = 10_000

// loop is a poll loop for every group.
func loop(r *client.Run) error {
	var g errgroup.Group
	for i, topics := range r.Groups() {
		g.Go(func() error { return poll(r, fmt.Sprintf("%s-%d", r.Group, i), topics) })
	}
	return g.Wait()
}

// poll polls, looks at each record, marks the last of each partition, and commits in the background and at the end.
func poll(r *client.Run, group string, topics []string) error {
	cl, err := kgo.NewClient(append(options(r), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topics...))...)
	if err != nil {
		return err
	}
	ctx, cancel := r.Context()
	defer cancel()
	for ctx.Err() == nil {
		fetches := cl.PollRecords(ctx, most)
		if ctx.Err() == nil && fetches.Err() != nil {
			return fetches.Err()
		}
		var failed error
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for _, rec := range p.Records {
				if err := r.Handle(rec.Topic, rec.Partition, rec.Offset, rec.Value); err != nil {
					failed = err
				}
			}
			if len(p.Records) > 0 {
				cl.MarkCommitRecords(p.Records[len(p.Records)-1])
			}
		})
		if failed != nil {
			return failed
		}
	}
	if err := cl.CommitMarkedOffsets(context.Background()); err != nil {
		return err
	}
	cl.Close()
	return nil
}

// partitions hands what it polls to a goroutine for each partition, as franz-go's examples do: a revoke waits for them.
func partitions(r *client.Run) error {
	w := &workers{r: r, of: map[key]*worker{}}
	cl, err := kgo.NewClient(append(options(r), kgo.ConsumerGroup(r.Group), kgo.ConsumeTopics(r.Topics...), kgo.BlockRebalanceOnPoll(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.OnPartitionsRevoked(w.stop), kgo.OnPartitionsLost(w.stop))...)
	if err != nil {
		return err
	}
	ctx, cancel := r.Context()
	defer cancel()
	for ctx.Err() == nil {
		fetches := cl.PollRecords(ctx, most)
		if ctx.Err() == nil && fetches.Err() != nil {
			return fetches.Err()
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if len(p.Records) == 0 {
				return
			}
			select {
			case w.get(cl, key{p.Topic, p.Partition}).records <- p.Records:
			case <-ctx.Done():
			}
		})
		cl.AllowRebalance()
	}
	if err := cl.CommitMarkedOffsets(context.Background()); err != nil {
		return err
	}
	cl.CloseAllowingRebalance()
	return nil
}

type key struct {
	topic string
	id    int32
}

type workers struct {
	r  *client.Run
	mu sync.Mutex
	of map[key]*worker
}

type worker struct {
	records chan []*kgo.Record
	quit    chan struct{}
	done    chan struct{}
}

func (w *workers) get(cl *kgo.Client, k key) *worker {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.of[k]
	if one == nil {
		records := make(chan []*kgo.Record, 5) //nolint:mnd // as the example has it
		one = &worker{records: records, quit: make(chan struct{}), done: make(chan struct{})}
		w.of[k] = one
		go one.run(w.r, cl)
	}
	return one
}

func (w *worker) run(r *client.Run, cl *kgo.Client) {
	defer close(w.done)
	for {
		select {
		case <-w.quit:
			return
		case recs := <-w.records:
			for _, rec := range recs {
				select {
				case <-w.quit:
					return
				default:
				}
				if r.Handle(rec.Topic, rec.Partition, rec.Offset, rec.Value) != nil {
					return
				}
			}
			cl.MarkCommitRecords(recs[len(recs)-1])
		}
	}
}

func (w *workers) stop(ctx context.Context, cl *kgo.Client, parts map[string][]int32) {
	w.mu.Lock()
	var gone []*worker
	for topic, ids := range parts {
		for _, id := range ids {
			if one := w.of[key{topic, id}]; one != nil {
				delete(w.of, key{topic, id})
				close(one.quit)
				gone = append(gone, one)
			}
		}
	}
	w.mu.Unlock()
	for _, one := range gone {
		<-one.done
	}
	_ = cl.CommitMarkedOffsets(ctx)
}
