package router

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Step is one step of OnFailure, read in order: [When] for kinds of errors, [Retry], [RetryLater], then an end: [Block], [Skip], [Stop] or
// [DeadLetter].
type Step interface {
	step(f *Failure) error
}

// End is the last step: what happens to a record when retrying is over.
type End uint8

const (
	// Block retries for ever: the record's partition does not move on until it succeeds. Nothing is lost, nothing else waits. It
	// is what a route does that draws nothing.
	Block End = iota
	// Skip marks the record, counts it, logs it, and goes on.
	Skip
	// Stop stops the process with the failure as its reason. The record is not marked: after the next start it is delivered
	// again.
	Stop
	// toDeadLetter is drawn by DeadLetter.
	toDeadLetter
)

// String returns the name that route tables print.
func (e End) String() string {
	switch e {
	case Block:
		return "block"
	case Skip:
		return "skip"
	case Stop:
		return "stop"
	case toDeadLetter:
		return "dead letter"
	default:
		return "unknown"
	}
}

// The back-off of retries that never end, and the longest pause between two attempts.
const (
	DefaultBackoff    = time.Second
	DefaultMaxBackoff = 30 * time.Second
)

// Failure is what OnFailure drew.
type Failure struct {
	// Retries is how many in-place retries follow the first attempt before End.
	Retries int
	// Backoff is the pause before the first retry. It doubles with every attempt, up to MaxBackoff; the engine waits a random
	// part of it (full jitter).
	Backoff time.Duration
	// MaxBackoff bounds the pause.
	MaxBackoff time.Duration
	// Later are the delays of retry topics, each of which gives the record one attempt before End.
	Later []time.Duration
	// End is what happens then.
	End End
	// DeadLetter is the topic that the record is written to at the end, empty for none.
	DeadLetter string
	// Kinds are what When drew: of an error that one of them matches, its steps are taken and not these.
	Kinds []Kind

	ended, retried bool
}

// Kind are steps for errors that match.
type Kind struct {
	Match ErrorMatch
	Steps Failure
}

// Of returns the steps for an error: those of the first When that matches, else what is drawn for all.
func (f Failure) Of(err error) Failure {
	for _, k := range f.Kinds {
		if k.Match.matches(err) {
			return k.Steps
		}
	}
	return f
}

// ErrorMatch says which errors a [When] is about: [ErrorIs], [ErrorAs] or [ErrorWhere].
type ErrorMatch struct {
	name    string
	matches func(error) bool
}

// ErrorIs matches errors that are target, as errors.Is has it.
func ErrorIs(target error) ErrorMatch {
	if target == nil {
		return ErrorMatch{}
	}
	return ErrorMatch{strconv.Quote(target.Error()), func(err error) bool { return errors.Is(err, target) }}
}

// ErrorAs matches errors that have one of type E in their tree, as errors.As has it.
func ErrorAs[E error]() ErrorMatch {
	return ErrorMatch{reflect.TypeFor[E]().String(), func(err error) bool {
		_, ok := errors.AsType[E](err)
		return ok
	}}
}

// ErrorWhere matches errors for which a function is true. The name is what route tables print.
func ErrorWhere(name string, matches func(error) bool) ErrorMatch { return ErrorMatch{name, matches} }

type when struct {
	match ErrorMatch
	steps []Step
}

// When draws the steps for errors that match, instead of those that follow for all others. The first When that matches counts. Attempts
// are counted over all errors of a record.
//
//	OnFailure(
//		router.When(router.ErrorAs[*ValidationError](), router.DeadLetter("orders.invalid")),
//		router.Retry(5, time.Second), router.DeadLetter("orders.dlq"),
//	)
func When(match ErrorMatch, steps ...Step) Step { return when{match, steps} }

