package router

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/karafgo/karafgo/consumer"
)

// Drawer draws routes. Each drawer is a scope: its Use wraps its own routes only.
type Drawer func(r *Router)

// Draw runs the drawers, checks everything they drew, and returns the table. Groups of the same id are merged. On mistakes it
// returns all of them in one error (errors.Join of *Error), each with file and line.
func Draw(drawers ...Drawer) (*Table, error) {
	d := &drawing{}
	for i, draw := range drawers {
		if draw == nil {
			d.errs = append(d.errs, &Error{Place: "Draw", Problem: fmt.Sprintf("drawer %d is nil: return a router.Drawer", i+1)})
			continue
		}
		draw(&Router{d: d})
	}
	if len(d.groups) == 0 && len(d.errs) == 0 {
		d.errs = append(d.errs, &Error{Place: "Draw", Problem: "no routes are drawn: call r.Group(id, ...) with g.Topic(name) in a drawer"})
	}
	t := d.table()
	if err := errors.Join(d.errs...); err != nil {
		return nil, err
	}
	return t, nil
}

// Error is one mistake in a drawing.
type Error struct {
	// File and Line are where it was drawn.
	File string
	Line int
	// Place names the group and topic.
	Place string
	// Problem says what is wrong and what to do.
	Problem string
}

// Error returns "file:line: place: problem".
func (e *Error) Error() string {
	if e.File == "" {
		return e.Place + ": " + e.Problem
	}
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Place, e.Problem)
}

type drawing struct {
	groups   []*Group
	declared []TopicSpec
	errs     []error
}

// Router is a drawer's scope.
type Router struct {
	d  *drawing
	mw []consumer.Middleware
}

// Use wraps the routes that this drawer draws after it, the first outermost.
func (r *Router) Use(mw ...consumer.Middleware) {
	if i := nilAt(mw); i > 0 {
		at := caller()
		r.d.errs = append(r.d.errs, &Error{File: at.file, Line: at.line, Place: "Router", Problem: fmt.Sprintf(nilMiddleware, i)})
	}
	r.mw = append(r.mw, mw...)
}

// Group draws the routes of one consumer group. Drawing a group again, here or in another drawer, adds to it.
func (r *Router) Group(id string, draw func(g *Group)) {
	at := caller()
	g := &Group{d: r.d, id: id, at: at, mw: slices.Clone(r.mw)}
	r.d.groups = append(r.d.groups, g)
	if id == "" {
		g.errorf(at, "group id is empty: name the consumer group")
	}
	if draw == nil {
		g.errorf(at, "drawing function is nil: draw topics with func(g *router.Group) { g.Topic(...) }")
		return
	}
	g.drawn = true
	draw(g)
}

// Group draws the routes of one consumer group.
type Group struct {
	d      *drawing
	id     string
	at     location
	mw     []consumer.Middleware
	routes []*Route
	drawn  bool

	fetchOne  *bool
	maxPoll   int
	exactly   bool
	fetchAt   location
	maxPollAt location
	exactlyAt location
}

// Use wraps the routes of this group drawn after it, inside the drawer's middleware.
func (g *Group) Use(mw ...consumer.Middleware) {
	if i := nilAt(mw); i > 0 {
		g.errorf(caller(), nilMiddleware, i)
	}
	g.mw = append(g.mw, mw...)
}

// BatchFetching says whether a poll of the client may return many records: Karafka's batch_fetching. Defaults to true. With false a
// poll returns one record and at most one waits per partition, so a crash redelivers little, at the price of throughput.
func (g *Group) BatchFetching(on bool) {
	one := !on
	g.fetchOne, g.fetchAt = &one, caller()
}

// MaxPollRecords bounds the records that one poll returns. Defaults to fetch.max_poll_records, 10,000.
func (g *Group) MaxPollRecords(n int) {
	g.maxPoll, g.maxPollAt = n, caller()
	if n < 1 {
		g.errorf(g.maxPollAt, "MaxPollRecords(%d): want at least 1", n)
	}
}

// Topic draws a route. A consuming mode must follow: Each, Batch or EachPartition.
func (g *Group) Topic(name string) *Route {
	r := &Route{g: g, topic: name, at: caller(), mw: slices.Clone(g.mw), failure: defaultFailure()}
	g.routes = append(g.routes, r)
	if problem := topicProblem(name); problem != "" {
		r.errorf(r.at, "%s", problem)
	}
	return r
}

// Pattern draws a route of all topics whose whole name matches a regular expression (RE2), those that are created later too: they are
// looked for every kafka.metadata_max_age, and consumed from their first record. Internal topics (__consumer_offsets and the like) never
// match. A topic that the group draws by name, or that an earlier pattern matches, has that route.
func (g *Group) Pattern(expr string) *Route {
	r := &Route{g: g, topic: expr, at: caller(), mw: slices.Clone(g.mw), failure: defaultFailure()}
	g.routes = append(g.routes, r)
	re, err := regexp.Compile("^(?:" + expr + ")$")
	switch {
	case expr == "":
		r.errorf(r.at, "pattern is empty: write a regular expression such as orders\\..*")
	case err != nil:
		r.errorf(r.at, "pattern is not a regular expression: %v", err)
	}
	r.pattern = re
	return r
}

const nilMiddleware = "Use: middleware %d is nil: leave it out"

// nilAt counts from 1 to the first nil, and is 0 when there is none.
func nilAt(mw []consumer.Middleware) int {
	return 1 + slices.IndexFunc(mw, func(m consumer.Middleware) bool { return m == nil })
}

func (g *Group) errorf(at location, format string, args ...any) {
	g.d.errs = append(g.d.errs, &Error{
		File: at.file, Line: at.line,
		Place:   fmt.Sprintf("group %q", g.id),
		Problem: fmt.Sprintf(format, args...),
	})
}
