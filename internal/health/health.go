package health

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"sync"
	"time"

	"github.com/karafgo/karafgo/callbacks"
)

// Busy tells about the handler in progress that has been running the longest.
type Busy struct {
	Where string
	For   time.Duration
}

// Health follows events. It is a callbacks.Listener.
type Health struct {
	stuckAfter time.Duration
	oldest     func() Busy

	mu       sync.Mutex
	started  bool
	stopping bool
	groups   map[string]*group
}

type group struct {
	joined   bool
	missing  map[string]bool   // topics that do not exist
	problems map[string]string // by what they are about
}

// New makes health. A handler that runs longer than stuckAfter makes the process not alive; 0 never does. oldest may be nil.
func New(groups []string, stuckAfter time.Duration, oldest func() Busy) *Health {
	h := &Health{stuckAfter: stuckAfter, oldest: oldest, groups: map[string]*group{}}
	for _, id := range groups {
		h.groups[id] = &group{problems: map[string]string{}, missing: map[string]bool{}}
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
		h.note(e.Group, func(g *group) { g.joined = true; delete(g.problems, "group") })
	case callbacks.Fetched:
		h.note(e.Group, func(g *group) {
			delete(g.problems, "group")
			delete(g.problems, fmt.Sprintf("fetch %s/%d", e.Topic, e.Partition))
			delete(g.missing, e.Topic)
		})
	case callbacks.Positioned:
		h.note(e.Group, func(g *group) { delete(g.problems, fmt.Sprintf("fetch %s/%d", e.Topic, e.Partition)) })
	case callbacks.Assigned:
		h.note(e.Group, func(g *group) { g.joined = true; delete(g.missing, e.Topic) })
	case callbacks.Committed:
		h.note(e.Group, func(g *group) { delete(g.problems, "commit"); delete(g.problems, "group") })
	case callbacks.CommitFailed:
		h.note(e.Group, func(g *group) { g.problems["commit"] = e.Err.Error() })
	case callbacks.FetchFailed:
		h.note(e.Group, func(g *group) {
			about := "group"
			if e.Topic != "" {
				about = fmt.Sprintf("fetch %s/%d", e.Topic, e.Partition)
			}
			g.problems[about] = e.Err.Error()
		})
	case callbacks.TopicMissing:
		h.note(e.Group, func(g *group) { g.missing[e.Topic] = true })
	case callbacks.Revoked:
		h.note(e.Group, func(g *group) { delete(g.problems, fmt.Sprintf("fetch %s/%d", e.Topic, e.Partition)) })
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
		for topic := range g.missing {
			why = append(why, fmt.Sprintf("group %s: topic %s does not exist", id, topic))
		}
		for about, problem := range g.problems {
			why = append(why, fmt.Sprintf("group %s: %s: %s", id, about, problem))
		}
	}
	sort.Strings(why)
	return why
}

// Live returns why the process should be restarted, nothing when it should not.
func (h *Health) Live() []string {
	if h.stuckAfter <= 0 || h.oldest == nil {
		return nil
	}
	if b := h.oldest(); b.For > h.stuckAfter {
		return []string{fmt.Sprintf("%s: handler has been running for %s, http.stuck_after is %s",
			b.Where, b.For.Truncate(time.Millisecond), h.stuckAfter)}
	}
	return nil
}

// Handler serves the probes under /healthz/: 200, or 503 with the reasons.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, probe := range map[string]func() []string{"startup": h.Startup, "ready": h.Ready, "live": h.Live} {
		mux.HandleFunc("GET /healthz/"+path, func(w http.ResponseWriter, _ *http.Request) {
			answer(w, probe())
		})
	}
	return mux
}

func answer(w http.ResponseWriter, problems []string) {
	body := struct {
		Status   string   `json:"status"`
		Problems []string `json:"problems,omitempty"`
	}{"ok", problems}
	w.Header().Set("Content-Type", "application/json")
	if len(problems) > 0 {
		body.Status = "failing"
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // the prober has gone
}
