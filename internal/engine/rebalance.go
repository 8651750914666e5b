package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/offsets"
)

type partitionsFunc = func(ctx context.Context, group string, p callbacks.Partitions) error

// onAssigned makes an assignment for every new partition. Nothing of them can be fetched before it returns.
func (r *runner) onAssigned(_ context.Context, parts map[string][]int32) {
	<-r.ready
	defer func() { r.emit(callbacks.Joined{Group: r.id, Partitions: len(r.all())}) }()
	if len(parts) == 0 {
		return
	}
	var made []*assignment
	for topic, ids := range parts {
		rt, mark := r.routeOf(topic), r.mark(topic)
		r.mu.Lock()
		if rt == nil || r.stopping {
			r.mu.Unlock()
			continue
		}
		for _, id := range ids {
			tp := kafka.TopicPartition{Topic: topic, Partition: id}
			if r.assigned[tp] != nil {
				continue
			}
			r.epochs[tp]++
			a := newAssignment(r, rt, tp, r.epochs[tp], r.last[tp].running(), nil)
			a.metadata, a.member = mark, r.client.MemberID()
			r.assigned[tp], r.last[tp] = a, a
			made = append(made, a)
		}
		r.mu.Unlock()
	}
	r.resize()
	for _, a := range made {
		r.makeHandler(a)
		r.emit(callbacks.Assigned{Where: a.where(), Epoch: a.epoch})
		a.inherit()
		r.watchPosition(a)
	}
	// A partition that was paused when it was taken away stays paused in the client: it would never be fetched again.
	r.client.ResumeFetchPartitions(parts)
	r.partitionsHook("OnAssigned", parts, func(h callbacks.Hooks) partitionsFunc { return h.OnAssigned })
}

// makeHandler calls the factory of EachPartition. Without a handler nothing can be consumed: the process stops with the reason.
func (r *runner) makeHandler(a *assignment) {
	factory := a.route.spec.PerPartition
	if factory == nil {
		return
	}
	r.hook("EachPartition", func(context.Context) error {
		h := factory(partition{a: a, granted: true})
		a.mu.Lock()
		a.handler = h
		a.mu.Unlock()
		return nil
	})
	a.mu.Lock()
	missing := a.handler == nil
	a.mu.Unlock()
	if missing {
		r.e.fatal(fmt.Errorf("group %q: EachPartition made no handler for %s/%d", r.id, a.tp.Topic, a.tp.Partition))
	}
}

func (r *runner) onRevoked(_ context.Context, parts map[string][]int32) { r.release(parts, false) }

func (r *runner) onLost(_ context.Context, parts map[string][]int32) { r.release(parts, true) }

// release gives partitions up. Revoked ones are drained within a bound and committed; lost ones are cut off.
func (r *runner) release(parts map[string][]int32, lost bool) {
	<-r.ready
	defer r.e.look() // a topic that waits for its partitions to be given up
	// kgo has dropped what it had buffered of these partitions. What a poll returned before is dispatched now, to assignments that
	// are about to close, and nothing comes after it.
	r.inBetween(nil)
	var as []*assignment
	r.mu.Lock()
	for topic, ids := range parts {
		for _, id := range ids {
			if a := r.assigned[kafka.TopicPartition{Topic: topic, Partition: id}]; a != nil {
				as = append(as, a)
			}
		}
	}
	r.mu.Unlock()
	if len(as) == 0 {
		return
	}
	var open []*assignment // a stop that got here first has drained and sealed the others
	for _, a := range as {
		a.beginClose()
		if !a.is(stateClosed) {
			open = append(open, a)
		}
	}
	r.drain(open, lost)
	if len(open) < len(as) {
		// The stop's commit may be under way, and must not come after the partitions are given up. This one sends nothing, and waits.
		_ = r.committer.commitAndSeal(r.e.base, nil, false)
	}
	r.mu.Lock()
	for _, a := range as {
		if r.assigned[a.tp] == a {
			delete(r.assigned, a.tp)
		}
	}
	stopping := r.stopping
	r.mu.Unlock()
	r.resize()
	var told sync.WaitGroup // at once: how long a revoke takes must not grow with the number of its partitions
	for _, a := range as {
		told.Go(func() { r.ended(a, lost, stopping) })
	}
	told.Wait()
	given := callbacks.Partitions(parts)
	if lost {
		r.partitionsHook("OnLost", given, func(h callbacks.Hooks) partitionsFunc { return h.OnLost })
		return
	}
	r.partitionsHook("OnRevoked", given, func(h callbacks.Hooks) partitionsFunc { return h.OnRevoked })
}

