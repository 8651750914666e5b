package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// position decides where newly assigned partitions are consumed from: at the committed offset, else by the
// route's start policy, resolved to an
// offset that is committed at once. An offset that could not be read is never taken for none: its partition is
// parked, and read again
// until the broker answers.
func (r *runner) position(ctx context.Context, committed map[kafka.TopicPartition]kafka.Committed) (kafka.Offsets, error) {
	<-r.ready
	var waiting []*assignment
	r.mu.Lock()
	for _, a := range r.assigned {
		if a.is(stateAssigned) && !a.parked.Load() {
			waiting = append(waiting, a)
		}
	}
	r.mu.Unlock()

	at := kafka.Offsets{}
	committed = r.claimAll(ctx, waiting, committed)
	places, err := r.placesOf(ctx, waiting, committed)
	if err != nil {
		return nil, err
	}
	r.keepStarts(ctx, waiting, committed, places)
	for _, a := range waiting {
		p, known := places[a.tp]
		switch {
		case !known:
			r.park(a, at)
			r.tasks.Go(func() { r.positionLater(a) })
		case p.refused:
			r.park(a, at) // the process stops
		default:
			at[a.tp] = kafka.Offset{Offset: p.at.offset, Epoch: p.at.epoch}
			r.beginAt(a, p)
		}
	}
	return at, nil
}

// park keeps a partition from being fetched.
func (r *runner) park(a *assignment, at kafka.Offsets) {
	r.client.PauseFetchPartitions(map[string][]int32{a.tp.Topic: {a.tp.Partition}})
	at[a.tp] = kafka.Offset{Offset: 0, Epoch: -1} // never fetched from: it is paused
	a.parked.Store(true)
}

// place is where an assignment begins.
type place struct {
	at      position
	known   int64  // what the broker has committed; -1 for nothing that counts
	why     string // the policy that decided, when it was not the committed offset
	refused bool   // the policy is to stop instead
	done    spans  // what is done above it, on a route by key
}

// placesOf decides for all assignments whose committed offset could be read.
func (r *runner) placesOf(
	ctx context.Context, as []*assignment, committed map[kafka.TopicPartition]kafka.Committed,
) (map[kafka.TopicPartition]place, error) {
	read := map[kafka.TopicPartition]kafka.Committed{}
	for _, a := range as {
		c, ok := committed[a.tp]
		if !ok {
			continue
		}
		if foreign(c.Metadata, a.metadata) {
			c.Offset = offsetOfAnother
		}
		read[a.tp] = c
	}
	starts, err := r.resolveStarts(ctx, as, read)
	if err != nil {
		return nil, err
	}
	firsts, ends := r.bounds(ctx, as, read)
	places := map[kafka.TopicPartition]place{}
	for _, a := range as {
		c, ok := read[a.tp]
		if !ok {
			continue
		}
		first, hasFirst := firsts[a.tp]
		end, hasEnd := ends[a.tp]
		p := place{at: position{c.Offset, c.Epoch}, known: c.Offset}
		switch {
		case c.Offset < 0:
			p = place{at: position{starts[a.tp].offset, -1}, known: -1, why: starts[a.tp].why}
		case hasFirst && c.Offset < first:
			p.at = position{first, -1}
			p.refused = r.gap(callbacks.Gap{Where: a.where(), From: c.Offset, To: first, Reason: callbacks.GapRetention})
		case hasEnd && c.Offset > end:
			// The end of a log that was cut is where what is written next will be. Of a log that may be another one, nothing was consumed.
			p = place{at: position{end, -1}, known: -1, why: callbacks.GapBeyond}
			if _, same := topicID(c.Metadata); !same && hasFirst {
				p.at.offset = first
			}
			p.refused = r.gap(callbacks.Gap{Where: a.where(), From: c.Offset, To: p.at.offset, Reason: callbacks.GapBeyond})
		}
		if hasEnd {
			a.highWater.Store(end) // an idle partition is never fetched from, and has a lag all the same
		}
		if p.at.offset == c.Offset && a.route.pool != nil {
			if p.done, err = doneIn(c.Metadata, position{c.Offset, c.Epoch}); err != nil {
				r.emit(callbacks.MetadataIgnored{Where: a.where(), Offset: c.Offset, Err: err})
			}
		}
		places[a.tp] = p
	}
	return places, nil
}

// offsetOfAnother stands for an offset that was committed for a deleted topic of the same name.
const offsetOfAnother = -2

// bounds are the first offsets and the ends of partitions whose committed offset could be read. What cannot be listed is left out: the
// client finds out when it fetches.
func (r *runner) bounds(
	ctx context.Context, as []*assignment, committed map[kafka.TopicPartition]kafka.Committed,
) (firsts, ends map[kafka.TopicPartition]int64) {
	var tps []kafka.TopicPartition
	for _, a := range as {
		if _, read := committed[a.tp]; read {
			tps = append(tps, a.tp)
		}
	}
	if len(tps) == 0 {
		return nil, nil
	}
	firsts, err := r.client.ListOffsets(ctx, kafka.AtStart, topicsOf(tps)...)
	if err != nil {
		return nil, nil
	}
	if ends, err = r.client.ListOffsets(ctx, kafka.AtEnd, topicsOf(tps)...); err != nil {
		return firsts, nil
	}
	return firsts, ends
}

