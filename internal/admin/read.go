package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Reading says which records of a topic are meant.
type Reading struct {
	Topic string
	// Partitions are the only ones; empty for all.
	Partitions []int32
	// From is where reading begins in every partition. When it is the zero Position, the Last records of Match are meant.
	From Position
	Last int
	// Match says which records are meant; nil for all.
	Match func(*kgo.Record) bool
	// Follow goes on with what is written later, until the context ends.
	Follow bool
	// Uncommitted reads what open and aborted transactions wrote too.
	Uncommitted bool
	// Looked is called with how many records were looked at, again and again; nil for nobody.
	Looked func(n int)
}

// Read hands over records of a topic, those of a partition in order, until each returns false, or what was there when it began is read. No
// group is joined and nothing committed. The last records come sorted by their time, as far as the order of partitions allows.
func (c *Cluster) Read(ctx context.Context, r Reading, each func(*kgo.Record) (bool, error)) error {
	if _, err := c.describeTopics(ctx, []string{r.Topic}); err != nil {
		return err
	}
	b := c.bounds(ctx, []string{r.Topic}, !r.Uncommitted)
	if err := errors.Join(b.errs...); err != nil {
		return err
	}
	partitions, err := meant(r.Topic, slices.Sorted(maps.Keys(b.ends[r.Topic])), r.Partitions)
	if err != nil {
		return err
	}
	starts, ends := map[int32]int64{}, map[int32]int64{}
	for _, p := range partitions {
		starts[p], ends[p] = b.starts[r.Topic][p].Offset, b.ends[r.Topic][p].Offset
	}
	opts := c.opts
	if !r.Uncommitted {
		opts = append(slices.Clip(opts), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if r.From != (Position{}) {
		to, err := c.resolve(ctx, r.From, b, []string{r.Topic})
		if err != nil {
			return err
		}
		from, err := r.begin(to, starts, ends)
		if err != nil {
			return err
		}
		return consume(ctx, opts, r.Topic, from, r.until(ends), r.handOver(each))
	}
	last, err := r.last(ctx, opts, starts, ends)
	if err != nil {
		return err
	}
	if goOn, err := handOn(last, each); err != nil || !goOn {
		return err
	}
	return consume(ctx, opts, r.Topic, ends, r.until(ends), r.handOver(each))
}

// until is where reading ends: nil for never.
func (r Reading) until(ends map[int32]int64) map[int32]int64 {
	if r.Follow {
		return nil
	}
	return ends
}

func handOn(records []*kgo.Record, each func(*kgo.Record) (bool, error)) (bool, error) {
	for _, rec := range records {
		if goOn, err := each(rec); err != nil || !goOn {
			return false, err
		}
	}
	return true, nil
}

// begin is where partitions are read from.
func (r Reading) begin(to kadm.ListedOffsets, starts, ends map[int32]int64) (map[int32]int64, error) {
	from := map[int32]int64{}
	for p, end := range ends {
		o, ok := to.Lookup(r.Topic, p)
		if !ok || o.Err != nil {
			return nil, fmt.Errorf("find the offset of %s/%d at %s: %w", r.Topic, p, r.From, o.Err)
		}
		from[p] = max(starts[p], min(o.Offset, end))
	}
	return from, nil
}

// handOver leaves out what is not meant.
func (r Reading) handOver(each func(*kgo.Record) (bool, error)) func([]*kgo.Record) (bool, error) {
	return func(records []*kgo.Record) (bool, error) {
		looked := len(records)
		if r.Match != nil {
			meant := make([]*kgo.Record, 0, len(records))
			for _, rec := range records {
				if r.Match(rec) {
					meant = append(meant, rec)
				}
			}
			records = meant
		}
		if goOn, err := handOn(records, each); err != nil || !goOn {
			return false, err
		}
		if r.Looked != nil {
			r.Looked(looked)
		}
		return true, nil
	}
}

// last goes back in every partition until it has enough: what is left out, by the log or by Match, does not count.
func (r Reading) last(ctx context.Context, opts []kgo.Opt, starts, ends map[int32]int64) ([]*kgo.Record, error) {
	const further = 8 // how much further it looks back when there was not enough
	found := map[int32][]*kgo.Record{}
	todo := maps.Clone(ends)
	for window := int64(r.Last); len(todo) > 0 && r.Last > 0; window *= further {
		from := map[int32]int64{}
		for p, end := range todo {
			from[p] = max(starts[p], end-window)
			found[p] = nil
		}
		err := consume(ctx, opts, r.Topic, from, todo, r.handOver(func(rec *kgo.Record) (bool, error) {
			found[rec.Partition] = append(found[rec.Partition], rec)
			if kept := found[rec.Partition]; len(kept) > 2*r.Last {
				found[rec.Partition] = slices.Clone(kept[len(kept)-r.Last:]) // what is before is not kept alive
			}
			return true, nil
		}))
		if err != nil {
			return nil, err
		}
		for p, at := range from {
			if at == starts[p] || len(found[p]) >= r.Last {
				delete(todo, p)
			}
		}
	}
	return latest(found, r.Last), nil
}

// latest are the n records with the latest times, in order; those of a partition stay in theirs.
func latest(found map[int32][]*kgo.Record, n int) []*kgo.Record {
	var all []*kgo.Record
	for len(all) < n {
		next := int32(-1)
		for p, records := range found {
			if len(records) == 0 {
				continue
			}
			if next >= 0 {
				mine, best := records[len(records)-1].Timestamp, found[next][len(found[next])-1].Timestamp
				if mine.Before(best) || mine.Equal(best) && p < next {
					continue
				}
			}
			next = p
		}
		if next < 0 {
			break
		}
		records := found[next]
		all = append(all, records[len(records)-1])
		found[next] = records[:len(records)-1]
	}
	slices.Reverse(all)
	return all
}

// quiet is for how long nothing may come before the end of a topic before that counts as its end: the last records may be compacted.
const quiet = 5 * time.Second

// consume hands over the records of partitions, a fetch of them after the other, from some offsets until before others, or for ever where
// until is nil. It ends when each returns false.
func consume(
	ctx context.Context, opts []kgo.Opt, topic string, from, until map[int32]int64, each func([]*kgo.Record) (bool, error),
) error {
	at := map[int32]kgo.Offset{}
	left := maps.Clone(until)
	for p, offset := range from {
		if until != nil && offset >= until[p] {
			delete(left, p) // nothing is there
			continue
		}
		at[p] = kgo.NewOffset().At(offset)
	}
	if len(at) == 0 {
		return nil
	}
	opts = append(slices.Clip(opts), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: at}), kgo.KeepControlRecords())
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("configure client: %w", err)
	}
	defer cl.Close()
	for until == nil || len(left) > 0 {
		records, more, err := poll(ctx, cl, until == nil)
		if err != nil {
			return fmt.Errorf("topic %q: %w", topic, err)
		}
		if !more {
			return nil
		}
		var meant []*kgo.Record
		for _, r := range records {
			end, ok := left[r.Partition]
			if (until == nil || ok && r.Offset < end) && !r.Attrs.IsControl() {
				meant = append(meant, r)
			}
			if r.Offset+1 >= end {
				delete(left, r.Partition)
			}
		}
		if goOn, err := each(meant); err != nil || !goOn {
			return err
		}
	}
	return nil
}

// poll returns false when nothing more comes, unless it waits.
func poll(ctx context.Context, cl *kgo.Client, waits bool) (records []*kgo.Record, more bool, err error) {
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if !waits {
		waiting, cancel = context.WithTimeout(ctx, quiet)
	}
	defer cancel()
	fetches := cl.PollFetches(waiting)
	switch {
	case ctx.Err() != nil:
		return nil, false, context.Cause(ctx)
	case waiting.Err() != nil && fetches.NumRecords() == 0:
		return nil, false, nil
	}
	for _, e := range fetches.Errors() {
		if !errors.Is(e.Err, context.DeadlineExceeded) {
			return nil, false, fmt.Errorf("fetch partition %d: %w", e.Partition, e.Err)
		}
	}
	return fetches.Records(), true, nil
}
