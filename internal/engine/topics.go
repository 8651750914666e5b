package engine

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// topic is what a group knows about one of its topics.
type topic struct {
	id         [16]byte
	subscribed bool // the client consumes it, or will as soon as it exists
	exists     bool
	missed     int // rounds in which it was not there, one after the other
}

// goneAfter is in how many rounds a topic must be missing to count as deleted: a broker that has just started may not know it yet.
const goneAfter = 2

// watchTopics looks at the cluster's topics once in an interval: the client tells nobody of topics that are deleted, made anew, or match a
// pattern.
func (e *Engine) watchTopics(watching context.Context) {
	defer close(e.watched)
	ticker := time.NewTicker(e.settings.TopicInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-e.lookNow:
		case <-watching.Done():
			return
		}
		ctx, cancel := context.WithTimeout(watching, commitTimeout)
		found, err := e.producer.Topics(ctx, e.asked()...)
		cancel()
		if err != nil { // an idle process would not notice otherwise that its cluster is away
			for _, r := range e.runners {
				r.fetchFailed(kafka.TopicPartition{Partition: -1}, err)
			}
			continue
		}
		for _, r := range e.runners {
			r.see(found)
			r.refresh(watching)
		}
	}
}

// refresh learns the ends of partitions that are not fetched from because they are paused: their lag grows unseen.
func (r *runner) refresh(watching context.Context) {
	paused := map[kafka.TopicPartition]*assignment{}
	for _, a := range r.all() {
		if a.is(stateFetching) && (a.paused.Load() != 0 || a.starve.Load()) {
			paused[a.tp] = a
		}
	}
	if len(paused) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(watching, commitTimeout)
	defer cancel()
	ends, err := r.client.ListOffsets(ctx, kafka.AtEnd, topicsOf(slices.Collect(maps.Keys(paused)))...)
	if err != nil {
		return // the next round asks again
	}
	for tp, a := range paused {
		if end, ok := ends[tp]; ok {
			a.highWater.Store(max(end, a.highWater.Load()))
		}
	}
}

// asked are the topics to ask for: none for all of them, which patterns need.
func (e *Engine) asked() []string {
	for _, g := range e.table.Groups() {
		if slices.ContainsFunc(g.Routes, func(r router.RouteSpec) bool { return r.Pattern != nil }) {
			return nil
		}
	}
	return e.table.Topics()
}

// look asks for a round now.
func (e *Engine) look() {
	select {
	case e.lookNow <- struct{}{}:
	default:
	}
}

// learn takes the topics that there are at boot. Their partitions are not new.
func (r *runner) learn(found map[string]kafka.Topic) {
	for _, rs := range r.spec.Routes {
		if rs.Pattern == nil {
			r.topics[rs.Topic] = &topic{subscribed: true}
		}
	}
	for name, t := range found {
		if rt := r.routeOf(name); rt == nil {
			continue
		}
		r.topics[name] = &topic{id: t.ID, subscribed: true, exists: true}
		for _, p := range t.Partitions { // nobody else looks at them yet
			r.known[kafka.TopicPartition{Topic: name, Partition: p}] = true
		}
	}
}

// routeOf is the route of a topic: the one drawn by its name, else the first pattern that matches. nil for none.
func (r *runner) routeOf(name string) *route {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rt := r.routes[name]; rt != nil {
		return rt
	}
	for _, p := range r.patterns {
		if p.spec.Matches(name) {
			rt := p.of(r.e, name)
			r.routes[name] = rt
			return rt
		}
	}
	return nil
}

// subscription is what the group consumes now.
func (r *runner) subscription() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for name, t := range r.topics {
		if t.subscribed {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// see compares what there is with what the group consumes.
func (r *runner) see(found map[string]kafka.Topic) {
	var add, purge []string
	var events []callbacks.Event
	for name := range found {
		if rt := r.routeOf(name); rt != nil && !r.knows(name) {
			add = append(add, name)
			events = append(events, callbacks.TopicFound{Group: r.id, Topic: name})
		}
	}
	r.mu.Lock()
	if r.stopping {
		r.mu.Unlock()
		return
	}
	for _, name := range add {
		r.topics[name] = &topic{id: found[name].ID, subscribed: true, exists: true}
	}
	for _, name := range slices.Sorted(maps.Keys(r.topics)) {
		t := r.topics[name]
		now, exists := found[name]
		switch {
		case !exists && t.exists:
			t.missed++
			if t.missed < goneAfter {
				continue
			}
			t.exists, t.subscribed = false, false
			r.forget(name)
			purge = append(purge, name)
			events = append(events, callbacks.TopicMissing{Group: r.id, Topic: name})
		case exists && t.subscribed && t.exists && differ(now.ID, t.id):
			t.subscribed, t.missed = false, 0
			r.forget(name)
			purge = append(purge, name)
			events = append(events, callbacks.TopicRecreated{Group: r.id, Topic: name})
		case exists && !t.subscribed && !r.holds(name):
			t.id, t.subscribed, t.exists, t.missed = now.ID, true, true, 0
			add = append(add, name)
		case exists:
			t.exists, t.missed = true, 0
			if t.id == ([16]byte{}) {
				t.id = now.ID
			}
		}
	}
	r.mu.Unlock()
	for _, e := range events {
		r.emit(e)
	}
	// Without the subscription the group revokes what this member has of it. Only then it may be consumed again: a partition that is kept
	// over it would have lost its place in the client.
	r.client.PurgeTopicsFromConsuming(purge...)
	r.client.AddConsumeTopics(add...)
}

// forget makes the partitions of a topic new ones: when it is there again, it starts at its first record, whatever the route draws. It is
// called with the lock held.
func (r *runner) forget(name string) {
	maps.DeleteFunc(r.known, func(tp kafka.TopicPartition, _ bool) bool { return tp.Topic == name })
}

func (r *runner) knows(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.topics[name] != nil
}

// holds is called with the lock held.
func (r *runner) holds(name string) bool {
	for tp := range r.assigned {
		if tp.Topic == name {
			return true
		}
	}
	return false
}

// gone reports whether a topic is not there any more, or not the same.
func (r *runner) gone(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.topics[name]
	return t != nil && !t.subscribed
}

func differ(a, b [16]byte) bool {
	none := [16]byte{}
	return a != none && b != none && a != b
}

// mark is the metadata of a topic's commits: the version, for those who read it back, and which topic of that name it was.
func (r *runner) mark(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.topics[name]; t != nil {
		return kafka.CommitMark(t.id)
	}
	return kafka.CommitVersion
}
