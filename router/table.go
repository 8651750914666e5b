package router

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
)

// Mode is a consuming mode.
type Mode uint8

const (
	modeNone Mode = iota
	// ModeEach hands over one record at a time.
	ModeEach
	// ModeBatch hands over batches.
	ModeBatch
	// ModeEachPartition hands over one record at a time to a handler per partition.
	ModeEachPartition
)

// String returns the verb that draws the mode.
func (m Mode) String() string {
	switch m {
	case ModeEach:
		return "Each"
	case ModeBatch:
		return "Batch"
	case ModeEachPartition:
		return "EachPartition"
	default:
		return "none"
	}
}

// Table is what was drawn and checked. It does not change.
type Table struct {
	groups   []GroupSpec
	declared []TopicSpec
}

// GroupSpec is one consumer group of a table.
type GroupSpec struct {
	// ID is the consumer group's id.
	ID string
	// BatchFetching is false when a poll returns one record.
	BatchFetching bool
	// MaxPollRecords is 0 when the configuration decides.
	MaxPollRecords int
	// ExactlyOnce commits outputs and offsets of the group in transactions.
	ExactlyOnce bool
	// Routes are in the order drawn.
	Routes []RouteSpec
}

// RouteSpec is one route of a table. Which of Handler, BatchHandler and PerPartition is set depends on Mode.
type RouteSpec struct {
	Group string
	// Topic is the name of the topic, or of a route drawn with Pattern the expression.
	Topic string
	// Pattern matches whole names of topics; nil for a topic drawn by its name.
	Pattern      *regexp.Regexp
	Mode         Mode
	Handler      consumer.Handler
	BatchHandler consumer.BatchHandler
	PerPartition func(consumer.Partition) consumer.Handler
	// BatchSize and BatchWait are those of ModeBatch.
	BatchSize int
	BatchWait time.Duration
	Failure   Failure
	Offsets   offsets.Mode
	// Store is where offsets are that Offsets calls external.
	Store offsets.Store
	// Concurrency is 0 when nothing limits the route.
	Concurrency int
	Ordering    Ordering
	// Timeout is 0 for none.
	Timeout time.Duration
	// Reuse is true when messages are valid only until their handler has returned.
	Reuse bool
	Start Start
	// Middleware of drawer, group and route, outermost first.
	Middleware []consumer.Middleware
	// Outputs are those of a responder.
	Outputs []consumer.Output
	// Breaker is nil for none.
	Breaker *Breaker
	// Filters are asked in this order.
	Filters []consumer.Filter
	// RetryOf is the topic whose records wait in this one, by RetryLater; empty for a route that was drawn. RetryDelay is for how long.
	RetryOf    string
	RetryDelay time.Duration
	// File and Line are where Topic was called.
	File string
	Line int

	not map[string]bool // topics that a pattern never matches
}

// Groups returns the groups in the order drawn, as copies: what is changed in them does not change the table.
func (t *Table) Groups() []GroupSpec {
	groups := slices.Clone(t.groups)
	for i := range groups {
		groups[i].Routes = slices.Clone(groups[i].Routes)
		for j := range groups[i].Routes {
			r := &groups[i].Routes[j]
			r.Middleware, r.Outputs = slices.Clone(r.Middleware), slices.Clone(r.Outputs)
		}
	}
	return groups
}

// Only returns the table of the routes for which keep is true; groups without any are left out.
func (t *Table) Only(keep func(group, topic string) bool) *Table {
	only := &Table{declared: t.declared}
	for _, g := range t.Groups() {
		g.Routes = slices.DeleteFunc(g.Routes, func(r RouteSpec) bool { return !keep(r.Group, cmp.Or(r.RetryOf, r.Topic)) })
		if len(g.Routes) > 0 {
			only.groups = append(only.groups, g)
		}
	}
	return only
}