func (w when) step(f *Failure) error {
	if w.match.matches == nil {
		return errors.New("When without errors to match: use router.ErrorIs(err), ErrorAs[T]() or ErrorWhere(name, fn)")
	}
	if f.ended || f.retried || len(f.Later) > 0 {
		return fmt.Errorf("When(%s) after the steps for all others: put it first", w.match.name)
	}
	steps := defaultFailure()
	var errs []error
	for _, s := range w.steps {
		switch s.(type) {
		case nil:
			errs = append(errs, errors.New("a step is nil"))
		case when:
			errs = append(errs, errors.New("a When within a When: write them one after the other"))
		default:
			if err := s.step(&steps); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if problem := steps.unfinished(); problem != "" {
		errs = append(errs, errors.New(problem))
	}
	if len(w.steps) == 0 {
		errs = append(errs, errors.New("it has no steps: name an end such as router.Skip"))
	}
	f.Kinds = append(f.Kinds, Kind{w.match, steps})
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("When(%s): %w", w.match.name, err)
	}
	return nil
}

// unfinished says what is missing at the end of the steps.
func (f Failure) unfinished() string {
	switch {
	case f.ended:
	case len(f.Later) > 0:
		return "RetryLater has no end: add router.DeadLetter(topic), router.Block, router.Skip or router.Stop"
	case f.retried:
		return fmt.Sprintf("Retry(%d) has no end: add router.DeadLetter(topic), router.Block, router.Skip or router.Stop", f.Retries)
	}
	return ""
}

type deadLetter struct{ topic string }

// DeadLetter ends the matter by writing the record to another topic, from which it can be looked at and replayed: with its key, value and
// headers, to the partition of the same number where there is one. Headers tell where it came from and why it failed: see
// [consumer.HeaderError] and those beside it. The record is marked when the topic has it; while the topic cannot be written, the record's
// partition waits, and shows it.
func DeadLetter(topic string) Step { return deadLetter{topic} }

func (d deadLetter) step(f *Failure) error {
	if problem := topicProblem(d.topic); problem != "" {
		return fmt.Errorf("DeadLetter: %s", problem)
	}
	if err := toDeadLetter.step(f); err != nil {
		return err
	}
	f.DeadLetter = d.topic
	return nil
}

// String returns "retry 3 from 100ms, then skip".
func (f Failure) String() string {
	var b strings.Builder
	for _, k := range f.Kinds {
		fmt.Fprintf(&b, "%s: %s; ", k.Match.name, k.Steps)
	}
	if f.Retries == 0 && f.End == Block && len(f.Later) == 0 {
		b.WriteString("retry for ever")
		return b.String()
	}
	if f.Retries > 0 {
		fmt.Fprintf(&b, "retry %d from %s, then ", f.Retries, f.Backoff)
	}
	for _, d := range f.Later {
		fmt.Fprintf(&b, "after %s, then ", shortly(d))
	}
	b.WriteString(f.End.String())
	if f.DeadLetter != "" {
		b.WriteString(" " + f.DeadLetter)
	}
	return b.String()
}

type retry struct {
	n       int
	backoff time.Duration
	maxWait time.Duration
}

// RetryOption adds to [Retry].
type RetryOption func(*retry)

// MaxBackoff bounds the pause between two attempts. Defaults to 30 s.
func MaxBackoff(d time.Duration) RetryOption { return func(r *retry) { r.maxWait = d } }

// Retry hands the record over again, n times after the first attempt. The pause before a retry is a random part (full jitter) of
// backoff, which doubles with every attempt up to 30 s ([MaxBackoff]). Only the record's partition waits. A step that ends
// the matter must follow: [Block], [Skip] or [Stop].
func Retry(n int, backoff time.Duration, opts ...RetryOption) Step {
	r := retry{n: n, backoff: backoff, maxWait: DefaultMaxBackoff}
	for _, o := range opts {
		o(&r)
	}
	return r
}

func (r retry) step(f *Failure) error {
	switch {
	case f.ended:
		return fmt.Errorf("Retry after %s never happens: put it first", f.End)
	case len(f.Later) > 0:
		return fmt.Errorf("Retry after RetryLater: put it first, the record leaves its partition with RetryLater")
	case f.retried:
		return fmt.Errorf("Retry twice: write one Retry(n, backoff)")
	case r.n < 1:
		return fmt.Errorf("Retry(%d): want at least 1 retry; to go on at once write the end alone, OnFailure(router.Skip)", r.n)
	case r.backoff <= 0:
		return fmt.Errorf("Retry(%d, %s): want a positive back-off, such as 100*time.Millisecond", r.n, r.backoff)
	case r.maxWait < r.backoff:
		return fmt.Errorf("Retry(%d, %s): MaxBackoff(%s) is below the back-off: add router.MaxBackoff(%s) or more",
			r.n, r.backoff, r.maxWait, r.backoff)
	}
	f.retried = true
	f.Retries, f.Backoff, f.MaxBackoff = r.n, r.backoff, r.maxWait
	return nil
}

func (e End) step(f *Failure) error {
	if f.ended {
		return fmt.Errorf("%s after %s never happens: a route has one end", e, f.End)
	}
	if e > toDeadLetter {
		return fmt.Errorf("End(%d) is none of Block, Skip and Stop", e)
	}
	f.ended, f.End = true, e
	return nil
}

func defaultFailure() Failure {
	return Failure{Backoff: DefaultBackoff, MaxBackoff: DefaultMaxBackoff, End: Block}
}

type retryLater struct{ delays []time.Duration }

// RetryLater moves the record out of its partition's way when the retries in place are used up: it is written to a topic named
// <topic>.<group>.retry.<delay>, which the same group consumes with the same handler, and gets one attempt there, never before the
// delay is over; then the next topic, then the end. What is behind it goes on meanwhile, so its order is given up. A step that ends the
// matter must follow.
//
// The topics are routes of the table. They exist before the process starts, or are made with kafka.missing_topics create, with as many
// partitions as the topic that they are for.
func RetryLater(delays ...time.Duration) Step { return retryLater{delays} }

func (r retryLater) step(f *Failure) error {
	switch {
	case f.ended:
		return fmt.Errorf("RetryLater after %s never happens: put it before", f.End)
	case len(f.Later) > 0:
		return errors.New("RetryLater twice: write all delays in one")
	case len(r.delays) == 0:
		return errors.New("RetryLater() has no delays: name some, such as RetryLater(10*time.Second, time.Minute)")
	}
	for i, d := range r.delays {
		if d < time.Millisecond || d%time.Millisecond != 0 {
			return fmt.Errorf("RetryLater(%s): want whole milliseconds, 1ms or more", d)
		}
		if slices.Contains(r.delays[:i], d) {
			return fmt.Errorf("RetryLater(%s) twice: each delay has a topic of its own", d)
		}
	}
	f.Later = append([]time.Duration(nil), r.delays...)
	return nil
}

// shortly is "10s", "1m", "1h30m": a duration without zeros at its end.
func shortly(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// RetryTopic is the name of the topic in which a group's records of a topic wait for a delay.
func RetryTopic(topic, group string, delay time.Duration) string {
	return topic + "." + group + ".retry." + shortly(delay)
}
