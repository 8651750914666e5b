package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/kafka"
)

// pauseReason is a bit of assignment.paused.
type pauseReason uint32

const (
	pausedUser  pauseReason = 1 << iota // Partition.Pause: ends when the partition is taken away
	pausedTopic                         // Engine.PauseTopic: holds for assignments to come, too
	pausedQuiet                         // Engine.Quiet: the same
)

func (p pauseReason) String() string {
	return map[pauseReason]string{
		pausedUser: callbacks.PausedUser, pausedTopic: callbacks.PausedTopic, pausedQuiet: callbacks.PausedQuiet,
	}[p]
}

// pause hands over nothing more; the delivery in progress goes on.
func (a *assignment) pause(why pauseReason) {
	if a.paused.Or(uint32(why))&uint32(why) == 0 && why != pausedQuiet { // that one is told for the group
		a.r.emit(callbacks.Paused{Where: a.where(), Reason: why.String()})
	}
}

func (a *assignment) resume(why pauseReason) {
	if a.paused.And(^uint32(why))&uint32(why) == 0 {
		return
	}
	if why != pausedQuiet {
		a.r.emit(callbacks.Resumed{Where: a.where(), Reason: why.String()})
	}
	a.signal()
}

// Errors of control.
var (
	// ErrUnknownTopic: no route of the group consumes the topic.
	ErrUnknownTopic = errors.New("no route consumes this topic in this group")
	// ErrNotAssigned: another process has the partition, or none.
	ErrNotAssigned = errors.New("the partition is not assigned to this process")
	// ErrNotBlocking: the record is not the one that holds up its partition.
	ErrNotBlocking = errors.New("the record does not hold up its partition")
)

func (e *Engine) group(id string) *runner {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.runners {
		if r.id == id {
			return r
		}
	}
	return nil
}

// PauseTopic hands over no more records of a topic in a group, until ResumeTopic: it holds for partitions that are assigned later, too.
// Deliveries in progress go on. It concerns this process alone.
func (e *Engine) PauseTopic(group, topic string) error { return e.holdTopic(group, topic, true) }

// ResumeTopic ends PauseTopic.
func (e *Engine) ResumeTopic(group, topic string) error { return e.holdTopic(group, topic, false) }

func (e *Engine) holdTopic(group, topic string, hold bool) error {
	r := e.group(group)
	if r == nil || r.routeOf(topic) == nil {
		return fmt.Errorf("group %q, topic %q: %w", group, topic, ErrUnknownTopic)
	}
	e.control.Lock()
	defer e.control.Unlock()
	r.mu.Lock()
	if hold {
		r.held[topic] = true
	} else {
		delete(r.held, topic)
	}
	r.mu.Unlock()
	for _, a := range r.all() {
		switch {
		case a.tp.Topic != topic:
		case hold:
			a.pause(pausedTopic)
		default:
			a.resume(pausedTopic)
		}
	}
	return nil
}

// Quiet hands over no more records at all, until Wake. Deliveries in progress go on, what is done is committed, and the process keeps its
// place in its groups.
func (e *Engine) Quiet() { e.hush(true) }

// Wake ends Quiet.
func (e *Engine) Wake() { e.hush(false) }

func (e *Engine) hush(quiet bool) {
	e.control.Lock()
	defer e.control.Unlock()
	if e.quiet == quiet {
		return
	}
	e.quiet = quiet
	e.mu.Lock()
	runners := slices.Clone(e.runners)
	e.mu.Unlock()
	for _, r := range runners {
		where := callbacks.Where{Group: r.id, Partition: -1}
		if quiet {
			r.emit(callbacks.Paused{Where: where, Reason: callbacks.PausedQuiet})
		} else {
			r.emit(callbacks.Resumed{Where: where, Reason: callbacks.PausedQuiet})
		}
		for _, a := range r.all() {
			if quiet {
				a.pause(pausedQuiet)
			} else {
				a.resume(pausedQuiet)
			}
		}
	}
}

// inherit lets a new assignment take over what holds for its topic and its process.
func (a *assignment) inherit() {
	a.r.e.control.Lock()
	defer a.r.e.control.Unlock()
	a.r.mu.Lock()
	held := a.r.held[a.tp.Topic]
	a.r.mu.Unlock()
	if held {
		a.pause(pausedTopic)
	}
	if a.r.e.quiet {
		a.pause(pausedQuiet)
	}
}

// skip asks a worker to give up the record that it waits to try again.
type skip struct {
	offset int64
	answer chan error
}

// errNarrowed: the batch had failed as a whole, and is delivered one by one from now on.
var errNarrowed = errors.New("delivered one by one")

var errSkippedByOperator = errors.New("skipped by an operator")

// Skip marks the record at offset as consumed without its having been handled, where it holds up its partition: it has failed and waits for
// its next attempt. Of a batch that failed as a whole, it is first delivered alone, as are the others, and is skipped if it fails again. It
// returns ErrNotBlocking when it is another record that waits, or none, and waits for an attempt in progress until ctx ends. It never
// skips another record than the one that it names.
func (e *Engine) Skip(ctx context.Context, group, topic string, partition int32, offset int64) error {
	fail := func(err error) error {
		return fmt.Errorf("group %q: skip %s/%d@%d: %w", group, topic, partition, offset, err)
	}
	r := e.group(group)
	if r == nil || r.routeOf(topic) == nil {
		return fail(ErrUnknownTopic)
	}
	a := r.find(kafka.TopicPartition{Topic: topic, Partition: partition})
	if a == nil {
		return fail(ErrNotAssigned)
	}
	a.mu.Lock()
	k := a.keys
	a.mu.Unlock()
	if k != nil {
		if err := k.giveUp(ctx, offset); err != nil {
			return fail(err)
		}
		return nil
	}
	s := skip{offset: offset, answer: make(chan error, 1)}
	again := time.NewTicker(skipAgain)
	defer again.Stop()
	var ask chan<- skip
	for narrowed := false; ; {
		switch p := a.current.Load(); {
		case p != nil && p.Offset <= offset && offset <= p.Last:
			ask = a.skips
		case p == nil && narrowed && a.handed.Load() <= offset: // its turn comes, or it is being handed over
			ask = nil
		default:
			return fail(ErrNotBlocking)
		}
		select {
		case ask <- s:
			switch err := <-s.answer; {
			case errors.Is(err, errNarrowed):
				narrowed = true
			case err != nil:
				return fail(err)
			default:
				return nil
			}
		case <-again.C: // an attempt is in progress, and may succeed
		case <-a.closing:
			return fail(ErrNotAssigned)
		case <-ctx.Done():
			return fail(ctx.Err())
		}
	}
}

// skipAgain is how often Skip looks whether the record still waits.
const skipAgain = 50 * time.Millisecond