// gap tells of records that are not there to be consumed. It reports whether the process stops for it.
func (r *runner) gap(g callbacks.Gap) bool {
	r.emit(g)
	if !r.settings.StopOnGap {
		return false
	}
	r.e.fatal(fmt.Errorf("group %q: %s/%d: records from offset %d on are gone (%s), the next would be %d, and fetch.on_gap is stop",
		r.id, g.Topic, g.Partition, g.From, g.Reason, g.To))
	return true
}

func (r *runner) beginAt(a *assignment, p place) {
	if a.route.spec.Store == nil {
		a.begin(p.at, p.known, p.done)
	} else {
		a.begin(p.at, -1, p.done) // what Kafka has is of no meaning, and is made to follow
		r.committer.soon()
	}
	r.emit(callbacks.Positioned{
		Where: a.where(), Offset: p.at.offset, Committed: p.known >= 0, Start: p.why, Done: p.done.count(),
	})
	if p.known < 0 {
		r.committer.soon()
	}
}

// start is a position that a policy decided.
type start struct {
	offset int64
	why    string
}

// resolveStarts asks the broker what the start policies mean for partitions without a committed offset.
func (r *runner) resolveStarts(
	ctx context.Context, as []*assignment, committed map[kafka.TopicPartition]kafka.Committed,
) (map[kafka.TopicPartition]start, error) {
	starts := map[kafka.TopicPartition]start{}
	byPolicy := map[start]map[kafka.At][]kafka.TopicPartition{}
	for _, a := range as {
		c, read := committed[a.tp]
		if !read || c.Offset >= 0 {
			continue
		}
		at, why := r.policy(a.route.spec.Start, a.tp)
		if c.Offset == offsetOfAnother {
			at, why = kafka.AtStart, "topic made anew"
		}
		key := start{why: why}
		if byPolicy[key] == nil {
			byPolicy[key] = map[kafka.At][]kafka.TopicPartition{}
		}
		byPolicy[key][at] = append(byPolicy[key][at], a.tp)
	}
	for key, byAt := range byPolicy {
		for at, tps := range byAt {
			listed, err := r.client.ListOffsets(ctx, at, topicsOf(tps)...)
			if err != nil {
				return nil, fmt.Errorf("resolve start %q: %w", key.why, err)
			}
			for _, tp := range tps {
				offset, ok := listed[tp]
				if !ok {
					return nil, fmt.Errorf("resolve start %q of %s/%d: the broker named no offset", key.why, tp.Topic, tp.Partition)
				}
				starts[tp] = start{offset, key.why}
			}
		}
	}
	return starts, nil
}

// policy is where a partition without a committed offset starts. One that was added while the process runs
// starts at its first record,
// whatever the route says: what was written before it was discovered must not be lost.
func (r *runner) policy(s router.Start, tp kafka.TopicPartition) (kafka.At, string) {
	t, isTime := s.Time()
	r.mu.Lock()
	known := r.known[tp]
	r.mu.Unlock()
	switch {
	case !known && (s.IsLatest() || isTime):
		return kafka.AtStart, "new partition"
	case isTime:
		return kafka.AtTime(t), s.String()
	case s.IsLatest():
		return kafka.AtEnd, s.String()
	default:
		return kafka.AtStart, s.String()
	}
}

func topicsOf(tps []kafka.TopicPartition) []string {
	seen := map[string]bool{}
	var names []string
	for _, tp := range tps {
		if !seen[tp.Topic] {
			seen[tp.Topic] = true
			names = append(names, tp.Topic)
		}
	}
	return names
}

// unpositionedAfter is how long an assignment may be without a position before that is told.
const unpositionedAfter = 10 * time.Second

var errUnpositioned = errors.New("the cluster does not tell the committed offset; it is asked again until it does " +
	"(a transaction that includes the offset may be open, KIP-447)")

// watchPosition tells of an assignment that gets no position: the client repeats some errors of an offset fetch by itself and says nothing.
func (r *runner) watchPosition(a *assignment) {
	time.AfterFunc(unpositionedAfter, func() {
		if !a.is(stateAssigned) {
			return
		}
		if !a.parked.Load() { // else positionLater tells
			r.fetchFailed(a.tp, errUnpositioned)
		}
		r.watchPosition(a)
	})
}

// positionLater reads a committed offset that could not be read at first, until it can.
func (r *runner) positionLater(a *assignment) {
	const first, most = 100 * time.Millisecond, 5 * time.Second
	for wait := first; ; wait = min(2*wait, most) {
		select {
		case <-a.closing:
			return
		case <-time.After(wait):
		}
		ctx, cancel := context.WithTimeout(r.e.base, commitTimeout)
		p, err := r.placeOf(ctx, a)
		cancel()
		if err != nil {
			r.unread(a, err)
			continue
		}
		if p.refused {
			return
		}
		r.inBetween(func() {
			if !a.is(stateAssigned) {
				return
			}
			to := kgo.EpochOffset{Epoch: p.at.epoch, Offset: p.at.offset}
			r.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{a.tp.Topic: {a.tp.Partition: to}})
			r.beginAt(a, p)
			r.client.ResumeFetchPartitions(map[string][]int32{a.tp.Topic: {a.tp.Partition}})
		})
		return
	}
}
