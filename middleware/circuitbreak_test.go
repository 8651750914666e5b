package middleware_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sony/gobreaker/v2"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/middleware"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

var errDown = errors.New("database is down")

// opensAfter opens a breaker after n failures in a row.
func opensAfter(n uint32, hold time.Duration) gobreaker.Settings {
	return gobreaker.Settings{Name: "database", Timeout: hold, ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= n }}
}

var _ = Describe("CircuitBreak", func() {
	var (
		result  func(*consumer.Batch) error
		calls   int
		states  []string
		h       consumer.BatchHandler
		deliver func() error
	)
	build := func(s gobreaker.Settings) {
		calls, states = 0, nil
		s.OnStateChange = func(_ string, _, to gobreaker.State) { states = append(states, to.String()) }
		h = consumer.Chain(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
			calls++
			return result(b)
		}), middleware.CircuitBreak(s))
		deliver = func() error { return h.HandleBatch(context.Background(), batchOf("a", "b", "c")) }
	}
	fails := func(err error) func(*consumer.Batch) error { return func(*consumer.Batch) error { return err } }

	It("counts a batch once, opens, and postpones what comes", func() {
		result = fails(errDown)
		build(opensAfter(3, time.Hour))
		for range 2 {
			err := deliver()
			Expect(err).To(BeIdenticalTo(errDown), "as the handler returned it")
		}
		err := deliver()
		Expect(err).To(MatchError(errDown))
		Expect(consumer.VerdictOf(err).Kind).To(Equal(consumer.KindPostpone), "what opens it does not count")
		Expect(states).To(Equal([]string{"open"}))

		err = deliver()
		Expect(err).To(And(MatchError(gobreaker.ErrOpenState), MatchError("circuit breaker database: circuit breaker is open")))
		v := consumer.VerdictOf(err)
		Expect(v.Kind).To(Equal(consumer.KindPostpone))
		Expect(v.After).To(And(BeNumerically(">", 59*time.Minute), BeNumerically("<=", time.Hour+1)))
		Expect(calls).To(Equal(3))
	})

	It("does not count what is about the record, nor what was interrupted, nor what the settings leave out", func() {
		errOther := errors.New("other")
		s := opensAfter(1, time.Hour)
		s.IsExcluded = func(err error) bool { return errors.Is(err, errOther) }
		build(s)
		for _, err := range []error{
			consumer.Permanent(errDown), consumer.Skip(errDown), consumer.Postpone(1, errDown), errOther,
			consumer.Permanent(&consumer.DecodeError{Err: errDown}),
		} {
			result = fails(err)
			Expect(deliver()).To(BeIdenticalTo(err))
		}
		for _, cause := range []error{offsets.ErrRevoked, offsets.ErrStopping} {
			ctx, cancel := context.WithCancelCause(context.Background())
			cancel(cause)
			result = fails(context.Canceled)
			Expect(h.HandleBatch(ctx, batchOf("a"))).To(BeIdenticalTo(context.Canceled))
		}
		Expect(states).To(BeEmpty())

		result = fails(context.DeadlineExceeded)
		Expect(deliver()).To(MatchError(context.DeadlineExceeded))
		Expect(states).To(Equal([]string{"open"}))
	})

	It("counts a retry that the handler asks for, a position, and what the settings call a failure", func() {
		for _, err := range []error{consumer.RetryAfter(time.Second, errDown), consumer.FailedAt(batchOf("a").At(0), errDown)} {
			result = fails(err)
			build(opensAfter(1, time.Hour))
			got := deliver()
			Expect(consumer.VerdictOf(got).Kind).To(Equal(consumer.KindPostpone))
			Expect(consumer.VerdictOf(got).At).To(Equal(consumer.VerdictOf(err).At))
			Expect(states).To(Equal([]string{"open"}))
		}
		s := opensAfter(1, time.Hour)
		s.IsSuccessful = func(err error) bool { return errors.Is(err, errDown) }
		build(s)
		result = fails(errDown)
		Expect(deliver()).To(BeIdenticalTo(errDown))
		Expect(states).To(BeEmpty())
	})

	It("counts a panic and Goexit, and lets them pass", func() {
		build(opensAfter(2, time.Hour))
		result = func(*consumer.Batch) error { panic("boom") }
		Expect(func() { _ = deliver() }).To(PanicWith("boom"))
		result = func(*consumer.Batch) error { runtime.Goexit(); return nil }
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = deliver()
		}()
		Eventually(done).Should(BeClosed())
		Expect(states).To(Equal([]string{"open"}))
	})

	It("opens after more than five failures in a row when nothing is set", func() {
		result = fails(errDown)
		build(gobreaker.Settings{})
		for range 5 {
			Expect(consumer.VerdictOf(deliver()).Kind).To(Equal(consumer.KindRetry))
		}
		Expect(consumer.VerdictOf(deliver()).Kind).To(Equal(consumer.KindPostpone))
		v := consumer.VerdictOf(deliver())
		Expect(v.After).To(And(BeNumerically(">", 50*time.Second), BeNumerically("<=", middleware.DefaultCircuitTimeout+1)))
	})
})

