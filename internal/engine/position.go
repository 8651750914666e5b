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
	starts, err := r.resolveStarts(ctx, waiting, committed)
	if err != nil {
		return nil, err
	}
	for _, a := range waiting {
		c, read := committed[a.tp]
		switch {
		case !read:
			r.client.PauseFetchPartitions(map[string][]int32{a.tp.Topic: {a.tp.Partition}})
			at[a.tp] = kafka.Offset{Offset: 0, Epoch: -1} // never fetched from: it is paused
			a.parked.Store(true)
			r.tasks.Go(func() { r.positionLater(a) })
		case c.Offset >= 0:
			at[a.tp] = kafka.Offset{Offset: c.Offset, Epoch: c.Epoch}
			r.beginAt(a, position{c.Offset, c.Epoch}, c.Offset, "")
		default:
			s := starts[a.tp]
			at[a.tp] = kafka.Offset{Offset: s.offset, Epoch: -1}
			r.beginAt(a, position{s.offset, -1}, -1, s.why)
		}
	}
	return at, nil
}

func (r *runner) beginAt(a *assignment, at position, known int64, why string) {
	a.begin(at, known)
	r.emit(callbacks.Positioned{Where: a.where(), Offset: at.offset, Committed: known >= 0, Start: why})
	if known < 0 {
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
	switch {
	case !r.known[tp] && (s.IsLatest() || isTime):
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
		c, err := r.client.FetchOffset(ctx, a.tp)
		var starts map[kafka.TopicPartition]start
		if err == nil {
			starts, err = r.resolveStarts(ctx, []*assignment{a}, map[kafka.TopicPartition]kafka.Committed{a.tp: c})
		}
		cancel()
		if err != nil {
			r.fetchFailed(a.tp, fmt.Errorf("read committed offset: %w", err))
			continue
		}
		at, known, why := position{c.Offset, c.Epoch}, c.Offset, ""
		if s, ok := starts[a.tp]; ok {
			at, known, why = position{s.offset, -1}, -1, s.why
		}
		r.inBetween(func() {
			if !a.is(stateAssigned) {
				return
			}
			r.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{a.tp.Topic: {a.tp.Partition: {Epoch: at.epoch, Offset: at.offset}}})
			r.beginAt(a, at, known, why)
			r.client.ResumeFetchPartitions(map[string][]int32{a.tp.Topic: {a.tp.Partition}})
		})
		return
	}
}
