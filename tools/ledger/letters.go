package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
)

// read reads all that topics have, or what is committed of it.
func (c *cluster) read(ctx context.Context, level kgo.IsolationLevel, topics ...string) (all []*kgo.Record, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ends, err := c.admin.ListEndOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	from, last := map[string]map[int32]kgo.Offset{}, map[place]bool{}
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset == 0 {
			return
		}
		if from[end.Topic] == nil {
			from[end.Topic] = map[int32]kgo.Offset{}
		}
		from[end.Topic][end.Partition] = kgo.NewOffset().At(0)
		last[place{end.Topic, end.Partition, end.Offset - 1}] = true
	})
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.ConsumePartitions(from), kgo.DisableClientMetrics(),
		kgo.FetchIsolationLevel(level), kgo.KeepControlRecords())
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	for len(last) > 0 {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("read %v: the last of %d partitions is not there: %w", topics, len(last), fetches.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				all = append(all, r)
			}
			delete(last, place{r.Topic, r.Partition, r.Offset})
		})
	}
	return all, nil
}

// header is the value of a header that a record has once, and empty otherwise.
func header(r *kgo.Record, name string) (value string) {
	n := 0
	for _, h := range r.Headers {
		if h.Key == name {
			value = string(h.Value)
			n++
		}
	}
	if n != 1 {
		return ""
	}
	return value
}

// due is when a record of a retry topic may be handled, 0 for others.
func due(r *kgo.Record) int64 {
	at, err := time.Parse(time.RFC3339, header(r, consumer.HeaderRetryAt))
	if err != nil {
		return 0
	}
	return at.UnixNano()
}

// step is a record at a stage.
type step struct {
	seq   int64
	stage int
}

// checkForwarded checks what is in retry topics and among the dead letters: that it belongs there, and says where it comes from. It notes
// in done when a record was passed on, for then it is done where it came from.
func (b *books) checkForwarded(s *summary, ends []sample, done map[place]int64) {
	produced := map[int64]line{}
	for _, l := range b.produced {
		produced[l.Seq] = l
	}
	tried := map[place]bool{}
	for _, l := range slices.Concat(b.handled, b.failed) {
		tried[place{l.Topic, l.Partition, l.Offset}] = true
	}
	at := map[step][]place{} // where a record is
	dead, retried := map[int64]bool{}, map[int64]bool{}
	passed := map[[2]string]bool{} // from where, and where to
	for _, r := range b.forwarded {
		if len(r.Value) != 8 {
			s.breachf("a record of %d bytes is at %s", len(r.Value), placeOf(r))
			continue
		}
		now := step{number(r.Value), stageOf(r.Topic)}
		fate := fateOf(now.seq, true)
		at[now] = append(at[now], placeOf(r))
		way := [2]string{sourceOf(r), r.Topic}
		if b.exactly && passed[way] {
			s.doubled++
			s.breachf("record %d, which was at %s, is in %s once more, at %s", now.seq, way[0], r.Topic, placeOf(r))
		}
		passed[way] = true
		switch {
		case !fate.passes(now.stage):
			s.breachf("record %d is at %s, and should have been done in %s", now.seq, placeOf(r), stages[fate.stage].topic)
		case now.stage == lettersStage:
			s.letters++
			dead[now.seq] = true
		default:
			retried[now.seq] = true
			if !tried[placeOf(r)] {
				s.breachf("I1: record %d at %s was never tried", now.seq, placeOf(r))
			}
		}
		l, ok := produced[now.seq]
		if ok { // else its acknowledgement was lost, and nobody knows where it was
			b.checkLetter(s, l, r, fate, now.stage)
			at[step{now.seq, 0}] = []place{{topic, l.Partition, l.Offset}}
		}
	}
	since := sinceWhen(b.forwarded, ends)
	for now, places := range at {
		for _, from := range at[step{now.seq, fateOf(now.seq, true).before(now.stage)}] {
			for _, to := range places {
				if t, ok := done[from]; !ok || since[to] < t {
					done[from] = since[to]
				}
			}
		}
	}
	for _, l := range b.produced {
		if fateOf(l.Seq, b.failing).stage == lettersStage && !dead[l.Seq] {
			s.lost++
			s.breachf("I1: record %d at offset %d of partition %d is not among the dead letters", l.Seq, l.Offset, l.Partition)
		}
	}
	s.dead, s.retried = len(dead), len(retried)
}

