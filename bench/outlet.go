package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/bench/internal/work"
)

const (
	// slowShare is the part of the records that slow clients have, as a divisor.
	slowShare = 20
	// lookEvery is how often it is looked whether all outputs are there.
	lookEvery = 5 * time.Millisecond
)

// outlet is the topic that one client writes to in one round.
type outlet struct {
	s     *stage
	topic string
	ends  []int64 // of the sources
	group string  // whose offsets are to be at the ends; empty where nothing is consumed
	level kgo.IsolationLevel
	told  *os.File
	tell  *os.File
	quit  context.CancelFunc
	done  chan struct{}
}

// open makes the topic, and ends the client's standard input when as many records are in it as there should be.
func (s *stage) open(ctx context.Context, w workload, job *work.Job) (*outlet, error) {
	o := &outlet{s: s, topic: fmt.Sprintf("%s-out-%d", s.topics[0], time.Now().UnixNano()), ends: s.ends, done: make(chan struct{})}
	ready := o.written
	switch w.Handler {
	case work.Transform:
		o.group = job.Group
	case work.Transact: // ends of the topic count markers too
		o.group, o.level = job.Group, kgo.ReadCommitted()
		ready = func(ctx context.Context) bool { return o.committed(ctx) == nil }
	}
	made, err := s.admin.CreateTopics(ctx, int32(w.Partitions), -1, nil, o.topic)
	if err == nil {
		err = made.Error()
	}
	if err != nil {
		return nil, err
	}
	job.Output, job.Size = o.topic, w.Size
	if o.told, o.tell, err = os.Pipe(); err != nil {
		return nil, err
	}
	ctx, o.quit = context.WithCancel(ctx)
	go o.watch(ctx, ready)
	return o, nil
}

func (o *outlet) wanted() (n int64) {
	for _, end := range o.ends {
		n += end
	}
	return n
}

func (o *outlet) watch(ctx context.Context, ready func(context.Context) bool) {
	defer close(o.done)
	defer o.tell.Close() //nolint:errcheck // a pipe
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if ready(ctx) {
			return
		}
	}
}

// written reports whether as many records are in the topic as there should be.
func (o *outlet) written(ctx context.Context) bool {
	ends, err := o.s.admin.ListEndOffsets(ctx, o.topic)
	if err != nil {
		return false
	}
	n := int64(0)
	ends.Each(func(l kadm.ListedOffset) { n += max(l.Offset, 0) })
	return n >= o.wanted()
}

// check reads the topic: every record has its output, changed, and the outputs of a partition that was consumed are in its order. It
// returns how many there should be.
func (o *outlet) check(ctx context.Context) (int64, error) {
	seen := make([][]bool, len(o.ends))
	for i, end := range o.ends {
		seen[i] = make([]bool, end)
	}
	again, disorder := 0, 0
	before := map[[2]int]int64{} // by partition of the output and of the input
	var wrong error
	err := o.read(ctx, func(r *kgo.Record) {
		source, n := work.NumberOf(r.Value)
		if r.Value[len(r.Value)-1] != work.Changed || source >= len(seen) || n >= int64(len(seen[source])) {
			wrong = fmt.Errorf("output %d@%d is not what was to be written", r.Partition, r.Offset)
			return
		}
		if seen[source][n] {
			again++
		}
		seen[source][n] = true
		way := [2]int{int(r.Partition), source}
		if o.group != "" && n+1 <= before[way] {
			disorder++
		}
		before[way] = n + 1
	})
	err = errors.Join(err, wrong)
	missing := 0
	for _, records := range seen {
		for _, is := range records {
			if !is {
				missing++
			}
		}
	}
	if missing+again+disorder > 0 {
		err = errors.Join(err, fmt.Errorf("of %d outputs %d are missing, %d are there again, %d are out of order",
			o.wanted(), missing, again, disorder))
	}
	return o.wanted(), errors.Join(err, o.committed(ctx))
}

// read reads the topic, or what is committed of it.
func (o *outlet) read(ctx context.Context, fn func(*kgo.Record)) error {
	ends, err := o.s.admin.ListEndOffsets(ctx, o.topic)
	if err != nil {
		return err
	}
	at, last := map[int32]kgo.Offset{}, map[int32]int64{}
	ends.Each(func(l kadm.ListedOffset) {
		if l.Offset > 0 {
			at[l.Partition], last[l.Partition] = kgo.NewOffset().AtStart(), l.Offset-1
		}
	})
	cl, err := kgo.NewClient(kgo.SeedBrokers(o.s.brokers...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{o.topic: at}),
		kgo.FetchIsolationLevel(o.level), kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer cl.Close()
	for len(last) > 0 && ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			if r.Offset == last[r.Partition] {
				delete(last, r.Partition)
			}
			if !r.Attrs.IsControl() {
				fn(r)
			}
		})
	}
	return ctx.Err()
}

// committed checks that the group has committed what it consumed.
func (o *outlet) committed(ctx context.Context) error {
	if o.group == "" {
		return nil
	}
	stored, err := o.s.admin.FetchOffsets(ctx, o.group)
	if err != nil {
		return err
	}
	for p, end := range o.ends {
		if is, ok := stored.Lookup(o.s.topics[0], int32(p)); !ok || is.At != end {
			return fmt.Errorf("partition %d ends at %d, committed is %d", p, end, is.At)
		}
	}
	return nil
}

func (o *outlet) close() {
	o.quit()
	<-o.done
	_ = o.told.Close()
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	_, _ = o.s.admin.DeleteTopics(ctx, o.topic) // the embedded broker forgets it anyway
}
