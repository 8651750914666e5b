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
	// State is "assigned", "fetching", "closing" or "closed". A closed one has been taken away from this process, and its handler has
	// not returned.
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
	// Busy is how long the record in progress has been running, 0 when none is. Handling is its offset, or that of one before it that
	// returned within the same millisecond.
	Busy     time.Duration
	Handling int64
	// WaitsFor is the earlier epoch whose handler has not returned, 0 when none is waited for: it was taken away, and the partition has
	// come back.
	WaitsFor int
	// Retrying tells about a record that failed and will be handed over again; nil when there is none.
	Retrying *RetryStatus
	// Paused lists reasons.
	Paused []string
	// HeldUntil is until when a filter holds its next record, the zero time when none does.
	HeldUntil time.Time
}

// RetryStatus is a record that failed, or a batch that failed as a whole, which Last is the last record of.
type RetryStatus struct {
	Offset  int64
	Last    int64
	Attempt int
	Blocked bool
	Err     error
	Next    time.Time
}

func (s state) String() string {
	return [...]string{"assigned", "fetching", "closing", "closed"}[s]
}

// Status returns the assigned partitions, and those taken away whose handlers have not returned, sorted. Listeners have been told of what
// is handled by then.
func (e *Engine) Status() []PartitionStatus {
	e.mu.Lock()
	runners := slices.Clone(e.runners)
	e.mu.Unlock()
	var all []PartitionStatus
	for _, r := range runners {
		for _, a := range r.visible() {
			all = append(all, a.status())
		}
	}
	slices.SortFunc(all, func(a, b PartitionStatus) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return all
}

// visible are the assignments that do something, or wait for something.
func (r *runner) visible() []*assignment {
	as := r.all()
	r.mu.Lock()
	defer r.mu.Unlock()
	for tp, a := range r.last {
		if r.assigned[tp] != nil {
			continue
		}
		if running := a.running(); running != nil {
			as = append(as, running)
		}
	}
	return as
}

// GroupStatus is what a group of this process is doing now.
type GroupStatus struct {
	Group string
	// PollAge is for how long the poll loop has been away from the client: some milliseconds while records are dispatched and hooks run,
	// 0 while it waits for records or for memory. More tells of a hook that does not return.
	PollAge time.Duration
	// Buffered is how many bytes its queues keep alive, MaxBuffered the most they ever did.
	Buffered, MaxBuffered int64
	// Paused lists reasons that hold for all its partitions.
	Paused []string
}

// Groups returns the groups, in the order drawn.
func (e *Engine) Groups() []GroupStatus {
	e.control.Lock()
	quiet := e.quiet
	e.control.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]GroupStatus, 0, len(e.runners))
	for _, r := range e.runners {
		s := GroupStatus{Group: r.id}
		if since := r.outside.Load(); since > 0 {
			s.PollAge = max(time.Since(e.clock.base)-time.Duration(since), 0)
		}
		r.budget.mu.Lock()
		s.Buffered, s.MaxBuffered = r.budget.used, r.budget.peak
		r.budget.mu.Unlock()
		if quiet {
			s.Paused = append(s.Paused, callbacks.PausedQuiet)
		}
		if r.crowded.Load() {
			s.Paused = append(s.Paused, callbacks.PausedMemory)
		}
		all = append(all, s)
	}
	return all
}

// Fence orders what the caller did before what handlers do in runs that begin after it, as a lock would. It is for tests that change what
// handlers see: nothing else lies between a test and a handler that waits for a timer.
func (e *Engine) Fence() { e.clock.active.Add(0) }

// busy is for how long a handler has been running, and at which offset.
func (a *assignment) busy() (since time.Duration, offset int64) {
	a.mu.Lock()
	k := a.keys
	a.mu.Unlock()
	if k != nil {
		return k.busy()
	}
	if at := a.busySince.Load(); at > 0 {
		return max(time.Since(a.r.e.clock.base)-time.Duration(at), 0), a.handling.Load()
	}
	return 0, 0
}

func (a *assignment) status() PartitionStatus {
	s := PartitionStatus{
		Group: a.r.id, Topic: a.tp.Topic, Partition: a.tp.Partition, Epoch: a.epoch,
		State: state(a.state.Load()).String(), HighWatermark: a.highWater.Load(),
	}
	a.piped.Load().catchUp()
	a.mu.Lock()
	s.Position, s.Committed = a.pos.offset, a.committed
	k := a.keys
	if k != nil || a.tr != nil {
		s.Position = a.next()
	}
	a.mu.Unlock()
	if k != nil {
		s.Retrying = k.oldest()
	}
	_, s.Queued, s.QueuedBytes = a.queue.size()
	s.Busy, s.Handling = a.busy()
	if before := a.prev.Load(); before != nil && !before.returned() {
		s.WaitsFor = before.epoch
		s.Busy, s.Handling = before.busy()
	}
	if p := a.current.Load(); p != nil {
		s.Retrying = &RetryStatus{Offset: p.Offset, Last: p.Last, Attempt: p.Attempt, Blocked: p.Blocked, Err: p.Err, Next: p.Until}
	}
	if at := a.heldUntil.Load(); at != nil {
		s.HeldUntil = *at
	}
	for _, reason := range []pauseReason{pausedUser, pausedTopic, pausedQuiet} {
		if a.paused.Load()&uint32(reason) != 0 {
			s.Paused = append(s.Paused, reason.String())
		}
	}
	if a.route.breaker.isOpen() {
		s.Paused = append(s.Paused, callbacks.PausedBreaker)
	}
	if a.fenced.Load() {
		s.Paused = append(s.Paused, callbacks.PausedFenced)
	}
	if a.starve.Load() {
		s.Paused = append(s.Paused, callbacks.PausedQueue)
	}
	if a.full.Load() {
		reason := callbacks.PausedUnmarked
		if k != nil {
			reason = callbacks.PausedWindow
		}
		s.Paused = append(s.Paused, reason)
	}
	if s.HighWatermark >= 0 && s.State == "fetching" {
		s.Lag = max(s.HighWatermark-s.Position, 0)
	}
	return s
}
