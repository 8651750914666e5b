package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
)

// forward is where a record goes that its handler could not handle: to a dead letter topic, or to one in which it waits for its next
// attempt.
type forward struct {
	topic string
	delay time.Duration // of a retry topic; 0 for dead letters
	step  int           // the how manieth retry topic that is
	trim  int           // how much of what it carries was left out, because it was too large
}

// next is the forward that the steps draw for a record whose retries in place are used up; nil when they end otherwise.
func (p *route) next(steps router.Failure, group string, rec *kgo.Record, permanent bool) *forward {
	if !permanent {
		if step := retryStep(rec); step < len(steps.Later) {
			delay, topic := steps.Later[step], p.spec.Topic
			if p.spec.RetryOf != "" {
				topic = p.spec.RetryOf
			}
			return &forward{topic: router.RetryTopic(topic, group, delay), delay: delay, step: step + 1}
		}
	}
	if steps.DeadLetter != "" {
		return &forward{topic: steps.DeadLetter}
	}
	return nil
}

// header is the value of the last header of that name, empty for none.
func header(rec *kgo.Record, name string) string {
	for _, h := range slices.Backward(rec.Headers) {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// retryStep is the how manieth retry topic a record is in, 0 when it is in none.
func retryStep(rec *kgo.Record) int {
	n, err := strconv.Atoi(header(rec, consumer.HeaderRetryStep))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// dueAt is when a record of a retry topic may be handed over: what its header says, or the topic's delay after it was written, when
// somebody else wrote it.
func dueAt(rec *kgo.Record, delay time.Duration) time.Time {
	if at, err := time.Parse(timeFormat, header(rec, consumer.HeaderRetryAt)); err == nil {
		return at
	}
	return rec.Timestamp.Add(delay)
}

const (
	timeFormat = "2006-01-02T15:04:05.000Z07:00"
	// mostError is how much of an error's text a record carries, and lessError how much when the record is too large.
	mostError, lessError = 1000, 100
)

// How much is left out of a record that is too large for its topic.
const (
	trimText = iota + 1 // the error's text is short
	trimAll             // and its type and it are left out
)

// carried is the record to write: what it is about, and headers that say where it came from and why. Of a record that comes from a retry
// topic, the first source counts.
func (f *forward) carried(rec *kgo.Record, group string, attempts int, why error, now time.Time) *kgo.Record {
	source := func(name, is string) string {
		if was := header(rec, name); was != "" && retryStep(rec) > 0 {
			return was
		}
		return is
	}
	if retryStep(rec) > 0 {
		before, _ := strconv.Atoi(header(rec, consumer.HeaderAttempts))
		attempts += before
	}
	out := &kgo.Record{Topic: f.topic, Partition: rec.Partition, Key: slices.Clone(rec.Key), Value: slices.Clone(rec.Value)}
	for _, h := range rec.Headers {
		if !strings.HasPrefix(h.Key, "karafgo-") {
			out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.Key, Value: slices.Clone(h.Value)})
		}
	}
	add := func(name, value string) {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	add(consumer.HeaderSourceTopic, source(consumer.HeaderSourceTopic, rec.Topic))
	add(consumer.HeaderSourcePartition, source(consumer.HeaderSourcePartition, strconv.Itoa(int(rec.Partition))))
	add(consumer.HeaderSourceOffset, source(consumer.HeaderSourceOffset, strconv.FormatInt(rec.Offset, 10)))
	add(consumer.HeaderSourceTimestamp, source(consumer.HeaderSourceTimestamp, rec.Timestamp.UTC().Format(timeFormat)))
	add(consumer.HeaderSourceGroup, group)
	add(consumer.HeaderAttempts, strconv.Itoa(attempts))
	if f.trim < trimAll {
		most := mostError
		if f.trim == trimText {
			most = lessError
		}
		add(consumer.HeaderError, shorten(why.Error(), most))
		add(consumer.HeaderErrorType, errorType(why))
	}
	add(consumer.HeaderFailedAt, now.UTC().Format(timeFormat))
	if f.delay > 0 {
		add(consumer.HeaderRetryAt, now.Add(f.delay).UTC().Format(timeFormat))
		add(consumer.HeaderRetryStep, strconv.Itoa(f.step))
	}
	return out
}

func shorten(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "")
}

// errorType is the type of the error that says most: the first that is not only a wrapper.
func errorType(err error) string {
	for {
		name := fmt.Sprintf("%T", err)
		switch name {
		case "*fmt.wrapError", "*consumer.verdictError", "*consumer.failedAtError":
			if inner := errors.Unwrap(err); inner != nil {
				err = inner
				continue
			}
		}
		return name
	}
}

// trimmed leaves out more of what the record carries, after it was refused for its size. It reports false when nothing is left to leave
// out.
func (f *forward) trimmed(err error) bool {
	if f.trim >= trimAll || !errors.Is(err, kerr.MessageTooLarge) {
		return false
	}
	f.trim++
	return true
}

// patientSteps are the pauses between attempts to write.
//
//nolint:gochecknoglobals // constant
var patientSteps = router.Failure{Backoff: router.DefaultBackoff, MaxBackoff: router.DefaultMaxBackoff}

// ship writes recs[i] to where it goes, and passes it when it is there. Until then its partition waits: it is tried again and again.
func (w *worker) ship(f *failure) bool {
	a, rec, to := w.a, w.recs[w.i], f.forward
	for {
		err := w.r.forward(a, rec, to, w.attempt, f.err)
		switch {
		case err == nil:
			a.shipped(f, rec, w.attempt)
			w.pass(nil)
			return true
		case context.Cause(a.ctx) != nil, !a.is(stateFetching), errors.Is(err, errUndone):
			return false // the next owner gets it
		case to.trimmed(err):
			continue
		}
		w.r.emit(callbacks.ForwardFailed{Where: a.where(), Offset: rec.Offset, To: to.topic, Err: err})
		f.refused++
		delay := w.r.e.settings.Jitter(backoff(patientSteps, f.refused))
		return w.await(&progress{
			Offset: rec.Offset, Last: rec.Offset, Attempt: w.attempt, Blocked: true,
			Err: a.cannotShip(f, err), Until: time.Now().Add(delay),
		}, delay)
	}
}

func (a *assignment) cannotShip(f *failure, err error) error {
	return fmt.Errorf("write it to %q: %w (it failed with: %w)", f.forward.topic, err, f.err)
}

func (a *assignment) shipped(f *failure, rec *kgo.Record, attempt int) {
	if to := f.forward; to.delay > 0 {
		a.r.emit(callbacks.RetriedLater{
			Where: a.where(), Offset: rec.Offset, To: to.topic, Delay: to.delay, Attempt: attempt, Err: f.err,
		})
	} else {
		a.r.emit(callbacks.DeadLettered{Where: a.where(), Offset: rec.Offset, To: to.topic, Attempt: attempt, Err: f.err})
	}
}

// forward writes a record to another topic and returns when the cluster has it, or when the partition is taken away.
func (r *runner) forward(a *assignment, rec *kgo.Record, to *forward, attempts int, why error) error {
	out := to.carried(rec, r.id, attempts, why, time.Now())
	if r.tx != nil {
		return r.tx.alone(a, []written{{out, rec.Offset}}, position{rec.Offset + 1, rec.LeaderEpoch})
	}
	acked := make(chan error, 1)
	a.produce(a.ctx, rec.Offset, out,
		func(_ *kgo.Record, err error) { acked <- err })
	select {
	case err := <-acked:
		if err != nil {
			return fmt.Errorf("produce: %w", err)
		}
		return nil
	case <-a.ctx.Done():
		return context.Cause(a.ctx)
	}
}
