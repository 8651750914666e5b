package router

import (
	"fmt"
	"regexp"
	"time"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
)

// Route draws what happens to the records of one topic in one group.
type Route struct {
	g     *Group
	topic string // or the pattern as it was written
	// pattern is nil for a topic drawn by its name
	pattern *regexp.Regexp
	at      location
	mw      []consumer.Middleware

	mode         Mode
	modeAt       location
	handler      consumer.Handler
	batch        consumer.BatchHandler
	perPartition func(consumer.Partition) consumer.Handler
	size         int
	wait         time.Duration

	failure     Failure
	failureAt   location
	offsets     offsets.Mode
	onceAt      location
	store       offsets.Store
	externalAt  location
	reuse       bool
	reuseAt     location
	concurrency int
	ordering    Ordering
	timeout     time.Duration

	concurrencyAt location
	start         Start
	outputs       []consumer.Output
	filters       []consumer.Filter
	filtersAt     location
	breaker       *Breaker
	breakerAt     location
}

// Each hands over one record at a time.
func (r *Route) Each(h consumer.Handler) *Route {
	at := caller()
	r.setMode(ModeEach, at)
	if h == nil {
		r.errorf(at, "Each(nil): pass a consumer.Handler, such as consumer.JSON(fn)")
	}
	r.handler = h
	r.setOutputs(h, at)
	return r
}

// Batch hands over batches of up to size records of one partition. A batch that is not full is handed over wait after its first record
// arrived; 0 hands over what is there.
func (r *Route) Batch(h consumer.BatchHandler, size int, wait time.Duration) *Route {
	at := caller()
	r.setMode(ModeBatch, at)
	if h == nil {
		r.errorf(at, "Batch(nil): pass a consumer.BatchHandler, such as consumer.JSONBatch(fn)")
	}
	if size < 1 {
		r.errorf(at, "Batch size %d: want at least 1", size)
	}
	if wait < 0 {
		r.errorf(at, "Batch wait %s: want 0 or more", wait)
	}
	r.batch, r.size, r.wait = h, size, wait
	r.setOutputs(h, at)
	return r
}

// EachPartition hands over one record at a time to a handler of its own for each assigned partition, which may keep state
// without locks. The factory is called when a partition is assigned. See consumer.RevokedHandler, LostHandler and StopHandler
// for what such a handler can be told.
func (r *Route) EachPartition(factory func(p consumer.Partition) consumer.Handler) *Route {
	at := caller()
	r.setMode(ModeEachPartition, at)
	if factory == nil {
		r.errorf(at, "EachPartition(nil): pass a function that makes a handler for a partition")
	}
	r.perPartition = factory
	return r
}

// OnFailure draws what happens to a record that fails, read in order: When for kinds of errors, Retry in place, RetryLater in other
// topics, then DeadLetter, Block, Skip or Stop. A route that draws nothing retries for ever, from 1 s doubling to 30 s.
func (r *Route) OnFailure(steps ...Step) *Route {
	at := caller()
	if r.failureAt.file != "" {
		r.errorf(at, "OnFailure is drawn twice, first at %s: write the steps in one", r.failureAt)
	}
	r.failureAt = at
	if len(steps) == 0 {
		r.errorf(at, "OnFailure() has no steps: leave it out to retry for ever, or name an end such as router.Skip")
		return r
	}
	f := defaultFailure()
	for _, s := range steps {
		if s == nil {
			r.errorf(at, "OnFailure has a nil step")
			continue
		}
		if err := s.step(&f); err != nil {
			r.errorf(at, "OnFailure: %v", err)
		}
	}
	if problem := f.unfinished(); problem != "" {
		r.errorf(at, "OnFailure: %s", problem)
	}
	r.failure = f
	return r
}

// ManualOffsets leaves marking to the handler: Message.Mark, MarkThrough or CommitThrough. Records that were handled and not marked stay
// open; when 10,000 of a partition are, it waits for marks, visibly.
func (r *Route) ManualOffsets() *Route {
	switch r.offsets {
	case offsets.AtMostOnce:
		r.errorf(caller(), "ManualOffsets after AtMostOnce: the offset is moved before or by the handler, not both")
	case offsets.External:
		r.errorf(caller(), "ManualOffsets after ExternalOffsets: the offset is moved by the handler or with what it stores, not both")
	default:
	}
	r.offsets = offsets.Manual
	return r
}

// AtMostOnce commits the offset before records are handed over, up to 256 at once or a batch: no record is delivered twice, and a crash
// loses at most those. It costs a round trip to the broker for each such part. A record that fails is skipped, or stops the process where
// OnFailure(Stop) is drawn: there is no second attempt. A part that has been committed is handed over to its end when its partition is
// revoked or the process stops; what does not fit into the drain is given up, and told as skipped.
func (r *Route) AtMostOnce() *Route {
	at := caller()
	switch r.offsets {
	case offsets.Manual:
		r.errorf(at, "AtMostOnce after ManualOffsets: the offset is moved before or by the handler, not both")
	case offsets.External:
		r.errorf(at, "AtMostOnce after ExternalOffsets: the offset is moved before the handler or with what it stores, not both")
	default:
	}
	r.offsets, r.onceAt = offsets.AtMostOnce, at
	return r
}

