package consumer

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/time/rate"
)

// Filter decides about a record before it is handed over for the first time: not again for its retries. It is asked by several goroutines.
type Filter interface {
	// Check decides. seen is when the route first asked about this record; it is now unless the record was held.
	Check(r *kgo.Record, seen, now time.Time) Decision
}

// KeyFunc returns what a record is ordered by on a route by key, nil for none.
type KeyFunc func(r *kgo.Record) []byte

// RecordKey is the key of the record.
func RecordKey(r *kgo.Record) []byte { return r.Key }

// FilterFunc makes a Filter of a function.
type FilterFunc func(r *kgo.Record, seen, now time.Time) Decision

// Check calls f.
func (f FilterFunc) Check(r *kgo.Record, seen, now time.Time) Decision { return f(r, seen, now) }

// Decision is what a filter says: [Pass], [Drop] or [HoldUntil].
type Decision struct {
	why   error
	until time.Time
}

// Pass lets the record on to the next filter, and at last to the handler.
func Pass() Decision { return Decision{} }

// Drop marks the record without having it handled, and tells why: it counts as skipped. Drop(nil) gives a reason that says just that.
func Drop(why error) Decision {
	if why == nil {
		why = errDropped
	}
	return Decision{why: why}
}

var errDropped = errors.New("dropped by a filter")

// HoldUntil asks again at that time. The record's partition waits, without a place among the handlers that run at once, and keeps what it
// has; it survives rebalances that keep the partition.
func HoldUntil(t time.Time) Decision { return Decision{until: t} }

// Dropped returns why the record is dropped, nil when it is not.
func (d Decision) Dropped() error { return d.why }

// Held returns until when the record is held, the zero time when it is not.
func (d Decision) Held() time.Time { return d.until }

// ErrExpired is why a record is skipped that is too old.
var ErrExpired = errors.New("expired")

// Delayed passes a record no earlier than d after its timestamp, and no later than d after it was seen: a timestamp in the future does not
// hold up its partition for longer.
func Delayed(d time.Duration) Filter { return delay(d) }

type delay time.Duration

func (d delay) Check(r *kgo.Record, seen, now time.Time) Decision {
	from := r.Timestamp
	if seen.Before(from) {
		from = seen
	}
	return due(from.Add(time.Duration(d)), now)
}

func (d delay) String() string { return time.Duration(d).String() + " late" }

func due(at, now time.Time) Decision {
	if at.After(now) {
		return HoldUntil(at)
	}
	return Pass()
}

// Expiring drops records that are older than d, by their timestamp, with ErrExpired.
func Expiring(d time.Duration) Filter { return expire(d) }

type expire time.Duration

func (d expire) Check(r *kgo.Record, _, now time.Time) Decision {
	if age := now.Sub(r.Timestamp); age > time.Duration(d) {
		return Drop(fmt.Errorf("%w: it is %s old", ErrExpired, age.Round(time.Millisecond)))
	}
	return Pass()
}

func (d expire) String() string { return "until " + time.Duration(d).String() + " old" }

// Throttled passes at most n records per duration, in bursts of up to n. n and per must be positive.
func Throttled(n int, per time.Duration) Filter {
	return &throttle{n: n, per: per, tokens: rate.NewLimiter(rate.Limit(float64(n)/per.Seconds()), n)}
}

type throttle struct {
	n      int
	per    time.Duration
	tokens *rate.Limiter
}

func (t *throttle) Check(_ *kgo.Record, _, now time.Time) Decision {
	if t.tokens.AllowN(now, 1) {
		return Pass()
	}
	missing := 1 - t.tokens.TokensAt(now)
	wait := time.Duration(missing * float64(t.per) / float64(t.n))
	return HoldUntil(now.Add(max(wait, time.Microsecond)))
}

func (t *throttle) String() string { return fmt.Sprintf("%d per %s", t.n, t.per) }