// drain lets the deliveries of revoked partitions finish within a bound and commits what is done; lost ones are cut off.
func (r *runner) drain(as []*assignment, lost bool) {
	if len(as) == 0 {
		return
	}
	if lost {
		r.cut(as, offsets.ErrRevoked)
		_ = r.committer.commitAndSeal(r.e.base, as, false) // nothing is sent
	} else {
		deadline := time.Now().Add(r.settings.RevokeDrain)
		if !awaitWorkers(as, deadline, r.abandoning) {
			r.cut(as, offsets.ErrRevoked)
			awaitWorkers(as, deadline.Add(r.settings.RevokeGrace), r.abandoning)
		}
		var live, gone []*assignment
		for _, a := range as {
			if r.gone(a.tp.Topic) {
				gone = append(gone, a)
			} else {
				live = append(live, a)
			}
		}
		_ = r.committer.commitAndSeal(r.e.base, live, true)  // told by its events; the records are delivered again
		_ = r.committer.commitAndSeal(r.e.base, gone, false) // nothing is sent
	}
}

// disown gives up partitions that were granted to this member under another id than it has now. A group that has forgotten a member while
// it was frozen or cut off lets it join anew, and the client goes on with what it had, without a word, if the group happens to give it that
// again. Others may have had it in between, and are ahead. It is called with the committer's lock, so that nothing of such partitions is
// committed under the new id, and reports whether there are any.
func (r *runner) disown() (stale bool) {
	id := r.client.MemberID()
	if id == "" {
		return false // it is about to join: nothing can be committed
	}
	for _, a := range r.all() {
		if a.member == id || a.member == "" {
			continue
		}
		stale = true
		ours := a.beginClose()
		a.seal()
		a.cancel(offsets.ErrRevoked)
		if ours {
			r.tasks.Go(func() { r.inBetween(func() { r.again(a) }) })
		}
	}
	return stale
}

// again gives a partition a new epoch, which asks the broker where it stands.
func (r *runner) again(a *assignment) {
	r.mu.Lock()
	if r.assigned[a.tp] != a || r.stopping {
		r.mu.Unlock()
		return
	}
	r.epochs[a.tp]++
	next := newAssignment(r, a.route, a.tp, r.epochs[a.tp], a.running(), nil)
	next.metadata, next.member = a.metadata, r.client.MemberID()
	next.parked.Store(true)
	r.assigned[a.tp], r.last[a.tp] = next, next
	r.mu.Unlock()
	r.client.PauseFetchPartitions(map[string][]int32{a.tp.Topic: {a.tp.Partition}})
	r.ended(a, true, false) // its handler's state is that of records that are handled again
	r.makeHandler(next)
	next.paused.Store(a.paused.Load() & uint32(pausedUser))
	r.emit(callbacks.Assigned{Where: next.where(), Epoch: next.epoch})
	next.inherit()
	r.watchPosition(next)
	r.tasks.Go(func() { r.positionLater(next) })
}

// ended tells that an assignment is over.
func (r *runner) ended(a *assignment, lost, stopping bool) {
	drained := a.returned()
	if drained {
		a.cancel(offsets.ErrRevoked) // frees the context
	}
	if a.handler != nil && !stopping {
		revoked, _ := a.handler.(consumer.RevokedHandler)
		told, _ := a.handler.(consumer.LostHandler)
		switch {
		case lost && told != nil:
			r.hook("OnLost", told.OnLost)
		case revoked != nil:
			r.hook("OnRevoked", revoked.OnRevoked)
		}
	}
	r.emit(callbacks.Revoked{Where: a.where(), Epoch: a.epoch, Lost: lost, Drained: drained})
}

// cut cancels the handlers that still run.
func (r *runner) cut(as []*assignment, cause error) {
	for _, a := range as {
		a.cancel(cause)
	}
}

func (a *assignment) returned() bool { return a.over.Load() }

// end says that the worker has returned, or that there never was one.
func (a *assignment) end() {
	a.over.Store(true)
	close(a.done)
}

// awaitWorkers waits until the workers of all assignments have returned, or the deadline, or force. It reports whether all have.
func awaitWorkers(as []*assignment, deadline time.Time, force <-chan struct{}) bool {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for _, a := range as {
		select {
		case <-a.done:
			continue
		default:
		}
		select {
		case <-a.done:
		case <-timer.C:
			return false
		case <-force:
			return false
		}
	}
	return true
}
