package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/router"
)

// fetchErrorEvery is how often the same fetch error is reported.
const fetchErrorEvery = 10 * time.Second

// unbatchedHold is how long the poll loop of a group with BatchFetching(false) waits for a partition that has a record queued, before it
// pauses the partition in the client. Pausing costs a new fetch, waiting costs the other partitions.
const unbatchedHold = 20 * time.Millisecond

// runner is one consumer group: its client, its poll loop, its assignments and its committer.
type runner struct {
	e        *Engine
	id       string
	spec     router.GroupSpec
	settings GroupSettings
	routes   map[string]*route
	client   kafka.Consumer

	committer *committer
	budget    *budget
	errors    *rate
	ready     chan struct{} // closed when client is set

	// known are the partitions that existed at boot, by topic. Others are new.
	known map[kafka.TopicPartition]bool

	mu         sync.Mutex
	assigned   map[kafka.TopicPartition]*assignment
	last       map[kafka.TopicPartition]*assignment // the epoch before
	epochs     map[kafka.TopicPartition]int
	between    []*interlude
	cancelPoll context.CancelFunc
	stopping   bool
	pollDone   chan struct{}

	flowMu sync.Mutex
	tasks  sync.WaitGroup
}

// interlude is work that must not happen while the poll loop holds records that are not dispatched yet.
type interlude struct {
	do   func()
	done chan struct{}
}

func newRunner(e *Engine, spec router.GroupSpec) *runner {
	gs := e.settings.Group(spec.ID)
	if spec.MaxPollRecords > 0 {
		gs.MaxPollRecords = spec.MaxPollRecords
	}
	if !spec.BatchFetching {
		gs.MaxPollRecords = 1
	}
	r := &runner{
		e: e, id: spec.ID, spec: spec, settings: gs,
		routes:   map[string]*route{},
		budget:   newBudget(gs.QueueBytes),
		errors:   newRate(fetchErrorEvery),
		ready:    make(chan struct{}),
		known:    map[kafka.TopicPartition]bool{},
		assigned: map[kafka.TopicPartition]*assignment{},
		last:     map[kafka.TopicPartition]*assignment{},
		epochs:   map[kafka.TopicPartition]int{},
		pollDone: make(chan struct{}),
	}
	r.committer = newCommitter(r, gs.CommitInterval, gs.CommitThreshold)
	for _, rs := range spec.Routes {
		r.routes[rs.Topic] = newRoute(rs, &e.settings)
	}
	return r
}

func (r *runner) topics() []string {
	names := make([]string, 0, len(r.spec.Routes))
	for _, rs := range r.spec.Routes {
		names = append(names, rs.Topic)
	}
	return names
}

// start joins the group and polls.
func (r *runner) start() error {
	client, err := r.e.settings.Connect.Consumer(
		kafka.Group{ID: r.id, Topics: r.topics()},
		kafka.Callbacks{Assigned: r.onAssigned, Revoked: r.onRevoked, Lost: r.onLost, Position: r.position},
	)
	if err != nil {
		return fmt.Errorf("group %q: make client: %w", r.id, err)
	}
	r.client = client
	close(r.ready)
	r.emit(callbacks.Started{Group: r.id, Topics: r.topics()})
	go r.committer.loop()
	go r.poll()
	return nil
}

// poll is the poll loop. It never waits for a worker.
func (r *runner) poll() {
	defer r.pollEnded()
	for {
		ctx, ok := r.nextPoll()
		if !ok {
			return
		}
		r.groupHook("BeforePoll", func(h callbacks.Hooks) func(context.Context, string) error { return h.BeforePoll })
		if !r.awaitRoom(ctx) {
			continue
		}
		fetches := r.client.PollRecords(ctx, r.settings.MaxPollRecords)
		n := r.dispatch(fetches)
		r.hooks("AfterPoll", func(h callbacks.Hooks) func(context.Context) error {
			if h.AfterPoll == nil {
				return nil
			}
			return func(ctx context.Context) error { return h.AfterPoll(ctx, r.id, n) }
		})
		if n > 0 {
			r.emit(callbacks.Polled{Group: r.id, Records: n})
		}
		if fetches.IsClientClosed() {
			return
		}
	}
}

