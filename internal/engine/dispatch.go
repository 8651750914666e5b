package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/kafka"
)

// fetchErrorEvery is how often the same fetch error is reported.
const fetchErrorEvery = 10 * time.Second

// dispatch queues what a poll returned, one slab per partition.
func (r *runner) dispatch(fetches kgo.Fetches) (records int) {
	var until time.Time
	for i := range fetches {
		f := &fetches[i]
		b := &body{budget: r.budget}
		var slabs []*slab
		var owners []*assignment
		for t := range f.Topics {
			topic := &f.Topics[t]
			for p := range topic.Partitions {
				part := &topic.Partitions[p]
				tp := kafka.TopicPartition{Topic: topic.Topic, Partition: part.Partition}
				if part.Err != nil {
					r.fetchFailed(tp, part.Err)
				}
				if len(part.Records) == 0 {
					continue
				}
				records += len(part.Records)
				a := r.find(tp)
				if a == nil {
					r.emit(callbacks.Unassigned{Where: r.at(tp), Count: len(part.Records)})
					continue
				}
				if !a.takes(part) {
					continue
				}
				s := &slab{recs: part.Records, body: b, reuse: a.route.reuse}
				s.bytes, s.plain = survey(s.recs)
				b.bytes += s.bytes
				slabs, owners = append(slabs, s), append(owners, a)
			}
		}
		if len(slabs) == 0 {
			continue
		}
		b.slabs.Store(int32(len(slabs)))
		r.budget.charge(b.bytes)
		for i, s := range slabs {
			r.hand(owners[i], s)
		}
		for _, a := range owners {
			until = r.brake(a, until)
		}
	}
	return records
}

// hand queues one slab.
func (r *runner) hand(a *assignment, s *slab) {
	r.hooks("AfterFetch", func(h callbacks.Hooks) func(context.Context) error {
		if h.AfterFetch == nil {
			return nil
		}
		n := len(s.recs)
		return func(ctx context.Context) error { return h.AfterFetch(ctx, r.id, a.tp.Topic, a.tp.Partition, n) }
	})
	if a.slow.Load() {
		s.detach(0, 0)
	}
	fetched := callbacks.Fetched{
		Where: a.where(), First: s.recs[0].Offset, Last: s.recs[len(s.recs)-1].Offset,
		Count: len(s.recs), Bytes: s.bytes, HighWatermark: a.highWater.Load(),
	}
	if !a.queue.push(s) {
		s.release()
		return
	}
	r.emit(fetched)
	a.signal()
}

// takes keeps what a fetch says about the partition. It reports false for records that must not be handed over: behind a batch that cannot
// be read and behind a rewind, where they are fetched again, and behind a gap for which the process stops.
func (a *assignment) takes(part *kgo.FetchPartition) bool {
	if a.cooling.Load() && part.Err == nil || a.state.Load() >= int32(stateClosing) {
		return false
	}
	a.highWater.Store(part.HighWatermark)
	if part.Err == nil {
		a.spoiled.Store(0)
	}
	first := part.Records[0].Offset
	a.mu.Lock()
	expected := a.fetched
	a.fetched = part.Records[len(part.Records)-1].Offset + 1
	a.mu.Unlock()
	if expected >= 0 && expected < part.LogStartOffset && first >= part.LogStartOffset {
		return !a.r.gap(callbacks.Gap{Where: a.where(), From: expected, To: first, Reason: callbacks.GapRetention})
	}
	if first < expected { // not the engine's doing: it would have made another assignment
		a.r.rewound(a, callbacks.Gap{Where: a.where(), From: expected, To: first, Reason: callbacks.GapRewound})
		return false
	}
	return true
}

// fetchFailed reports what polling said of a partition. What no waiting heals stops the process with a named reason; the client
// retries the rest.
func (r *runner) fetchFailed(tp kafka.TopicPartition, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		r.e.fatal(fmt.Errorf("group %q: authentication failed: %w", r.id, err))
	case errors.Is(err, kerr.FencedInstanceID):
		r.e.fatal(r.fenced(err))
	}
	if lost := (*kgo.ErrDataLoss)(nil); errors.As(err, &lost) {
		r.rewound(r.find(tp), callbacks.Gap{Where: r.at(tp), From: lost.ConsumedTo, To: lost.ResetTo, Reason: callbacks.GapDataLoss})
	}
	if r.unreadable(tp, err) {
		err = fmt.Errorf("a batch cannot be read, and its partition waits at it (fetch.on_unreadable): %w", err)
	}
	if n := r.errors.allow(tp.Topic + err.Error()); n > 0 {
		r.emit(callbacks.FetchFailed{Where: r.at(tp), Err: err, Count: n})
	}
}

// rewound lets a partition go on at an earlier offset, after its log was cut off and written anew from there. The offset is committed, so
// that whoever gets the partition next does not skip what was written since.
func (r *runner) rewound(a *assignment, g callbacks.Gap) {
	if r.gap(g) || a == nil {
		return
	}
	r.reposition(a, g.To, g.Reason)
}

func (r *runner) fenced(err error) error {
	return fmt.Errorf("group %q: another process joined with the same group.instance_id and takes this one's place: %w", r.id, err)
}