// Topics returns the names of all topics that are drawn by name to be consumed, sorted, each once.
func (t *Table) Topics() []string {
	var names []string
	for _, g := range t.groups {
		for _, r := range g.Routes {
			if r.Pattern == nil {
				names = append(names, r.Topic)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Outputs returns the names of all topics that responders write to, sorted, each once.
func (t *Table) Outputs() []string {
	var names []string
	for _, g := range t.groups {
		for _, r := range g.Routes {
			for _, o := range r.Outputs {
				names = append(names, o.Topic)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// FailureTopics returns the topics that failed records are written to, dead letter and retry topics, and for each the topics drawn by name
// whose records go there.
func (t *Table) FailureTopics() map[string][]string {
	from := map[string][]string{}
	add := func(name, source string) {
		if !slices.Contains(from[name], source) {
			from[name] = append(from[name], source)
		}
	}
	for _, g := range t.groups {
		for _, r := range g.Routes {
			source := cmp.Or(r.RetryOf, r.Topic)
			if r.RetryOf != "" {
				add(r.Topic, source)
			}
			for _, name := range r.Failure.deadLetters() {
				if r.Pattern == nil {
					add(name, source)
				} else if from[name] == nil {
					from[name] = nil // written to, and nobody knows from where
				}
			}
		}
	}
	return from
}

// String prints the table for people.
func (t *Table) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "GROUP\tTOPIC\tCONSUMES\tOFFSETS\tAT ONCE\tON FAILURE\tSTARTS\tWRITES")
	for _, g := range t.groups {
		for _, r := range g.Routes {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Group, r.Name(), r.Consumes(), r.Offsets,
				r.AtOnce(), r.OnFailure(), r.Start, r.Writes())
		}
	}
	if len(t.declared) > 0 {
		fmt.Fprintln(w, "\nDECLARED\tPARTITIONS\tREPLICATION\tCONFIG")
		for _, d := range t.declared {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", d.Name, orDefault(d.Partitions), orDefault(d.Replication), d.configs())
		}
	}
	_ = w.Flush() // a strings.Builder does not fail
	return trimmed(b.String())
}

// Matches reports whether the route consumes a topic of that name, if no other does.
func (r RouteSpec) Matches(topic string) bool {
	if r.Pattern == nil {
		return r.Topic == topic
	}
	return !strings.HasPrefix(topic, internalTopics) && !r.not[topic] && r.Pattern.MatchString(topic)
}

// internalTopics is what the names of a cluster's own topics begin with.
const internalTopics = "__"

// Name returns the topic's name, or "/pattern/".
func (r RouteSpec) Name() string {
	if r.Pattern == nil {
		return r.Topic
	}
	return "/" + r.Topic + "/"
}

// Consumes returns "each", "batch of 500 or 1s", "each, handler per partition".
func (r RouteSpec) Consumes() string {
	how := "each"
	switch r.Mode {
	case ModeBatch:
		how = fmt.Sprintf("batch of %d or %s", r.BatchSize, r.BatchWait)
	case ModeEachPartition:
		how = "each, handler per partition"
	default:
	}
	if r.Reuse {
		how += ", records reused"
	}
	if r.RetryOf != "" {
		return how + ", after " + shortly(r.RetryDelay)
	}
	names := []string{how}
	for _, f := range r.Filters {
		name := "filtered"
		if s, ok := f.(fmt.Stringer); ok {
			name = s.String()
		}
		names = append(names, name)
	}
	how = strings.Join(names, ", ")
	return how
}

// AtOnce returns how many handlers run at once: "1 per partition", "at most 8".
func (r RouteSpec) AtOnce() string {
	if r.Concurrency == 0 {
		return "1 per partition"
	}
	if r.Ordering.SideBySide() {
		return fmt.Sprintf("at most %d, %s", r.Concurrency, r.Ordering)
	}
	return fmt.Sprintf("at most %d", r.Concurrency)
}

// OnFailure returns the steps, and the timeout that may lead to them.
func (r RouteSpec) OnFailure() string {
	text := r.Failure.String()
	if r.Timeout > 0 {
		text += fmt.Sprintf(" (timeout %s)", r.Timeout)
	}
	if b := r.Breaker; b != nil {
		text += fmt.Sprintf(" (breaks for %s at %.0f%% of %s)", shortly(b.Hold), 100*b.Ratio, shortly(b.Window)) //nolint:mnd // per cent
	}
	return text
}

// Writes returns the outputs, "-" for none.
func (r RouteSpec) Writes() string {
	if len(r.Outputs) == 0 {
		return "-"
	}
	names := make([]string, len(r.Outputs))
	for i, o := range r.Outputs {
		names[i] = o.Topic
		if o.Required {
			names[i] += " (required)"
		}
		if o.Sync {
			names[i] += " (sync)"
		}
	}
	return strings.Join(names, ", ")
}

// table merges groups by id and checks what only shows when all is drawn.
func (d *drawing) table() *Table {
	t := &Table{declared: d.declared}
	index := map[string]int{}
	settings := map[string]*Group{} // the drawing that set how a group fetches
	for _, g := range d.groups {
		i, ok := index[g.id]
		if !ok {
			i = len(t.groups)
			index[g.id] = i
			settings[g.id] = &Group{}
			t.groups = append(t.groups, GroupSpec{ID: g.id, BatchFetching: true})
		}
		d.mergeFetching(&t.groups[i], settings[g.id], g)
		for _, r := range g.routes {
			if r.mode == modeNone {
				r.errorf(r.at, "route has no consuming mode: add Each, Batch or EachPartition")
			}
			r.checkOffsets()
			r.checkExternal()
			r.checkOrdering()
			for _, earlier := range t.groups[i].Routes {
				if earlier.Topic == r.topic && (earlier.Pattern == nil) == (r.pattern == nil) {
					r.errorf(r.at, "%s is drawn twice in the group, first at %s:%d: "+
						"a record has one handler per group; use another group id to consume it twice",
						r.kind(), earlier.File, earlier.Line)
				}
			}
			t.groups[i].Routes = append(t.groups[i].Routes, r.spec())
		}
	}
	d.exactlyOnce(t, index)
	d.addRetries(t)
	d.checkCycles(t)
	t.separate()
	d.checkGroups(t, index, settings)
	return t
}

// checkGroups refuses groups without topics, and what does not go with how a group fetches.
func (d *drawing) checkGroups(t *Table, index map[string]int, settings map[string]*Group) {
	for _, g := range d.groups {
		for _, r := range g.routes {
			if r.ordering.SideBySide() && !t.groups[index[g.id]].BatchFetching {
				r.errorf(r.concurrencyAt, "Concurrency %s in a group with BatchFetching(false) at %s: a poll returns one record; "+
					"remove BatchFetching(false)", r.ordering, settings[g.id].fetchAt)
			}
		}
		if i := index[g.id]; len(t.groups[i].Routes) == 0 && g.drawn {
			g.errorf(g.at, "group has no topics: draw at least one with g.Topic(name)")
		}
		if t.groups[index[g.id]].BatchFetching {
			continue
		}
		for _, r := range g.routes {
			if r.mode == ModeBatch && r.size > 1 {
				r.errorf(r.modeAt, "Batch of %d in a group with BatchFetching(false) at %s: "+
					"a poll returns one record; remove BatchFetching(false) or use Each",
					r.size, settings[g.id].fetchAt)
			}
		}
	}
}

// checkOffsets refuses what does not go with when the route marks.
func (r *Route) checkOffsets() {
	if r.reuse && r.offsets == offsets.Manual {
		r.errorf(r.reuseAt, "ReuseRecords with ManualOffsets: a message that is marked later must be valid until then")
	}
	if r.offsets != offsets.AtMostOnce {
		return
	}
	if len(r.outputs) > 0 {
		r.errorf(r.onceAt, "AtMostOnce with outputs: they are acknowledged before their record is marked, and AtMostOnce marks it first")
	}
	if r.failureAt.file == "" {
		r.failure = Failure{End: Skip}
	}
	if len(r.filters) > 0 {
		r.errorf(r.filtersAt, "AtMostOnce with filters: a record is committed before its turn, and would be lost while it is held")
	}
	if r.breaker != nil {
		r.errorf(r.breakerAt, "AtMostOnce with Break: a record that fails has no other attempt")
	}
	if f := r.failure; f.Retries > 0 || f.End == Block || f.End == toDeadLetter || len(f.Later) > 0 || len(f.Kinds) > 0 {
		r.errorf(r.onceAt, "AtMostOnce with %s: a record has one attempt, and is committed before it; "+
			"draw OnFailure(router.Skip) or OnFailure(router.Stop)", r.failure)
	}
}

// checkOrdering refuses what does not go with handlers that run side by side.
func (r *Route) checkOrdering() {
	if !r.ordering.SideBySide() {
		return
	}
	refuse := func(what, why string) {
		r.errorf(r.concurrencyAt, "Concurrency %s with %s: %s", r.ordering, what, why)
	}
	if r.mode == ModeEachPartition {
		refuse("EachPartition", "its handlers are called one record at a time; draw Each")
	}
	if r.offsets == offsets.AtMostOnce {
		refuse("AtMostOnce", "what is committed before it is handed over has to be in order")
	}
}

func (d *drawing) mergeFetching(spec *GroupSpec, set, g *Group) {
	if g.fetchOne != nil {
		if set.fetchOne != nil && *set.fetchOne != *g.fetchOne {
			g.errorf(g.fetchAt, "BatchFetching is drawn differently at %s: a group fetches one way", set.fetchAt)
		}
		set.fetchOne, set.fetchAt = g.fetchOne, g.fetchAt
		spec.BatchFetching = !*g.fetchOne
	}
	if g.maxPoll != 0 {
		if set.maxPoll != 0 && set.maxPoll != g.maxPoll {
			g.errorf(g.maxPollAt, "MaxPollRecords is drawn differently at %s: a group fetches one way", set.maxPollAt)
		}
		set.maxPoll, set.maxPollAt = g.maxPoll, g.maxPollAt
		spec.MaxPollRecords = g.maxPoll
	}
}

func (r *Route) spec() RouteSpec {
	return RouteSpec{
		Group: r.g.id, Topic: r.topic, Pattern: r.pattern, Mode: r.mode,
		Handler: r.handler, BatchHandler: r.batch, PerPartition: r.perPartition,
		BatchSize: r.size, BatchWait: r.wait,
		Failure: r.failure, Offsets: r.offsets, Store: r.store, Concurrency: r.concurrency, Ordering: r.ordering,
		Timeout: r.timeout, Start: r.start, Reuse: r.reuse,
		Middleware: slices.Clone(r.mw), Outputs: r.outputs, Filters: slices.Clone(r.filters), Breaker: r.breaker,
		File: r.at.file, Line: r.at.line,
	}
}
