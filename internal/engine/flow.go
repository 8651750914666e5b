package engine

import (
	"context"
	"time"

	"github.com/karafgo/karafgo/callbacks"
)

// hold is how long the poll loop waits for a partition that has too much queued, before it pauses the partition in the client. Pausing
// costs a new fetch, waiting costs the other partitions.
const hold = 20 * time.Millisecond

// awaitRoom waits while the group's queues hold all the memory they may. kgo keeps what it has fetched and fetches no more.
func (r *runner) awaitRoom(ctx context.Context) bool {
	room := r.budget.full()
	if room == nil {
		return true
	}
	for _, a := range r.all() {
		a.queue.detach()
	}
	if room = r.budget.full(); room == nil {
		return true
	}
	where := callbacks.Where{Group: r.id, Partition: -1}
	r.outside.Store(0) // it waits for handlers, and does its part
	r.crowded.Store(true)
	r.emit(callbacks.Paused{Where: where, Reason: callbacks.PausedMemory})
	defer func() {
		r.crowded.Store(false)
		r.emit(callbacks.Resumed{Where: where, Reason: callbacks.PausedMemory})
	}()
	select {
	case <-room:
		return true
	case <-ctx.Done():
		return false
	}
}

// share is what one partition may have queued.
func (r *runner) share() (records int, bytes int64) {
	if !r.spec.BatchFetching {
		return 1, r.settings.QueueBytes
	}
	bytes = 2 * r.partitionBytes()
	if r.budget.plenty() { // else a thousand partitions would be paused and resumed for every batch
		bytes = max(bytes, plentyBytes)
	}
	return 10 * r.settings.MaxPollRecords, bytes
}

// plentyBytes is what a partition may have queued in any case while the group uses little of its memory.
const plentyBytes = 512 << 10

// leastPartitionBytes is what a fetch may return of a partition however many there are.
const leastPartitionBytes = 16 << 10

// inAll is how many fetches of a partition may be there at once.
const inAll = 4

// partitionBytes is what one fetch may return of one partition. A partition whose handler is stuck holds the slab in progress, its share of
// two more, and one that was under way when it was paused: four in all. So a quarter of its part of the memory is what it may have at a
// time, and stuck partitions cannot take the others' memory.
func (r *runner) partitionBytes() int64 {
	r.mu.Lock()
	n := int64(max(len(r.assigned), 1))
	r.mu.Unlock()
	return min(max(r.settings.QueueBytes/(inAll*n), leastPartitionBytes), r.settings.PartitionBytes)
}

// resize tells the client after an assignment or a revoke.
func (r *runner) resize() { r.client.SetPartitionBytes(r.partitionBytes()) }

// above reports whether too much of a partition is queued. One slab is never too much: the worker would have nothing to go on with while
// the next one is fetched, and a poll loop that waits for it to be taken keeps records from all the others.
func (r *runner) above(slabs, records int, bytes int64) bool {
	most, mostBytes := r.share()
	if !r.spec.BatchFetching {
		return records >= most
	}
	return slabs > 1 && (records > most || bytes > mostBytes)
}

// below reports whether a paused partition should be fetched again: when what it has queued lasts no longer than
// it takes for records
// to come, about two fetch waits.
func (r *runner) below(a *assignment, slabs, records int, bytes int64) bool {
	most, mostBytes := r.share()
	if !r.spec.BatchFetching {
		return records < most
	}
	low, lowBytes := most/2, mostBytes/2
	if per := a.perRecord.Load(); per > 0 {
		if lasts := int64(2*r.settings.FetchWait) / per; lasts < int64(low) {
			low = int(lasts)
			if records > 0 {
				lowBytes = min(lowBytes, bytes/int64(records)*lasts)
			}
		}
	}
	return records <= low && (slabs <= 1 || bytes <= max(lowBytes, 0)) || records == 0
}

// brake waits a moment for the worker of a partition of which too much is queued, and pauses the partition when it is too much all the
// same. A paused partition is not in the client's next fetch, and one that finds nothing keeps its broker's other partitions waiting for
// as long as fetch.max_wait, so that a handler that is only a little slower than the cluster would have nothing to do for most of the time.
// And what is fetched far ahead of its handler has left the processor's cache when it gets there. Handlers known to be slow are not waited
// for.
//
// All partitions of a fetch are waited for together until a time, which the first of them sets.
func (r *runner) brake(a *assignment, until time.Time) time.Time {
	slabs, records, bytes := a.queue.size()
	if !r.above(slabs, records, bytes) {
		return until
	}
	if until.IsZero() {
		until = time.Now().Add(hold)
	}
	switch {
	case !r.spec.BatchFetching:
		a.awaitQueue(until, func(_, queued int, _ int64) bool { return queued < records })
	case !a.slow.Load():
		a.awaitQueue(until, func(slabs, records int, bytes int64) bool { return !r.above(slabs, records, bytes) })
	}
	r.flow(a)
	return until
}

// flow pauses a partition in the client when too much of it is queued, and resumes it when that is used up. The
// poll loop calls it after it
// queued, the worker after it took: the flag is raised before the queue is read, so one of the two sees the other's change.
func (r *runner) flow(a *assignment) {
	r.flowMu.Lock()
	defer r.flowMu.Unlock()
	was := a.starve.Swap(true)
	slabs, records, bytes := a.queue.size()
	one := map[string][]int32{a.tp.Topic: {a.tp.Partition}}
	switch {
	case !a.is(stateFetching):
		a.starve.Store(was)
	case was && r.below(a, slabs, records, bytes):
		a.starve.Store(false)
		r.client.ResumeFetchPartitions(one)
		r.emit(callbacks.Resumed{Where: a.where(), Reason: callbacks.PausedQueue})
	case !was && r.above(slabs, records, bytes):
		r.client.PauseFetchPartitions(one)
		r.emit(callbacks.Paused{Where: a.where(), Reason: callbacks.PausedQueue})
	case !was:
		a.starve.Store(false)
	}
}

// awaitQueue waits a moment for the worker to take enough of what is queued.
func (a *assignment) awaitQueue(until time.Time, enough func(slabs, records int, bytes int64) bool) {
	deadline := time.NewTimer(time.Until(until))
	defer deadline.Stop()
	for !enough(a.queue.size()) {
		select {
		case <-a.taken:
		case <-a.closing:
			return
		case <-deadline.C:
			return
		}
	}
}
