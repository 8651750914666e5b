package middleware

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
)

// DefaultCircuitTimeout is for how long a circuit breaker stays open whose settings name no Timeout.
const DefaultCircuitTimeout = time.Minute

// halfOpenPause is for how long, at most, a delivery is postponed while others probe: nobody knows how long that takes.
const halfOpenPause = time.Second

var (
	errAside  = errors.New("counts neither way")
	errPanics = errors.New("handler panicked or called runtime.Goexit")
)

// CircuitBreak keeps deliveries from handlers while what those need is down. One value is one breaker, for all routes that it is given to:
// it is for what several share, such as a database. What a single route needs is better watched by the route's own Break.
//
// While the breaker is open, deliveries are postponed ([consumer.Postpone]) until it is half-open, and handlers are not called. Partitions
// or keys wait as they do for a retry, without a place among the handlers that run at once. An attempt that fails and opens the breaker,
// or fails while it is open or half-open, is postponed with its error: it does not count. So an outage leads no record into a dead letter,
// but for those whose last attempts fail before the breaker opens, and a handler that panics, whose attempts always count.
//
// A call of a handler counts once, also with a batch, and as a failure if it returns an error or panics. What says nothing about the
// service counts neither way: verdicts Permanent, Skip and Postpone, payloads that do not decode, and handlers that were interrupted by a
// revoke or a stop. The settings' IsExcluded adds to that. A call that does not return while the breaker is half-open keeps it so: give
// handlers a Timeout, which they heed.
//
// The settings are gobreaker's. Those that are zero have its defaults: it opens after more than 5 failures in a row, half-opens after a
// minute (Timeout), and closes when one call succeeded (MaxRequests); failures are forgotten only with a success, unless Interval says
// when. Set OnStateChange to see it open and close: it must be quick, and is called with the breaker's lock held.
//
//	database := middleware.CircuitBreak(gobreaker.Settings{
//		Name: "database", Timeout: 10 * time.Second,
//		OnStateChange: func(name string, from, to gobreaker.State) {
//			slog.Warn("circuit breaker", "name", name, "from", from.String(), "to", to.String())
//		},
//	})
func CircuitBreak(settings gobreaker.Settings) consumer.Middleware {
	c := newCircuit(settings)
	return func(next consumer.BatchHandler) consumer.BatchHandler {
		return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
			done, err := c.breaker.Allow()
			if err != nil {
				return consumer.Postpone(c.pause(), fmt.Errorf("%s: %w", c.name(), err))
			}
			returned := false
			defer func() {
				if !returned { // the engine says what becomes of a panic
					done(errPanics)
				}
			}()
			err = next.HandleBatch(ctx, b)
			returned = true
			if c.aside(ctx, err) {
				done(errAside)
				return err
			}
			done(err)
			if c.failed(err) && c.breaker.State() != gobreaker.StateClosed {
				return consumer.Postpone(c.pause(), err)
			}
			return err
		})
	}
}

type circuit struct {
	breaker  *gobreaker.TwoStepCircuitBreaker[struct{}]
	settings gobreaker.Settings        // as they were given
	until    atomic.Pointer[time.Time] // open: when it half-opens
}

func newCircuit(settings gobreaker.Settings) *circuit {
	if settings.Timeout <= 0 {
		settings.Timeout = DefaultCircuitTimeout
	}
	c := &circuit{settings: settings}
	settings.IsExcluded = func(err error) bool { return errors.Is(err, errAside) }
	settings.OnStateChange = func(name string, from, to gobreaker.State) {
		if to == gobreaker.StateOpen {
			until := time.Now().Add(settings.Timeout + 1) // it half-opens after that time, not at it
			c.until.Store(&until)
		}
		if c.settings.OnStateChange != nil {
			c.settings.OnStateChange(name, from, to)
		}
	}
	c.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](settings)
	return c
}

func (c *circuit) name() string {
	if c.settings.Name == "" {
		return "circuit breaker"
	}
	return "circuit breaker " + c.settings.Name
}

// pause is for how long a delivery is postponed.
func (c *circuit) pause() time.Duration {
	if until := c.until.Load(); until != nil {
		if left := time.Until(*until); left > 0 {
			return left
		}
	}
	return min(c.settings.Timeout, halfOpenPause)
}

// aside reports whether what a handler returned says nothing about the service.
func (c *circuit) aside(ctx context.Context, err error) bool {
	if err == nil {
		return false
	}
	switch consumer.VerdictOf(err).Kind {
	case consumer.KindPermanent, consumer.KindSkip, consumer.KindPostpone:
		return true
	case consumer.KindRetry, consumer.KindRetryAfter:
	}
	cause := context.Cause(ctx)
	return errors.Is(cause, offsets.ErrRevoked) || errors.Is(cause, offsets.ErrStopping) ||
		c.settings.IsExcluded != nil && c.settings.IsExcluded(err)
}

func (c *circuit) failed(err error) bool {
	if c.settings.IsSuccessful != nil {
		return !c.settings.IsSuccessful(err)
	}
	return err != nil
}
