package router

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// Flow is the way of records through a program, one route after the other in the order drawn: what comes in from which topic, and where
// it goes. `routes` prints it.
type Flow []Edge

// Edge is one way that records take. A topic is told by its name, a pattern as "/expression/", which is no name that Kafka allows.
type Edge struct {
	Kind EdgeKind
	// Group is the consumer group whose route it is.
	Group string
	// From is what the route was drawn with: with Group it names the route. Of [EdgeMatches] it is a topic.
	From string
	// To is the topic that is written to; of [EdgeMatches] it is the pattern. Empty when nothing is.
	To string
	// Required and Sync are those of an output.
	Required, Sync bool
	// Delay is how long a record waits in a retry topic.
	Delay time.Duration
	// Errors are the names of the errors that lead there, as [When] has them, and [OtherErrors]. Empty when all do.
	Errors []string
}

// OtherErrors stands in [Edge.Errors] for those that no When matches.
const OtherErrors = "others"

// EdgeKind says what an [Edge] is.
type EdgeKind string

const (
	// EdgeConsumes is a route that consumes From: the first of every route.
	EdgeConsumes EdgeKind = "consumes"
	// EdgeMatches is a topic that the program knows by its name and that a pattern of the group matches, so that its route consumes it.
	EdgeMatches EdgeKind = "matches"
	// EdgeOutput is what a responder writes to.
	EdgeOutput EdgeKind = "output"
	// EdgeRetry is a retry topic. The same route consumes it, after the delay: what it writes, and where its failures go, is as of From.
	EdgeRetry EdgeKind = "retry"
	// EdgeDeadLetter is a topic for records that failed for good.
	EdgeDeadLetter EdgeKind = "dead_letter"
	// EdgeSkip is the end of failures that [Skip] gives up.
	EdgeSkip EdgeKind = "skip"
	// EdgeStop is the end of failures that stop the process: see [Stop].
	EdgeStop EdgeKind = "stop"
	// EdgeBlock is the end of failures whose records stay in their topic, of a [When] only: a [Block] for all other errors is no edge, as
	// nothing is where nothing is drawn.
	EdgeBlock EdgeKind = "block"
)

// Flow returns where records go, in the order drawn. Of what handlers write it knows the outputs that their responders declare.
func (t *Table) Flow() Flow {
	var flow Flow
	for _, g := range t.groups {
		for _, r := range g.Routes {
			if r.RetryOf != "" {
				continue // consumed by the route that it is for
			}
			flow = append(flow, Edge{Kind: EdgeConsumes, Group: r.Group, From: r.Name()})
			if r.Pattern != nil {
				for _, topic := range t.matched(g, r) {
					flow = append(flow, Edge{Kind: EdgeMatches, Group: r.Group, From: topic, To: r.Name()})
				}
			}
			for _, o := range r.Outputs {
				flow = append(flow, Edge{
					Kind: EdgeOutput, Group: r.Group, From: r.Name(), To: o.Topic, Required: o.Required, Sync: o.Sync,
				})
			}
			for _, e := range r.Failure.edges(r.Topic, r.Group) {
				e.Group, e.From = r.Group, r.Name()
				flow = append(flow, e)
			}
		}
	}
	return flow
}

// matched are the topics that the table names and that a group's pattern consumes, sorted.
func (t *Table) matched(g GroupSpec, pattern RouteSpec) []string {
	known := append(t.Topics(), t.Outputs()...)
	for _, d := range t.declared {
		known = append(known, d.Name)
	}
	slices.Sort(known)
	return slices.DeleteFunc(slices.Compact(known), func(topic string) bool {
		for _, r := range g.Routes { // drawn by name comes first, then earlier patterns
			if r.Pattern == nil && r.Topic == topic {
				return true
			}
		}
		for _, r := range g.Routes {
			if r.Pattern != nil && r.Matches(topic) {
				return r.Topic != pattern.Topic
			}
		}
		return true
	})
}

// edges are those of failures: each way once, with the errors that lead there.
func (f Failure) edges(topic, group string) []Edge {
	var edges []Edge
	var branches []int // that lead to the edge
	add := func(e Edge, name string) {
		i := slices.IndexFunc(edges, func(x Edge) bool { return x.Kind == e.Kind && x.To == e.To })
		if i < 0 {
			i = len(edges)
			edges, branches = append(edges, e), append(branches, 0)
		}
		branches[i]++
		if !slices.Contains(edges[i].Errors, name) {
			edges[i].Errors = append(edges[i].Errors, name)
		}
	}
	branch := func(steps Failure, name string) {
		for _, d := range steps.Later {
			add(Edge{Kind: EdgeRetry, To: RetryTopic(topic, group, d), Delay: d}, name)
		}
		switch {
		case steps.DeadLetter != "":
			add(Edge{Kind: EdgeDeadLetter, To: steps.DeadLetter}, name)
		case steps.End == Skip:
			add(Edge{Kind: EdgeSkip}, name)
		case steps.End == Stop:
			add(Edge{Kind: EdgeStop}, name)
		case name != OtherErrors:
			add(Edge{Kind: EdgeBlock}, name)
		}
	}
	for _, k := range f.Kinds {
		branch(k.Steps, k.Match.name)
	}
	branch(f, OtherErrors)
	for i := range edges {
		if branches[i] == 1+len(f.Kinds) {
			edges[i].Errors = nil
		}
	}
	return edges
}

// String prints it for people: a line for each way, incoming => outgoing.
func (f Flow) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "INCOMING\t\tOUTGOING\tGROUP\tHOW")
	for _, e := range f {
		if e.Kind == EdgeConsumes && slices.ContainsFunc(f, e.leads) {
			continue // the lines that follow say it
		}
		fmt.Fprintf(w, "%s\t=>\t%s\t%s\t%s\n", printable(e.From), cmp.Or(printable(e.To), "-"), printable(e.Group), e.how())
	}
	_ = w.Flush() // a strings.Builder does not fail
	return trimmed(b.String())
}

// trimmed is a text without the spaces that columns leave at the end of lines.
func trimmed(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// leads reports whether next is a way of the records that the same route consumes.
func (e Edge) leads(next Edge) bool {
	return next.Kind != EdgeConsumes && next.Group == e.Group && next.From == e.From
}

// how returns "required, sync", "after 10s", "dead letter on timeouts", nothing for what needs no words.
func (e Edge) how() string {
	var how string
	switch e.Kind {
	case EdgeOutput:
		var words []string
		if e.Required {
			words = append(words, "required")
		}
		if e.Sync {
			words = append(words, "sync")
		}
		return strings.Join(words, ", ")
	case EdgeRetry:
		how = "after " + shortly(e.Delay)
	case EdgeDeadLetter:
		how = "dead letter"
	case EdgeConsumes:
		return ""
	default:
		how = string(e.Kind)
	}
	if on := e.on(); on != "" {
		how += " " + on
	}
	return how
}

// on returns "on timeouts, others", nothing for all errors.
func (e Edge) on() string {
	if len(e.Errors) == 0 {
		return ""
	}
	names := make([]string, len(e.Errors))
	for i, name := range e.Errors {
		names[i] = printable(name)
	}
	return "on " + strings.Join(names, ", ")
}

// printable quotes what would break a line: names of groups and errors are any text.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.ContainsRune(name, unicode.ReplacementChar) {
		return strconv.Quote(name)
	}
	return name
}
