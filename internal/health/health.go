package health

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/karafgo/karafgo/callbacks"
)

// Busy tells about the handler in progress that has been running the longest.
type Busy struct {
	Where string
	For   time.Duration
}

// Settings are what probes depend on beside events.
type Settings struct {
	// Groups are the consumer groups of the process.
	Groups []string
	// StuckAfter is how long a handler may run before the process is not alive; 0 never fails for that.
	StuckAfter time.Duration
	// Forget is how long a problem counts that neither came again nor was followed by a success: an idle group has no successes to
	// show. It must be longer than the client takes to try again. 0 waits for a success.
	Forget time.Duration
	// Oldest returns the handler that has been running the longest; may be nil.
	Oldest func() Busy
	// PollAge returns for how long the poll loop of each group has been away from the client; may be nil.
	PollAge func() map[string]time.Duration
}

// Health follows events. It is a callbacks.Listener.
type Health struct {
	settings Settings
	now      func() time.Time

	mu       sync.Mutex
	started  bool
	stopping bool
	groups   map[string]*group
}

type group struct {
	joined   bool
	quiet    bool
	missing  map[string]bool // topics that do not exist
	problems map[about]problem
}

// about is what a problem is about; with a topic it is one partition.
type about struct {
	what      string
	topic     string
	partition int32
}

const (
	aboutCommit = "commit"
	aboutFetch  = "fetch"
	aboutGroup  = "group"
	aboutStore  = "offset store"
)

func (a about) String() string {
	if a.topic == "" {
		return a.what
	}
	return fmt.Sprintf("%s %s/%d", a.what, a.topic, a.partition)
}

type problem struct {
	err error
	at  time.Time
}

// New makes health.
func New(s Settings) *Health {
	h := &Health{settings: s, now: time.Now, groups: map[string]*group{}}
	for _, id := range s.Groups {
		h.groups[id] = &group{problems: map[about]problem{}, missing: map[string]bool{}}
	}
	return h
}

// Started says that the engine has started.
func (h *Health) Started() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started = true
}

// OnEvent implements callbacks.Listener.
func (h *Health) OnEvent(_ context.Context, ev callbacks.Event) {
	switch e := ev.(type) {
	case callbacks.Handled, callbacks.Failed, callbacks.Retried: // the frequent ones: nothing to learn
	case callbacks.Joined:
		h.note(e.Group, func(g *group) {
			g.joined = true
			delete(g.problems, about{what: aboutGroup})
		})
	case callbacks.Assigned:
		h.note(e.Group, func(g *group) {
			g.joined = true
			delete(g.missing, e.Topic)
		})
	case callbacks.Fetched:
		h.note(e.Group, func(g *group) {
			delete(g.problems, about{what: aboutGroup})
			delete(g.problems, about{aboutFetch, e.Topic, e.Partition})
			delete(g.missing, e.Topic)
		})
	case callbacks.Positioned:
		h.note(e.Group, func(g *group) { g.solved(e.Where) })
	case callbacks.Revoked:
		h.note(e.Group, func(g *group) { g.solved(e.Where) })
	case callbacks.Committed:
		h.note(e.Group, func(g *group) {
			delete(g.problems, about{what: aboutCommit})
			delete(g.problems, about{aboutStore, e.Topic, e.Partition}) // which has it before
			delete(g.problems, about{what: aboutGroup})
		})
	default:
		h.bad(ev)
	}
}

// solved forgets the problems of a partition.
func (g *group) solved(w callbacks.Where) {
	delete(g.problems, about{aboutFetch, w.Topic, w.Partition})
	delete(g.problems, about{aboutStore, w.Topic, w.Partition})
}

func (h *Health) bad(ev callbacks.Event) {
	switch e := ev.(type) {
	case callbacks.CommitFailed:
		h.note(e.Group, func(g *group) { g.problems[about{what: aboutCommit}] = problem{e.Err, h.now()} })
	case callbacks.StoreFailed:
		h.note(e.Group, func(g *group) { g.problems[about{aboutStore, e.Topic, e.Partition}] = problem{e.Err, h.now()} })
	case callbacks.FetchFailed:
		h.note(e.Group, func(g *group) {
			a := about{what: aboutGroup}
			if e.Topic != "" {
				a = about{aboutFetch, e.Topic, e.Partition}
			}
			g.problems[a] = problem{e.Err, h.now()}
		})
	case callbacks.Paused:
		if e.Reason == callbacks.PausedQuiet {
			h.note(e.Group, func(g *group) { g.quiet = true })
		}
	case callbacks.Resumed:
		if e.Reason == callbacks.PausedQuiet {
			h.note(e.Group, func(g *group) { g.quiet = false })
		}
	case callbacks.TopicMissing:
		h.note(e.Group, func(g *group) { g.missing[e.Topic] = true })
	case callbacks.Stopping:
		h.mu.Lock()
		h.stopping = true
		h.mu.Unlock()
	}
}

func (h *Health) note(id string, fn func(*group)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if g := h.groups[id]; g != nil {
		fn(g)
	}
}

// Startup returns why the process has not started, nothing when it has.
func (h *Health) Startup() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.started {
		return []string{"starting"}
	}
	return nil
}

// Ready returns why the process is not ready, nothing when it is.
func (h *Health) Ready() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var why []string
	switch {
	case h.stopping:
		why = append(why, "stopping")
	case !h.started:
		why = append(why, "starting")
	}
	for id, g := range h.groups {
		if !g.joined && h.started {
			why = append(why, fmt.Sprintf("group %s: not joined yet", id))
		}
		if g.quiet {
			why = append(why, fmt.Sprintf("group %s: quiet", id))
		}
		for topic := range g.missing {
			why = append(why, fmt.Sprintf("group %s: topic %s does not exist", id, topic))
		}
		for a, p := range g.problems {
			if h.settings.Forget > 0 && h.now().Sub(p.at) > h.settings.Forget {
				delete(g.problems, a)
				continue
			}
			why = append(why, fmt.Sprintf("group %s: %s: %v", id, a, p.err))
		}
	}
	slices.Sort(why)
	return why
}

// Live returns why the process should be restarted, nothing when it should not: a handler that is stuck, or a poll loop. An outage of the
// cluster is no reason.
func (h *Health) Live() []string {
	if h.settings.StuckAfter <= 0 {
		return nil
	}
	var why []string
	if h.settings.Oldest != nil {
		if b := h.settings.Oldest(); b.For > h.settings.StuckAfter {
			why = append(why, fmt.Sprintf("%s: handler has been running for %s, http.stuck_after is %s",
				b.Where, b.For.Truncate(time.Millisecond), h.settings.StuckAfter))
		}
	}
	if h.settings.PollAge != nil {
		for id, age := range h.settings.PollAge() {
			if age > h.settings.StuckAfter {
				why = append(why, fmt.Sprintf("group %s: its poll loop has not come back for %s, http.stuck_after is %s",
					id, age.Truncate(time.Millisecond), h.settings.StuckAfter))
			}
		}
	}
	slices.Sort(why)
	return why
}