// ReuseRecords lets franz-go use the memory of records again, and of their messages: a message, its record, key, value and headers are
// valid until the handler has returned and no longer. Copy what you keep; goroutines that outlive the handler must not touch them. It
// saves the garbage collector's work, which is most of what a record costs where handlers do little.
func (r *Route) ReuseRecords() *Route {
	r.reuse, r.reuseAt = true, caller()
	return r
}

// Concurrency limits how many handlers of this route run at once in this process. Without it there is one per assigned partition.
//
// With ByPartition partitions take turns; a partition in its back-off takes no place. With ByKey, ByKeyOf and Unordered the handlers of one
// partition run side by side too: a slow or failing record delays only those of its key. What is committed is the offset of the first
// record that is not done; which records above it are done goes with the commit, so that whoever gets the partition next repeats only what
// was in progress. When 10,000 records of a partition are open (with batches, room for two per place and 100,000 at most), or more holes
// than a commit can tell of, it waits, visibly. A batch then holds records of any keys, and no key is in two batches at once.
func (r *Route) Concurrency(n int, by Ordering) *Route {
	at := caller()
	if n < 1 {
		r.errorf(at, "Concurrency(%d): want at least 1; leave it out for one per assigned partition", n)
	}
	if by.kind == byKey && by.of && by.key == nil {
		r.errorf(at, "Concurrency: ByKeyOf(nil): pass a function that returns the key of a record, or use router.ByKey")
	}
	r.concurrency, r.ordering, r.concurrencyAt = n, by, at
	return r
}

// Timeout gives every attempt a deadline. It is kept to about a millisecond, by cancelling the handler's context with
// context.DeadlineExceeded; a handler that ignores its context is not stopped. Defaults to none.
func (r *Route) Timeout(d time.Duration) *Route {
	if d <= 0 {
		r.errorf(caller(), "Timeout(%s): want a positive duration; leave it out for none", d)
	}
	r.timeout = d
	return r
}

// StartAt says where a group begins that has no committed offset: Earliest (the default), Latest or Since(t).
func (r *Route) StartAt(s Start) *Route {
	if t, ok := s.Time(); ok && t.IsZero() {
		r.errorf(caller(), "StartAt(Since(zero time)): use router.Earliest")
	}
	r.start = s
	return r
}

// Filter asks f before a record is handed over for the first time, after the filters drawn before it. While it holds a record, the
// partition waits, without a place among the handlers that run at once.
func (r *Route) Filter(f consumer.Filter) *Route {
	at := caller()
	if f == nil {
		r.errorf(at, "Filter(nil): leave it out")
		return r
	}
	r.addFilter(f, at)
	return r
}

func (r *Route) addFilter(f consumer.Filter, at location) {
	r.filters, r.filtersAt = append(r.filters, f), at
}

// Delay hands records over no earlier than d after their timestamp, and no later than d after it was their turn: a timestamp in the future
// does not hold up its partition for longer.
func (r *Route) Delay(d time.Duration) *Route {
	at := caller()
	if d <= 0 {
		r.errorf(at, "Delay(%s): want a positive duration; leave it out for none", d)
	}
	r.addFilter(consumer.Delayed(d), at)
	return r
}

// Expire skips records that are older than d, by their timestamp, when it is their turn: each is counted and told, with
// consumer.ErrExpired.
func (r *Route) Expire(d time.Duration) *Route {
	at := caller()
	if d <= 0 {
		r.errorf(at, "Expire(%s): want a positive duration; leave it out to keep records for ever", d)
	}
	r.addFilter(consumer.Expiring(d), at)
	return r
}

// Throttle hands over at most n records per duration on this route in this process, in bursts of up to n.
func (r *Route) Throttle(n int, per time.Duration) *Route {
	at := caller()
	if n < 1 || per <= 0 {
		r.errorf(at, "Throttle(%d, %s): want at least 1 record in a positive duration, such as Throttle(100, time.Second)", n, per)
		return r
	}
	r.addFilter(consumer.Throttled(n, per), at)
	return r
}

// Use wraps this route, inside the group's and the drawer's middleware, the first outermost.
func (r *Route) Use(mw ...consumer.Middleware) *Route {
	if i := nilAt(mw); i > 0 {
		r.errorf(caller(), nilMiddleware, i)
	}
	r.mw = append(r.mw, mw...)
	return r
}

func (r *Route) setMode(m Mode, at location) {
	if r.mode != modeNone {
		r.errorf(at, "%s after %s at %s: a route has one consuming mode", m, r.mode, r.modeAt)
		return
	}
	r.mode, r.modeAt = m, at
}

func (r *Route) setOutputs(h any, at location) {
	responder, ok := h.(consumer.Responder)
	if !ok {
		return
	}
	r.outputs = responder.Outputs()
	seen := map[string]bool{}
	for _, o := range r.outputs {
		if problem := topicProblem(o.Topic); problem != "" {
			r.errorf(at, "output: %s", problem)
		}
		if seen[o.Topic] {
			r.errorf(at, "output %q is declared twice: declare it once", o.Topic)
		}
		seen[o.Topic] = true
	}
}

func (r *Route) kind() string {
	if r.pattern != nil {
		return "pattern"
	}
	return "topic"
}

func (r *Route) errorf(at location, format string, args ...any) {
	r.g.d.errs = append(r.g.d.errs, &Error{
		File: at.file, Line: at.line,
		Place:   fmt.Sprintf("group %q, %s %q", r.g.id, r.kind(), r.topic),
		Problem: fmt.Sprintf(format, args...),
	})
}
