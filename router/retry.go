package router

import (
	"slices"
	"strings"
	"time"
)

// all are the steps for all errors, and those for kinds of them.
func (f Failure) all() []Failure {
	every := []Failure{f}
	for _, k := range f.Kinds {
		every = append(every, k.Steps)
	}
	return every
}

func (f Failure) deadLetters() (topics []string) {
	for _, steps := range f.all() {
		if steps.DeadLetter != "" {
			topics = append(topics, steps.DeadLetter)
		}
	}
	return topics
}

// delays are those of all retry topics that the steps need.
func (f Failure) delays() (all []time.Duration) {
	for _, steps := range f.all() {
		for _, d := range steps.Later {
			if !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all
}

// addRetries draws the routes of retry topics, each behind the route that it is for.
func (d *drawing) addRetries(t *Table) {
	at := map[string]*Route{}
	for _, g := range d.groups {
		for _, r := range g.routes {
			at[g.id+"\n"+r.topic] = r
		}
	}
	for i := range t.groups {
		g := &t.groups[i]
		var routes []RouteSpec
		for _, spec := range g.Routes {
			routes = append(routes, spec)
			delays := spec.Failure.delays()
			drawn := at[g.ID+"\n"+spec.Topic]
			if len(delays) > 0 && spec.Pattern != nil {
				drawn.errorf(drawn.failureAt, "RetryLater with Pattern: its retry topics cannot be named before its topics are; "+
					"draw the topics by name, or retry in place")
				continue
			}
			for _, delay := range delays {
				retry := spec
				retry.Topic, retry.RetryOf, retry.RetryDelay, retry.Start = RetryTopic(spec.Topic, g.ID, delay), spec.Topic, delay, Earliest
				if problem := topicProblem(retry.Topic); problem != "" {
					drawn.errorf(drawn.failureAt, "RetryLater(%s): %s", shortly(delay), problem)
				}
				if other := at[g.ID+"\n"+retry.Topic]; other != nil {
					other.errorf(other.at, "this is the retry topic of %q, which the group consumes by itself: remove the route",
						spec.Topic)
				}
				routes = append(routes, retry)
			}
		}
		g.Routes = routes
	}
}

// checkCycles refuses dead letter topics from which records come back to where they failed.
func (d *drawing) checkCycles(t *Table) {
	to := map[string][]string{}
	for _, g := range t.groups {
		for _, r := range g.Routes {
			if r.RetryOf == "" && r.Pattern == nil {
				to[r.Topic] = append(to[r.Topic], r.Failure.deadLetters()...)
			}
		}
	}
	var way func(from, target string, seen []string) []string
	way = func(from, target string, seen []string) []string {
		for _, next := range to[from] {
			if next == target {
				return append(slices.Clone(seen), next)
			}
			if !slices.Contains(seen, next) {
				if found := way(next, target, append(slices.Clone(seen), next)); found != nil {
					return found
				}
			}
		}
		return nil
	}
	for _, g := range d.groups {
		for _, r := range g.routes {
			if r.pattern != nil || len(r.failure.deadLetters()) == 0 {
				continue
			}
			if cycle := way(r.topic, r.topic, []string{r.topic}); cycle != nil {
				r.errorf(r.failureAt, "DeadLetter goes round: %s: "+
					"a record that fails for ever would never come to rest; name another topic",
					strings.Join(cycle, " -> "))
			}
		}
	}
}

// separate keeps patterns from matching what routes write their failures to.
func (t *Table) separate() {
	not := map[string]bool{}
	for name := range t.FailureTopics() {
		not[name] = true
	}
	for i := range t.groups {
		for j := range t.groups[i].Routes {
			t.groups[i].Routes[j].not = not
		}
	}
}
