package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/router"
)

// storeSteps are the pauses between questions to a store that does not answer.
//
//nolint:gochecknoglobals // constant
var storeSteps = router.Failure{Backoff: 100 * time.Millisecond, MaxBackoff: 5 * time.Second}

// own notes the claim that an assignment has.
func (a *assignment) own(c offsets.Claim) {
	a.mu.Lock()
	a.claim = c
	a.mu.Unlock()
}

func (a *assignment) owned() offsets.Claim {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.claim
}

// claim claims a partition in its route's store, and returns what is stored as if Kafka had it.
func (r *runner) claim(ctx context.Context, a *assignment) (kafka.Committed, error) {
	c, at, err := a.route.spec.Store.Claim(ctx, offsets.Partition{Group: r.id, Topic: a.tp.Topic, ID: a.tp.Partition})
	if err != nil {
		return kafka.Committed{}, err
	}
	a.own(c)
	return kafka.Committed{Offset: at.Offset, Epoch: at.Epoch, Metadata: at.Metadata}, nil
}

// claimAll replaces what Kafka says about partitions whose offsets are in stores by what the stores say. Those that cannot be claimed now
// are left out.
func (r *runner) claimAll(
	ctx context.Context, as []*assignment, committed map[kafka.TopicPartition]kafka.Committed,
) map[kafka.TopicPartition]kafka.Committed {
	var stored []*assignment
	for _, a := range as {
		if a.route.spec.Store != nil {
			stored = append(stored, a)
		}
	}
	if len(stored) == 0 {
		return committed
	}
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	committed = maps.Clone(committed)
	for _, a := range stored {
		delete(committed, a.tp)
	}
	var mu sync.Mutex
	var asked sync.WaitGroup
	slots := newLimiter(claimsAtOnce)
	for _, a := range stored {
		if !slots.acquire(ctx, nil) {
			continue
		}
		asked.Go(func() {
			defer slots.release()
			c, err := r.claim(ctx, a)
			if err != nil {
				r.emit(callbacks.StoreFailed{Where: a.where(), Offset: -1, Err: err})
				return
			}
			mu.Lock()
			committed[a.tp] = c
			mu.Unlock()
		})
	}
	asked.Wait()
	return committed
}