// sourceOf is where a record was that was passed on, by its headers.
func sourceOf(r *kgo.Record) string {
	return fmt.Sprintf("%s/%s@%s", header(r, consumer.HeaderSourceTopic), header(r, consumer.HeaderSourcePartition),
		header(r, consumer.HeaderSourceOffset))
}

// sinceWhen is when the cluster had the records, or somewhat before.
func sinceWhen(all []*kgo.Record, ends []sample) map[place]int64 {
	since := map[place]int64{}
	byPartition := map[part][]sample{}
	for _, x := range ends {
		id := part{x.topic, x.partition}
		byPartition[id] = append(byPartition[id], x)
	}
	for _, r := range all {
		t := r.Timestamp
		seen := byPartition[part{r.Topic, r.Partition}]
		i := slices.IndexFunc(seen, func(x sample) bool { return x.offset > r.Offset })
		if i < 0 {
			i = len(seen)
		}
		if i > 0 && seen[i-1].at.After(t) { // it was not there yet
			t = seen[i-1].at
		}
		since[placeOf(r)] = t.UnixNano()
	}
	return since
}

func placeOf(r *kgo.Record) place { return place{r.Topic, r.Partition, r.Offset} }

// checkLetter compares a record with the one that was produced.
func (b *books) checkLetter(s *summary, was line, r *kgo.Record, f fate, stage int) {
	const milliseconds = "2006-01-02T15:04:05.000Z07:00"
	if string(r.Key) != was.Key {
		s.breachf("record %d at %s has key %q, and had %q", was.Seq, placeOf(r), r.Key, was.Key)
	}
	if was.Partition < int32(b.partitions) && r.Partition != was.Partition {
		s.breachf("record %d at %s was in partition %d", was.Seq, placeOf(r), was.Partition)
	}
	for name, want := range map[string]string{
		consumer.HeaderSourceTopic:     topic,
		consumer.HeaderSourcePartition: strconv.Itoa(int(was.Partition)),
		consumer.HeaderSourceOffset:    strconv.FormatInt(was.Offset, 10),
		consumer.HeaderSourceTimestamp: time.Unix(0, was.Time).UTC().Format(milliseconds),
		consumer.HeaderSourceGroup:     group,
		consumer.HeaderAttempts:        strconv.Itoa(f.attempts(stage)),
		consumer.HeaderError:           f.err.Error(),
	} {
		if got := header(r, name); got != want {
			s.breachf("record %d at %s has %s %q, want %q once", was.Seq, placeOf(r), name, got, want)
		}
	}
}

// checkStages checks that nothing was handled elsewhere than where it should, and nothing in a retry topic before its time.
func (b *books) checkStages(s *summary) {
	failed := map[step]int64{} // when a record had first failed so often that it goes on
	for _, l := range b.failed {
		now := step{l.Seq, stageOf(l.Topic)}
		if now.stage == 0 && l.Failed <= retries {
			continue
		}
		if t, ok := failed[now]; !ok || l.Time < t {
			failed[now] = l.Time
		}
	}
	for _, l := range b.handled {
		if f := fateOf(l.Seq, b.failing); stageOf(l.Topic) != f.stage {
			s.breachf("record %d was handled by %s in %s, and should not have been", l.Seq, l.Member, l.Topic)
		}
	}
	for _, l := range slices.Concat(b.handled, b.failed) {
		stage := stageOf(l.Topic)
		if stage == 0 {
			continue
		}
		before, ok := failed[step{l.Seq, stage - 1}]
		// Headers have milliseconds, and leave the rest out.
		if least := before + int64(stages[stage].delay-time.Millisecond); !ok || l.Began < max(least, l.Due) || l.Due == 0 {
			s.soon++
			s.breachf("record %d was handed over at %s at %s, before it was due at %s; it had failed at %s", l.Seq,
				place{l.Topic, l.Partition, l.Offset}, clock(l.Began), clock(max(least, l.Due)), clock(before))
		}
	}
}

func clock(t int64) string { return time.Unix(0, t).Format(time.TimeOnly + ".000") }
