package engine

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/offsets"
)

// seek implements Partition.Seek: the assignment ends, and another begins at offset.
func (r *runner) seek(ctx context.Context, a *assignment, offset int64) error {
	if offset < 0 {
		return fmt.Errorf("seek %s/%d to %d: offset is negative", a.tp.Topic, a.tp.Partition, offset)
	}
	select {
	case err := <-r.reposition(a, offset, "seek"):
		return err
	case <-ctx.Done():
		return fmt.Errorf("seek %s/%d to %d: %w", a.tp.Topic, a.tp.Partition, offset, ctx.Err())
	}
}

// reposition ends an assignment, after committing what is done of it, and begins another at offset.
func (r *runner) reposition(a *assignment, offset int64, why string) <-chan error {
	result := make(chan error, 1)
	if a.route.spec.Store != nil {
		result <- r.repositionStored(a, offset, why)
		return result
	}
	a.beginClose()
	r.tasks.Go(func() {
		_ = r.committer.commitAndSeal(r.e.base, []*assignment{a}, true) // told by its event; the new position is committed anyway
		if a.returned() {
			a.cancel(offsets.ErrRevoked) // frees the context; a worker that still runs does so when it returns
		}
		r.inBetween(func() { result <- r.replace(a, offset, why) })
	})
	return result
}

func (r *runner) replace(a *assignment, offset int64, why string) error {
	r.mu.Lock()
	if r.assigned[a.tp] != a || r.stopping {
		r.mu.Unlock()
		return offsets.ErrRevoked
	}
	r.epochs[a.tp]++
	next := newAssignment(r, a.route, a.tp, r.epochs[a.tp], a.running(), a.handler)
	next.member = a.member
	next.grant, next.metadata, next.claim = a.grant, a.metadata, a.owned()
	r.assigned[a.tp], r.last[a.tp] = next, next
	r.mu.Unlock()
	one := map[string][]int32{a.tp.Topic: {a.tp.Partition}}
	r.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{a.tp.Topic: {a.tp.Partition: {Epoch: -1, Offset: offset}}})
	r.client.ResumeFetchPartitions(one)
	next.paused.Store(a.paused.Load() & uint32(pausedUser)) // the partition stays granted, and so does its pause
	r.emit(callbacks.Assigned{Where: next.where(), Epoch: next.epoch})
	next.inherit()
	next.begin(position{offset, -1}, -1, nil)
	r.emit(callbacks.Positioned{Where: next.where(), Offset: offset, Start: why})
	r.committer.soon()
	return nil
}
