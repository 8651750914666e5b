package engine

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// runner is one consumer group: its client, its poll loop, its assignments and its committer.
type runner struct {
	e        *Engine
	id       string
	spec     router.GroupSpec
	settings GroupSettings
	patterns []*route // in the order drawn
	client   kafka.Consumer

	committer *committer
	tx        *transactor // nil unless the group is drawn with ExactlyOnce
	budget    *budget
	errors    *rate
	ready     chan struct{} // closed when client is set
	// abandoning is closed when a stop has waited long enough for handlers: a revoke under way waits no longer either.
	abandoning chan struct{}

	// known are the partitions that existed at boot, by topic. Others are new.
	known map[kafka.TopicPartition]bool

	mu         sync.Mutex
	routes     map[string]*route // by topic
	topics     map[string]*topic
	held       map[string]bool // topics that are paused by Engine.PauseTopic
	assigned   map[kafka.TopicPartition]*assignment
	last       map[kafka.TopicPartition]*assignment // the epoch before
	epochs     map[kafka.TopicPartition]int
	between    []*interlude
	cancelPoll context.CancelFunc
	stopping   bool
	pollDone   chan struct{}

	crowded atomic.Bool  // the poll loop waits for memory
	outside atomic.Int64 // when the poll loop left the client, on the clock; 0 while it waits there, and after its end

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
		routes:     map[string]*route{},
		topics:     map[string]*topic{},
		held:       map[string]bool{},
		budget:     newBudget(gs.QueueBytes),
		errors:     newRate(fetchErrorEvery),
		ready:      make(chan struct{}),
		abandoning: make(chan struct{}),
		known:      map[kafka.TopicPartition]bool{},
		assigned:   map[kafka.TopicPartition]*assignment{},
		last:       map[kafka.TopicPartition]*assignment{},
		epochs:     map[kafka.TopicPartition]int{},
		pollDone:   make(chan struct{}),
	}
	interval := gs.CommitInterval
	if spec.ExactlyOnce {
		r.tx, interval = newTransactor(r), gs.TransactionInterval
	}
	r.committer = newCommitter(r, interval, gs.CommitThreshold)
	for _, rs := range spec.Routes {
		rt := newRoute(e, rs)
		if rs.Pattern != nil {
			r.patterns = append(r.patterns, rt)
			continue
		}
		r.routes[rs.Topic] = rt
	}
	return r
}

// start joins the group and polls.
func (r *runner) start() error {
	client, err := r.e.settings.Connect.Consumer(
		kafka.Group{ID: r.id, Topics: r.subscription(), Reuse: r.reuses(), InTransactions: r.tx != nil},
		kafka.Callbacks{Assigned: r.onAssigned, Revoked: r.onRevoked, Lost: r.onLost, Position: r.position},
	)
	if err != nil {
		return fmt.Errorf("group %q: make client: %w", r.id, err)
	}
	r.client = client
	close(r.ready)
	r.emit(callbacks.Started{Group: r.id, Topics: r.subscription()})
	go r.committer.loop()
	go r.poll()
	return nil
}

// reuses reports whether any of the group's records are used again: a client pools those of all its topics, and the others are left to
// the garbage collector.
func (r *runner) reuses() bool {
	return slices.ContainsFunc(r.spec.Routes, func(s router.RouteSpec) bool { return s.Reuse })
}

// poll is the poll loop. It waits for a worker for a moment at most, before it pauses the worker's partition.
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
		r.outside.Store(0)
		fetches := r.client.PollRecords(ctx, r.settings.MaxPollRecords)
		r.outside.Store(int64(time.Since(r.e.clock.base)))
		n := r.dispatch(fetches)
		r.hooks("AfterPoll", func(h callbacks.Hooks) func(context.Context) error {
			if h.AfterPoll == nil {
				return nil
			}
			return func(ctx context.Context) error { return h.AfterPoll(ctx, r.id, n) }
		})
		if n > 0 {
			r.emit(callbacks.Polled{Group: r.id, Records: n})
			runtime.Gosched() // workers first: what was just decoded is still in the processor's cache
		}
		if fetches.IsClientClosed() {
			return
		}
	}
}

// nextPoll runs what waits for a moment between polls, and returns the context of the next poll. Whoever asks
// for such a moment from
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
	r.outside.Store(0)
	r.stopping = true
	r.runInterludes()
	if r.cancelPoll != nil {
		r.cancelPoll()
	}
	close(r.pollDone)
}

// inBetween runs do at a moment when the poll loop holds no fetched records: whatever a poll returned before is
// dispatched. With it,
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