// One breaker keeps the outage of what two routes share out of the dead letters of both, and closes by itself.
func TestCircuitBreakKeepsAnOutageOutOfTheDeadLetters(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]func(*router.Route){
		"each":         func(*router.Route) {},
		"with timeout": func(r *router.Route) { r.Timeout(time.Second) },
		"by key":       func(r *router.Route) { r.Concurrency(4, router.ByKey) },
		"batch":        func(*router.Route) {},
		"batch by key": func(r *router.Route) { r.Concurrency(4, router.ByKey) },
		"retry later":  func(r *router.Route) { r.OnFailure(router.RetryLater(10*time.Minute), router.DeadLetter("dlq")) },
		"at the first": func(r *router.Route) { r.OnFailure(router.DeadLetter("dlq")) },
		"at the first, by key": func(r *router.Route) {
			r.Concurrency(4, router.ByKey).OnFailure(router.DeadLetter("dlq"))
		},
		"batch at the first":         func(r *router.Route) { r.OnFailure(router.DeadLetter("dlq")) },
		"batch at the first, by key": func(r *router.Route) { r.Concurrency(4, router.ByKey).OnFailure(router.DeadLetter("dlq")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			var down atomic.Bool
			var calls, other atomic.Int64
			var states []string // written while the breaker is locked; read when all is settled
			k := testkit.New(t, func(r *router.Router) {
				atTheFirst := strings.Contains(name, "at the first")
				s := opensAfter(3, time.Minute)
				if atTheFirst {
					s = opensAfter(1, time.Minute)
				}
				s.OnStateChange = func(_ string, _, to gobreaker.State) { states = append(states, to.String()) }
				r.Use(middleware.CircuitBreak(s))
				h := consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
					calls.Add(1)
					if m.Topic == "b" {
						other.Add(1)
					}
					switch {
					case string(m.Value) == "bad":
						return consumer.Permanent(errors.New("bad record"))
					case down.Load():
						return errDown
					}
					return nil
				})
				batches := consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error { return h(ctx, b.First()) })
				r.Group("g", func(g *router.Group) {
					for _, topic := range []string{"a", "b"} {
						route := g.Topic(topic)
						if strings.HasPrefix(name, "batch") {
							route.Batch(batches, 10, 0)
						} else {
							route.Each(h)
						}
						more(route)
						if name != "retry later" && !atTheFirst {
							route.OnFailure(router.Retry(3, time.Second), router.DeadLetter("dlq"))
						}
					}
				})
			})
			for range 10 { // bad records do not open it
				testkit.Check(t, k.Deliver("a", testkit.Text("bad").Key("b")), testkit.HaveDeadLettered("dlq"))
			}
			testkit.Check(t, k.Deliver("a", testkit.Text("x")), testkit.HaveHandled(1))

			down.Store(true)
			ms := make([]*testkit.Message, 20)
			for i := range ms {
				ms[i] = testkit.Text("x").Key(strconv.Itoa(i))
			}
			ds := k.DeliverAll("a", ms...)
			k.Advance(30 * time.Second)
			g.Expect(states[0]).To(Equal("open"))
			ds = append(ds, k.DeliverAll("b", ms...)...)
			g.Expect(other.Load()).To(BeZero(), "it is the other route's failure, and held")

			before := calls.Load()
			k.Advance(time.Hour)
			g.Expect(calls.Load()-before).To(BeNumerically("~", 60, 2), "one record a minute probes")
			down.Store(false)
			k.Settle()
			g.Expect(states[len(states)-1]).To(Equal("closed"))
			for _, d := range ds {
				for d.Forwarded() != nil {
					g.Expect(name).To(Equal("retry later"), "%s", d)
					d = d.Forwarded()
				}
				testkit.Check(t, d, testkit.HaveHandled(1), testkit.HaveCommitted())
			}
			for _, e := range testkit.Events[callbacks.Retried](k) {
				g.Expect(e.Attempt).To(BeNumerically("<=", 3), "postponed: not counted")
			}
			for _, e := range testkit.Events[callbacks.DeadLettered](k) {
				g.Expect(e.Err).To(MatchError("bad record"))
			}
		})
	}
}

// A probe that a rebalance cuts off gives its turn to another.
func TestCircuitBreakProbeThatIsCutOffCountsNeitherWay(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	down, stuck := true, false
	k := testkit.New(t, func(r *router.Router) {
		r.Use(middleware.CircuitBreak(opensAfter(1, time.Minute)))
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Each(consumer.HandlerFunc(func(ctx context.Context, _ *consumer.Message) error {
				switch {
				case stuck:
					<-ctx.Done()
					return ctx.Err()
				case down:
					return errDown
				}
				return nil
			})).OnFailure(router.DeadLetter("dlq"))
		})
	})
	d := k.Deliver("a", testkit.Text("x"))
	testkit.Check(t, d, testkit.HaveHandled(0))
	down, stuck = false, true
	k.Advance(time.Minute + time.Second) // it probes, and does not return
	k.Revoke("a")
	k.Advance(time.Minute) // beyond the drain
	stuck = false
	k.Assign("a")
	k.Advance(2 * time.Second)
	testkit.Check(t, d, testkit.HaveHandled(1))
	g.Expect(d.DeadLettered()).To(BeEmpty())
}

func TestPostponedAtMostOnceIsHandled(t *testing.T) {
	t.Parallel()
	calls := 0
	k := testkit.New(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
				calls++
				if calls < 4 {
					return consumer.Postpone(time.Minute, errDown)
				}
				return nil
			})).AtMostOnce().OnFailure(router.Skip)
		})
	})
	d := k.Deliver("a", testkit.Text("x"))
	k.Advance(3 * time.Minute)
	testkit.Check(t, d, testkit.HaveHandled(1))
	NewWithT(t).Expect(testkit.Events[callbacks.Skipped](k)).To(BeEmpty())
	for _, e := range testkit.Events[callbacks.Retried](k) {
		NewWithT(t).Expect(e.Attempt).To(Equal(1))
	}
}
