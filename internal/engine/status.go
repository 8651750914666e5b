package engine

import (
	"cmp"
	"slices"
	"time"

	"github.com/karafgo/karafgo/callbacks"
)

// PartitionStatus is what one assigned partition is doing now.
type PartitionStatus struct {
	Group     string
	Topic     string
	Partition int32
	Epoch     int
	// State is "assigned", "fetching", "closing" or "closed".
	State string
	// Position is the next offset to commit, Committed what the broker has (-1 unknown).
	Position  int64
	Committed int64
	// HighWatermark is what the last fetch said, -1 before the first.
	HighWatermark int64
	// Lag is how many offsets are between the position and the high watermark, 0 while either is unknown.
	Lag         int64
	Queued      int
	QueuedBytes int64
	// Busy is how long the record in progress has been running, 0 when none is.
	Busy time.Duration
	// Retrying tells about a record that failed and will be handed over again; nil when there is none.
	Retrying *RetryStatus
	// Paused lists reasons.
	Paused []string
}

// RetryStatus is a record that failed.
type RetryStatus struct {
	Offset  int64
	Attempt int
	Blocked bool
	Err     error
	Next    time.Time
}

func (s state) String() string {
	return [...]string{"assigned", "fetching", "closing", "closed"}[s]
}

// Status returns the assigned partitions, sorted.
func (e *Engine) Status() []PartitionStatus {
	e.mu.Lock()
	runners := slices.Clone(e.runners)
	e.mu.Unlock()
	var all []PartitionStatus
	for _, r := range runners {
		for _, a := range r.all() {
			all = append(all, a.status())
		}
	}
	slices.SortFunc(all, func(a, b PartitionStatus) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return all
}

// PollAge returns for how long the poll loop of each group has been away from the client: some milliseconds while records are dispatched
// and hooks run, 0 while it waits for records or for memory. More tells of a hook that does not return, or of a loop that is dead.
func (e *Engine) PollAge() map[string]time.Duration {
	e.mu.Lock()
	runners := slices.Clone(e.runners)
	e.mu.Unlock()
	ages := map[string]time.Duration{}
	for _, r := range runners {
		ages[r.id] = 0
		if since := r.outside.Load(); since > 0 {
			ages[r.id] = max(time.Since(time.Unix(0, since)), 0)
		}
	}
	return ages
}

// Fence orders what the caller did before what handlers do in runs that begin after it, as a lock would. It is for tests that change what
// handlers see: nothing else lies between a test and a handler that waits for a timer.
func (e *Engine) Fence() { e.clock.active.Add(0) }

// Buffered returns the bytes that a group's queues keep alive now, and the most they ever did.
func (e *Engine) Buffered(group string) (now, most int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.runners {
		if r.id == group {
			r.budget.mu.Lock()
			now, most = r.budget.used, r.budget.peak
			r.budget.mu.Unlock()
		}
	}
	return now, most
}

func (a *assignment) status() PartitionStatus {
	s := PartitionStatus{
		Group: a.r.id, Topic: a.tp.Topic, Partition: a.tp.Partition, Epoch: a.epoch,
		State: state(a.state.Load()).String(), HighWatermark: a.highWater.Load(),
	}
	a.mu.Lock()
	s.Position, s.Committed = a.pos.offset, a.committed
	if a.tr != nil {
		s.Position = a.tr.watermark().offset
	}
	a.mu.Unlock()
	s.Queued, s.QueuedBytes = a.queue.size()
	if since := a.busySince.Load(); since > 0 {
		s.Busy = max(time.Since(a.r.e.clock.base)-time.Duration(since), 0)
	}
	if p := a.current.Load(); p != nil {
		s.Retrying = &RetryStatus{Offset: p.Offset, Attempt: p.Attempt, Blocked: p.Blocked, Err: p.Err, Next: p.Until}
	}
	for _, reason := range []pauseReason{pausedUser, pausedTopic, pausedQuiet} {
		if a.paused.Load()&uint32(reason) != 0 {
			s.Paused = append(s.Paused, reason.String())
		}
	}
	if a.starve.Load() {
		s.Paused = append(s.Paused, callbacks.PausedQueue)
	}
	if s.HighWatermark >= 0 && s.State == "fetching" {
		s.Lag = max(s.HighWatermark-s.Position, 0)
	}
	return s
}
