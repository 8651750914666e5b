package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/bench/internal/work"
)

// counted are the requests that a consumer makes.
var counted = []kmsg.Key{
	kmsg.Fetch, kmsg.OffsetCommit, kmsg.Heartbeat, kmsg.Metadata, kmsg.ListOffsets, kmsg.JoinGroup, kmsg.SyncGroup, kmsg.OffsetFetch,
}

const (
	requestPartitions = 12
	requestSettle     = 5 * time.Second
	requestSpan       = 60 * time.Second
)

// countRequests prints how many requests per second one process of each client makes, idle and at 100 records per second.
func (d *driver) countRequests(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight) //nolint:mnd // two spaces between columns
	fmt.Fprintf(t, "client\trecords/s\t")
	for _, k := range counted {
		fmt.Fprintf(t, "%s/s\t", kmsg.NameForKey(int16(k)))
	}
	fmt.Fprintln(t)
	for _, name := range []string{raw, perPartition} {
		c := contenders[slices.IndexFunc(contenders, func(c contender) bool { return c.Name == name })]
		for _, rate := range []int{0, 100} {
			per, err := d.requestsOf(c, rate)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			fmt.Fprintf(t, "%s\t%d\t", name, rate)
			for _, k := range counted {
				fmt.Fprintf(t, "%.2f\t", per[k])
			}
			fmt.Fprintln(t)
		}
	}
	return t.Flush()
}

func (d *driver) requestsOf(c contender, rate int) (map[kmsg.Key]float64, error) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(requestPartitions, "requests"))
	if err != nil {
		return nil, err
	}
	defer fake.Close()
	seen := map[kmsg.Key]*kfake.FaultHandle{}
	for _, k := range counted {
		seen[k] = fake.Fault(kfake.Fault{Keys: []kmsg.Key{k}, Count: -1, Observe: true})
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestSettle+requestSpan+patience)
	defer cancel()
	job := work.Job{
		Variant: c.Name, Brokers: fake.ListenAddrs(), Topics: []string{"requests"}, Group: "requests",
		Ends: make([]int64, requestPartitions), Handler: work.Look, Until: work.Partitions, Count: requestPartitions + 1,
	}
	cmd := d.command(ctx, c, job, "100")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if rate > 0 {
		cl, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.DefaultProduceTopic("requests"), kgo.MetadataMaxAge(time.Hour))
		if err != nil {
			return nil, err
		}
		defer cl.Close()
		go func() {
			tick := time.NewTicker(time.Second / time.Duration(rate))
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					cl.TryProduce(ctx, &kgo.Record{Value: []byte("12345678")}, nil)
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	if err := sleep(ctx, requestSettle); err != nil {
		return nil, err
	}
	before := map[kmsg.Key]int{}
	for k, h := range seen {
		before[k] = h.Hits()
	}
	if err := sleep(ctx, requestSpan); err != nil {
		return nil, err
	}
	per := map[kmsg.Key]float64{}
	for _, k := range slices.SortedFunc(maps.Keys(seen), cmp.Compare) {
		per[k] = float64(seen[k].Hits()-before[k]) / requestSpan.Seconds()
	}
	return per, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