// nextPoll runs what waits for a moment between polls, and returns the context of the next poll. Whoever asks for such a moment from
// now on cancels that context.
func (r *runner) nextPoll() (context.Context, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runInterludes()
	if r.cancelPoll != nil {
		r.cancelPoll()
	}
	if r.stopping {
		return nil, false
	}
	ctx, cancel := context.WithCancel(r.e.base)
	r.cancelPoll = cancel
	return ctx, true
}

// runInterludes is called with the lock held; an interlude may take it.
func (r *runner) runInterludes() {
	for len(r.between) > 0 {
		next := r.between[0]
		r.between = r.between[1:]
		if next.do != nil {
			r.mu.Unlock()
			next.do()
			r.mu.Lock()
		}
		close(next.done)
	}
}

func (r *runner) pollEnded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopping = true
	r.runInterludes()
	if r.cancelPoll != nil {
		r.cancelPoll()
	}
	close(r.pollDone)
}

// inBetween runs do at a moment when the poll loop holds no fetched records: whatever a poll returned before is dispatched. With it,
// nothing that was fetched before a revoke or a seek can reach what comes after. This is the barrier of docs/adr/0001.
func (r *runner) inBetween(do func()) {
	r.mu.Lock()
	select {
	case <-r.pollDone:
		r.mu.Unlock()
		if do != nil {
			do()
		}
		return
	default:
	}
	il := &interlude{do: do, done: make(chan struct{})}
	r.between = append(r.between, il)
	if r.cancelPoll != nil {
		r.cancelPoll()
	}
	r.mu.Unlock()
	<-il.done
}

// stopPolling ends the poll loop.
func (r *runner) stopPolling() {
	r.mu.Lock()
	r.stopping = true
	if r.cancelPoll != nil {
		r.cancelPoll()
	}
	r.mu.Unlock()
	<-r.pollDone
}

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
	r.emit(callbacks.Paused{Where: where, Reason: callbacks.PausedMemory})
	defer r.emit(callbacks.Resumed{Where: where, Reason: callbacks.PausedMemory})
	select {
	case <-room:
		return true
	case <-ctx.Done():
		return false
	}
}

// dispatch queues what a poll returned, one slab per partition.
func (r *runner) dispatch(fetches kgo.Fetches) (records int) {
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
				a.noteFetch(part)
				s := &slab{recs: part.Records, bytes: measure(part.Records), body: b}
				b.bytes += s.bytes
				slabs, owners = append(slabs, s), append(owners, a)
			}
		}
		if len(slabs) == 0 {
			continue
		}
		b.slabs.Store(int32(len(slabs))) //nolint:gosec // partitions of one fetch
		r.budget.charge(b.bytes)
		for i, s := range slabs {
			r.hand(owners[i], s)
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
	records, bytes, ok := a.queue.push(s)
	if !ok {
		s.release()
		return
	}
	r.emit(fetched)
	a.signal()
	if r.above(records, bytes) {
		if !r.spec.BatchFetching {
			a.awaitQueueBelow(unbatchedHold, records)
		}
		r.flow(a)
	}
}

// share is what one partition may have queued.
func (r *runner) share() (records int, bytes int64) {
	if !r.spec.BatchFetching {
		return 1, r.settings.QueueBytes
	}
	r.mu.Lock()
	n := int64(max(len(r.assigned), 1))
	r.mu.Unlock()
	return 10 * r.settings.MaxPollRecords, max(r.settings.QueueBytes/n, r.settings.PartitionBytes)
}

func (r *runner) above(records int, bytes int64) bool {
	most, mostBytes := r.share()
	if !r.spec.BatchFetching {
		return records >= most
	}
	return records > most || bytes > mostBytes
}

// below reports whether a paused partition should be fetched again: when what it has queued lasts no longer than it takes for records
// to come, about two fetch waits.
func (r *runner) below(a *assignment, records int, bytes int64) bool {
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
	return records <= low && bytes <= max(lowBytes, 0) || records == 0
}

// flow pauses a partition in the client when too much of it is queued, and resumes it when that is used up. The poll loop calls it after it
// queued, the worker after it took: the flag is raised before the queue is read, so one of the two sees the other's change.
func (r *runner) flow(a *assignment) {
	r.flowMu.Lock()
	defer r.flowMu.Unlock()
	was := a.starve.Swap(true)
	records, bytes := a.queue.size()
	one := map[string][]int32{a.tp.Topic: {a.tp.Partition}}
	switch {
	case !a.is(stateFetching):
		a.starve.Store(was)
	case was && r.below(a, records, bytes):
		a.starve.Store(false)
		r.client.ResumeFetchPartitions(one)
		r.emit(callbacks.Resumed{Where: a.where(), Reason: callbacks.PausedQueue})
	case !was && r.above(records, bytes):
		r.client.PauseFetchPartitions(one)
		r.emit(callbacks.Paused{Where: a.where(), Reason: callbacks.PausedQueue})
	case !was:
		a.starve.Store(false)
	}
}

