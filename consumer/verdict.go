package consumer

import (
	"cmp"
	"fmt"
	"time"
)

// Kind is what is to be done about a failure.
type Kind uint8

const (
	// KindRetry goes through the steps of the route's OnFailure. Any error that says nothing else is of this kind.
	KindRetry Kind = iota
	// KindPermanent goes to the end of OnFailure at once.
	KindPermanent
	// KindSkip marks the record, counts it and goes on.
	KindSkip
	// KindRetryAfter is KindRetry with its own delay.
	KindRetryAfter
	// KindPostpone hands the record over again after a delay, as if it had not been handed over.
	KindPostpone
)

// Verdict is what a handler's error says about the record that failed.
type Verdict struct {
	Kind Kind
	// After is the delay of KindRetryAfter and KindPostpone.
	After time.Duration
	// At is the message of a batch that failed; nil means the whole batch.
	At *Message
}

type verdictError struct {
	kind  Kind
	after time.Duration
	err   error
}

func (e *verdictError) Error() string { return e.err.Error() }
func (e *verdictError) Unwrap() error { return e.err }

type failedAtError struct {
	at  *Message
	err error
}

func (e *failedAtError) Error() string {
	return fmt.Sprintf("record %s/%d@%d: %v", e.at.Topic, e.at.Partition, e.at.Offset, e.err)
}
func (e *failedAtError) Unwrap() error { return e.err }

// Permanent says that retrying will not help: the record goes to the end of OnFailure at once. On a route that blocks, it blocks,
// visibly. Permanent(nil) is nil.
func Permanent(err error) error { return withKind(KindPermanent, 0, err) }

// Skip says that the record needs no handling: it is marked, counted as skipped with err as the reason, and not retried.
// Skip(nil) is nil.
func Skip(err error) error { return withKind(KindSkip, 0, err) }

// RetryAfter asks for the next attempt after d, instead of the back-off of OnFailure. The attempt counts.
// RetryAfter(d, nil) is nil.
func RetryAfter(d time.Duration, err error) error { return withKind(KindRetryAfter, max(d, 0), err) }

// Postpone hands the record over again after d, as if it had not been: the attempt does not count, so that no number of them leads to the
// end of OnFailure, and it is told as Retried and not as Failed. It is for what says nothing about the record, such as a service that is
// known to be down. Its partition or key waits meanwhile, without a place among the handlers that run at once, and for ever if it is always
// postponed. Postpone(d, nil) is nil.
func Postpone(d time.Duration, err error) error { return withKind(KindPostpone, max(d, 0), err) }

func withKind(k Kind, after time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return &verdictError{kind: k, after: after, err: err}
}

// FailedAt tells a batch's failure by position: the messages before m are done, m failed with err, the ones after m are delivered
// again. It combines with the other verdicts: FailedAt(m, Permanent(err)). FailedAt(m, nil) is nil, and without a message err speaks for
// the whole batch.
func FailedAt(m *Message, err error) error {
	if err == nil || m == nil {
		return err
	}
	return &failedAtError{at: m, err: err}
}

// VerdictOf reads the verdict out of an error, however often it was wrapped; the outermost counts. An error that carries none is
// KindRetry. So is a joined error (errors.Join, or fmt.Errorf with several %w) whose parts do not agree, and it speaks for the
// whole batch: one permanent failure among others that may pass must not end them all. Give the verdict outside of the join
// then: Permanent(errors.Join(a, b)).
func VerdictOf(err error) Verdict {
	var v Verdict
	for err != nil {
		switch e := err.(type) { //nolint:errorlint // this walks the chain itself, because errors.As takes the first of joined errors
		case *failedAtError:
			v = v.or(Verdict{At: e.at})
		case *verdictError:
			v = v.or(Verdict{Kind: e.kind, After: e.after})
		}
		switch e := err.(type) { //nolint:errorlint // as above
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			return v.or(agreed(e.Unwrap()))
		default:
			return v
		}
	}
	return v
}

// or fills what v leaves open with what an inner error says.
func (v Verdict) or(inner Verdict) Verdict {
	if v.Kind == KindRetry {
		v.Kind, v.After = inner.Kind, inner.After
	}
	if v.At == nil {
		v.At = inner.At
	}
	return v
}

// agreed is the verdict that all parts of a joined error give, or none.
func agreed(parts []error) Verdict {
	var all Verdict
	first := true
	for _, err := range parts {
		if err == nil {
			continue
		}
		v := VerdictOf(err)
		if !first && v != all {
			return Verdict{}
		}
		all, first = v, false
	}
	return all
}

// PanicError is the failure of a handler that panicked or called runtime.Goexit.
type PanicError struct {
	// Value is what was passed to panic; nil for runtime.Goexit.
	Value any
	// Stack is the stack of the goroutine at the panic.
	Stack []byte
}

// Error tells the value, not the stack.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "handler called runtime.Goexit"
	}
	return fmt.Sprintf("handler panicked: %v", e.Value)
}

// Unwrap returns the value when it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// DecodeError is the failure of a payload that does not decode. It is permanent: the bytes will not change.
type DecodeError struct {
	Topic     string
	Partition int32
	Offset    int64
	// Part is what did not decode: "value", "key" or `header "name"`. Empty means the value.
	Part  string
	Codec string
	Err   error
}

const partValue = "value"

// Error names the record, the part and the codec. Of the payload it holds only what the codec quotes: encoding/json a character or a
// number.
func (e *DecodeError) Error() string { return fmt.Sprintf("%s: %v", e.what(), e.Err) }

func (e *DecodeError) what() string {
	return fmt.Sprintf("decode %s %s of %s/%d@%d", e.Codec, cmp.Or(e.Part, partValue), e.Topic, e.Partition, e.Offset)
}

// Unwrap returns the codec's error.
func (e *DecodeError) Unwrap() error { return e.Err }
