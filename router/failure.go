package router

import (
	"fmt"
	"strings"
	"time"
)

// Step is one step of OnFailure, read in order: [Retry], then an [End].
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
	// End is what happens then.
	End End

	ended, retried bool
}

// String returns "retry 3 from 100ms, then skip".
func (f Failure) String() string {
	if f.Retries == 0 && f.End == Block {
		return "retry for ever"
	}
	var b strings.Builder
	if f.Retries > 0 {
		fmt.Fprintf(&b, "retry %d from %s, then ", f.Retries, f.Backoff)
	}
	b.WriteString(f.End.String())
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
	if e > Stop {
		return fmt.Errorf("End(%d) is none of Block, Skip and Stop", e)
	}
	f.ended, f.End = true, e
	return nil
}

func defaultFailure() Failure {
	return Failure{Backoff: DefaultBackoff, MaxBackoff: DefaultMaxBackoff, End: Block}
}