// find returns the assignment that takes records of a partition.
func (r *runner) find(tp kafka.TopicPartition) *assignment {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.assigned[tp]
}

func (r *runner) all() []*assignment {
	r.mu.Lock()
	defer r.mu.Unlock()
	as := make([]*assignment, 0, len(r.assigned))
	for _, a := range r.assigned {
		as = append(as, a)
	}
	return as
}

func (r *runner) at(tp kafka.TopicPartition) callbacks.Where {
	return callbacks.Where{Group: r.id, Topic: tp.Topic, Partition: tp.Partition}
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
		r.e.fatal(fmt.Errorf("group %q: another process joined with the same group.instance_id, which takes this one's place: %w", r.id, err))
	}
	if lost := (*kgo.ErrDataLoss)(nil); errors.As(err, &lost) {
		r.emit(callbacks.Gap{Where: r.at(tp), From: lost.ConsumedTo, To: lost.ResetTo, Reason: "data loss on the broker"})
	}
	if n := r.errors.allow(tp.Topic + err.Error()); n > 0 {
		r.emit(callbacks.FetchFailed{Where: r.at(tp), Err: err, Count: n})
	}
}

// seek implements Partition.Seek: the assignment ends, and another begins at offset.
func (r *runner) seek(ctx context.Context, a *assignment, offset int64) error {
	if offset < 0 {
		return fmt.Errorf("seek %s/%d to %d: offset is negative", a.tp.Topic, a.tp.Partition, offset)
	}
	result := make(chan error, 1)
	r.tasks.Go(func() {
		a.beginClose()
		_ = r.committer.commitAndSeal(r.e.base, []*assignment{a}, true) // told by its event; the new position is committed anyway
		r.inBetween(func() { result <- r.replace(a, offset) })
	})
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("seek %s/%d to %d: %w", a.tp.Topic, a.tp.Partition, offset, ctx.Err())
	}
}

func (r *runner) replace(a *assignment, offset int64) error {
	r.mu.Lock()
	if r.assigned[a.tp] != a || r.stopping {
		r.mu.Unlock()
		return offsets.ErrRevoked
	}
	r.epochs[a.tp]++
	next := newAssignment(r, a.route, a.tp, r.epochs[a.tp], a.done, a.handler)
	r.assigned[a.tp], r.last[a.tp] = next, next
	r.mu.Unlock()
	one := map[string][]int32{a.tp.Topic: {a.tp.Partition}}
	r.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{a.tp.Topic: {a.tp.Partition: {Epoch: -1, Offset: offset}}})
	r.client.ResumeFetchPartitions(one)
	next.begin(position{offset, -1}, -1)
	r.emit(callbacks.Assigned{Where: next.where(), Epoch: next.epoch})
	r.emit(callbacks.Positioned{Where: next.where(), Offset: offset, Start: "seek"})
	r.committer.soon()
	return nil
}

// noteFetch keeps what a fetch says about the partition.
func (a *assignment) noteFetch(part *kgo.FetchPartition) {
	a.highWater.Store(part.HighWatermark)
	first := part.Records[0].Offset
	a.mu.Lock()
	expected := a.fetched
	a.fetched = part.Records[len(part.Records)-1].Offset + 1
	a.mu.Unlock()
	if expected >= 0 && expected < part.LogStartOffset && first >= part.LogStartOffset {
		a.r.emit(callbacks.Gap{Where: a.where(), From: expected, To: first, Reason: "retention: records were deleted before they were consumed"})
	}
}

// awaitQueueBelow waits a moment for the worker to take what is queued.
func (a *assignment) awaitQueueBelow(most time.Duration, records int) {
	deadline := time.NewTimer(most)
	defer deadline.Stop()
	for n, _ := a.queue.size(); n >= records; n, _ = a.queue.size() {
		select {
		case <-a.taken:
		case <-a.closing:
			return
		case <-deadline.C:
			return
		}
	}
}

var _ consumer.Partition = partition{}