// keepStart stores a position that is not what the store has: one that the route's start policy decided, or a gap.
func (r *runner) keepStart(ctx context.Context, a *assignment, c kafka.Committed, p place) error {
	if a.route.spec.Store == nil || p.refused || c.Offset == p.at.offset && c.Metadata == a.metadata {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	return a.owned().Move(ctx, offsets.Position{Offset: p.at.offset, Epoch: p.at.epoch, Metadata: a.metadata})
}

// keepStarts does it for all. A partition for which it fails is left out of the places: it is claimed again.
func (r *runner) keepStarts(ctx context.Context, as []*assignment, read map[kafka.TopicPartition]kafka.Committed,
	places map[kafka.TopicPartition]place,
) {
	for _, a := range as {
		p, ok := places[a.tp]
		if !ok {
			continue
		}
		if err := r.keepStart(ctx, a, read[a.tp], p); err != nil {
			r.unread(a, err)
			delete(places, a.tp)
		}
	}
}

// placeOf reads where one partition goes on, in its route's store or in Kafka, and decides.
func (r *runner) placeOf(ctx context.Context, a *assignment) (place, error) {
	c, err := r.stored(ctx, a)
	if err != nil {
		return place{}, err
	}
	places, err := r.placesOf(ctx, []*assignment{a}, map[kafka.TopicPartition]kafka.Committed{a.tp: c})
	if err != nil {
		return place{}, err
	}
	return places[a.tp], r.keepStart(ctx, a, c, places[a.tp])
}

// stored reads where a partition goes on: in its route's store, or in Kafka.
func (r *runner) stored(ctx context.Context, a *assignment) (kafka.Committed, error) {
	if a.route.spec.Store != nil {
		return r.claim(ctx, a)
	}
	return r.client.FetchOffset(ctx, a.tp)
}

// unread tells that a position could not be read.
func (r *runner) unread(a *assignment, err error) {
	if a.route.spec.Store != nil {
		r.emit(callbacks.StoreFailed{Where: a.where(), Offset: -1, Err: err})
		return
	}
	r.fetchFailed(a.tp, fmt.Errorf("read committed offset: %w", err))
}

// fence gives a partition up that another owner has claimed in the store. The group's own opinion follows: mostly it takes the
// partition away, because this member was thought dead. If it does not, the partition is claimed anew.
func (r *runner) fence(a *assignment, offset int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping || r.assigned[a.tp] != a {
		return
	}
	a.fenced.Store(true)
	a.beginClose()
	r.tasks.Go(func() {
		r.emit(callbacks.Fenced{Where: a.where(), Offset: offset, Epoch: a.epoch})
		r.emit(callbacks.Paused{Where: a.where(), Reason: callbacks.PausedFenced})
		r.client.PauseFetchPartitions(map[string][]int32{a.tp.Topic: {a.tp.Partition}})
		t := time.NewTimer(reclaimAfter)
		defer t.Stop()
		select {
		case <-t.C:
			r.reclaim(a)
		case <-a.ctx.Done():
		}
	})
}

// reclaim claims a partition that the group has not taken away, until it does.
func (r *runner) reclaim(a *assignment) {
	for tries := 1; ; tries++ {
		ctx, cancel := context.WithTimeout(a.ctx, storeTimeout)
		p, err := r.placeOf(ctx, a)
		cancel()
		if err == nil {
			if !p.refused {
				r.resume(a, p.at.offset, "claimed anew")
			}
			return
		}
		if !r.awaitStore(a, err, tries) {
			return
		}
	}
}

// resume ends an assignment and begins the next at an offset that its store has.
func (r *runner) resume(a *assignment, offset int64, why string) {
	if a.fenced.Load() {
		r.emit(callbacks.Resumed{Where: a.where(), Reason: callbacks.PausedFenced})
	}
	_ = r.committer.commitAndSeal(r.e.base, []*assignment{a}, false) // nothing is sent
	r.inBetween(func() { _ = r.replace(a, offset, why) })            // revoked meanwhile: the next owner has it
	a.cancel(offsets.ErrRevoked)                                     // frees the context
}

// awaitStore waits before a store is asked again; false when the partition is going.
func (r *runner) awaitStore(a *assignment, err error, tries int) bool {
	if a.ctx.Err() != nil {
		return false
	}
	r.emit(callbacks.StoreFailed{Where: a.where(), Offset: -1, Err: err})
	t := time.NewTimer(r.e.settings.Jitter(backoff(storeSteps, tries)))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-a.ctx.Done():
		return false
	}
}

// repositionStored is reposition for a route whose offsets are in a store: the delivery in progress ends as it would, its unit committed or
// rolled back, and then the store's position is moved to where the partition goes on. It does not wait for that: the delivery in progress
// may be who asks.
func (r *runner) repositionStored(a *assignment, offset int64, why string) error {
	if r.find(a.tp) != a {
		return offsets.ErrRevoked
	}
	a.beginClose()
	r.tasks.Go(func() {
		select {
		case <-a.done:
		case <-a.ctx.Done():
			return
		}
		for tries := 1; ; tries++ {
			err := r.moveTo(a, offset)
			switch {
			case err == nil:
				r.resume(a, offset, why)
				return
			case errors.Is(err, offsets.ErrFenced):
				r.fence(a, offset)
				return
			case !r.awaitStore(a, err, tries):
				return
			}
		}
	})
	return nil
}

// moveTo renews the claim first, so that nothing which is still under way moves the position afterwards.
func (r *runner) moveTo(a *assignment, offset int64) error {
	ctx, cancel := context.WithTimeout(a.ctx, storeTimeout)
	defer cancel()
	c, _, err := a.owned().Renew(ctx)
	if err != nil {
		return err
	}
	a.own(c)
	return c.Move(ctx, offsets.Position{Offset: offset, Epoch: -1, Metadata: a.metadata})
}
