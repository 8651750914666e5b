package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

// toldError is a kind of error.
type toldError struct{ what string }

func (e *toldError) Error() string { return e.what }

// moody fails records whose value names an error.
func moody(calls *[]string) consumer.Handler {
	var mu sync.Mutex // partitions are handled at the same time
	return consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		mu.Lock()
		*calls = append(*calls, fmt.Sprintf("%s@%d %s", m.Topic, m.Offset, m.Value))
		mu.Unlock()
		switch string(m.Value) {
		case "bad":
			return errBusy
		case "told":
			return fmt.Errorf("wrapped: %w", &toldError{"told"})
		case "permanent":
			return consumer.Permanent(errUnknownSKU)
		}
		return nil
	})
}

func headers(r *kgo.Record) map[string]string {
	all := map[string]string{}
	for _, h := range r.Headers {
		all[h.Key] += string(h.Value)
	}
	return all
}

func TestDeadLetterTakesARecordOutOfTheWay(t *testing.T) {
	g := NewWithT(t)
	var calls []string
	k := testkit.New(t, func(r *router.Router) {
		r.Group("pricing", func(g *router.Group) {
			g.Topic("orders").Each(moody(&calls)).OnFailure(router.Retry(2, 100*time.Millisecond), router.DeadLetter("orders.dlq"))
		})
	}, testkit.Partitions("orders", 3), testkit.Partitions("orders.dlq", 2))
	bad := k.Deliver("orders", testkit.Text("bad").Key("k").On(1).Header("trace", "t1").Header("karafgo-error", "of before"))
	high := k.Deliver("orders", testkit.Text("permanent").Key("k").On(2))
	good := k.Deliver("orders", testkit.Text("good").On(1))
	testkit.Check(t, bad, testkit.HaveRetried(1))
	g.Expect(bad.Marked()).To(BeFalse())
	k.Settle()
	testkit.Check(t, bad, testkit.HaveRetried(2), testkit.HaveDeadLettered("orders.dlq"), testkit.HaveMarked(), testkit.HaveFailed(errBusy))
	testkit.Check(t, high, testkit.HaveRetried(0), testkit.HaveDeadLettered("orders.dlq"))
	testkit.Check(t, good, testkit.HaveHandled(1), testkit.HaveMarked())
	g.Expect(good.DeadLettered()).To(BeEmpty())
	g.Expect(good.Forwarded()).To(BeNil())

	letter := bad.Forwarded()
	g.Expect(letter.Partition).To(BeEquivalentTo(1), "the same partition")
	g.Expect(high.Forwarded().Partition).To(BeNumerically("<", 2), "one that is there")
	g.Expect(letter.Key).To(BeEquivalentTo("k"))
	g.Expect(letter.Value).To(BeEquivalentTo("bad"))
	all := headers(letter.Record)
	g.Expect(all).To(HaveKeyWithValue("trace", "t1"))
	g.Expect(all).To(HaveKeyWithValue(consumer.HeaderSourceTopic, "orders"))
	g.Expect(all).To(HaveKeyWithValue(consumer.HeaderSourcePartition, "1"))
	g.Expect(all).To(HaveKeyWithValue(consumer.HeaderSourceOffset, "0"))
	g.Expect(all).To(HaveKeyWithValue(consumer.HeaderSourceGroup, "pricing"))
	g.Expect(all).To(HaveKeyWithValue(consumer.HeaderAttempts, "3"))
	g.Expect(all).To(HaveKeyWithValue(consumer.HeaderError, errBusy.Error()), "replaced, not appended")
	g.Expect(all).To(HaveKeyWithValue(consumer.HeaderErrorType, "*errors.errorString"))
	for _, name := range []string{consumer.HeaderSourceTimestamp, consumer.HeaderFailedAt} {
		_, err := time.Parse(time.RFC3339, all[name])
		g.Expect(err).NotTo(HaveOccurred(), name)
	}
	g.Expect(bad.String()).To(ContainSubstring("went to orders.dlq after 3 attempts"))
	g.Expect(k.Committed("pricing", "orders", 1)).To(BeEquivalentTo(2))
}

func TestDeadLettersBringThePartitionToRestWhileTheyCannotBeWritten(t *testing.T) {
	g := NewWithT(t)
	var calls []string
	k := testkit.New(t, func(r *router.Router) {
		r.Group("pricing", func(g *router.Group) {
			g.Topic("orders").Each(moody(&calls)).OnFailure(router.DeadLetter("orders.dlq"))
		})
	})
	k.FailOutputs("orders.dlq", 3, kerr.NotEnoughReplicas)
	bad := k.Deliver("orders", testkit.Text("bad"))
	after := k.Deliver("orders", testkit.Text("good"))
	g.Expect(bad.Marked()).To(BeFalse())
	g.Expect(after.Handled()).To(BeZero(), "what is behind it waits")
	g.Expect(k.Committed("pricing", "orders", 0)).To(BeNumerically("<=", 0))
	k.Advance(time.Minute)
	testkit.Check(t, bad, testkit.HaveDeadLettered("orders.dlq"), testkit.HaveMarked())
	testkit.Check(t, after, testkit.HaveHandled(1))
	g.Expect(testkit.Events[callbacks.ForwardFailed](k)).To(HaveLen(3))
	g.Expect(calls).To(HaveLen(2), "the handler is not called again for it")
}

func TestDeadLetterThatIsTooLargeIsTrimmed(t *testing.T) {
	g := NewWithT(t)
	long := errors.New(strings.Repeat("ü", 5000))
	k := testkit.New(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Each(consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return long })).
				OnFailure(router.DeadLetter("dlq"))
		})
	})
	at := func(refusals int) string {
		k.FailOutputs("dlq", refusals, kerr.MessageTooLarge)
		d := k.Deliver("a", testkit.Text("x"))
		return headers(d.Forwarded().Record)[consumer.HeaderError]
	}
	g.Expect(at(0)).To(Equal(strings.Repeat("ü", 500)))
	g.Expect(at(1)).To(Equal(strings.Repeat("ü", 50)))
	g.Expect(at(2)).To(BeEmpty())
	k.FailOutputs("dlq", 3, kerr.MessageTooLarge)
	d := k.Deliver("a", testkit.Text("x"))
	g.Expect(d.Marked()).To(BeFalse(), "never dropped silently")
	k.Settle()
	testkit.Check(t, d, testkit.HaveDeadLettered("dlq"))
}

func TestWhenChoosesByKindOfError(t *testing.T) {
	g := NewWithT(t)
	var calls []string
	k := testkit.New(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Each(moody(&calls)).OnFailure(
				router.When(router.ErrorAs[*toldError](), router.DeadLetter("told.dlq")),
				router.When(router.ErrorIs(errUnknownSKU), router.Skip),
				router.Retry(1, time.Second), router.DeadLetter("a.dlq"))
		})
	})
	told, permanent, bad := k.Deliver("a", testkit.Text("told")), k.Deliver("a", testkit.Text("permanent")), k.Deliver("a", testkit.Text("bad"))
	k.Settle()
	testkit.Check(t, told, testkit.HaveRetried(0), testkit.HaveDeadLettered("told.dlq"))
	g.Expect(headers(told.Forwarded().Record)).To(HaveKeyWithValue(consumer.HeaderErrorType, "*testkit_test.toldError"))
	testkit.Check(t, permanent, testkit.HaveSkipped())
	testkit.Check(t, bad, testkit.HaveRetried(1), testkit.HaveDeadLettered("a.dlq"))
}

func TestBatchNarrowsToWhatIsDeadLettered(t *testing.T) {
	g := NewWithT(t)
	var good []string
	k := testkit.New(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
				for _, m := range b.All() {
					if string(m.Value) == "bad" {
						return errBusy
					}
				}
				for _, m := range b.All() {
					good = append(good, string(m.Value))
				}
				return nil
			}), 10, time.Second).OnFailure(router.Retry(1, time.Second), router.DeadLetter("dlq"))
		})
	})
	ds := k.DeliverAll("a", testkit.Text("1"), testkit.Text("bad"), testkit.Text("2"), testkit.Text("bad"), testkit.Text("3"))
	k.Settle()
	g.Expect(good).To(Equal([]string{"1", "2", "3"}))
	for i, d := range ds {
		if i%2 == 1 {
			testkit.Check(t, d, testkit.HaveDeadLettered("dlq"))
		} else {
			testkit.Check(t, d, testkit.HaveHandled(1))
		}
	}
}

func TestRetryTopicsWaitAndLetTheOthersGo(t *testing.T) {
	g := NewWithT(t)
	var calls []string
	k := testkit.New(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Each(moody(&calls)).OnFailure(router.Retry(1, time.Second),
				router.RetryLater(10*time.Second, time.Minute), router.DeadLetter("dlq"))
		})
	}, testkit.Partitions("a", 2))
	started := k.Now()
	bad := k.Deliver("a", testkit.Text("bad").On(1))
	k.Advance(time.Second)
	testkit.Check(t, bad, testkit.HaveRetried(1), testkit.HaveRetriedLater(), testkit.HaveMarked())
	testkit.Check(t, k.Deliver("a", testkit.Text("good").On(1)), testkit.HaveHandled(1))
	first := bad.Forwarded()
	g.Expect(first.Topic).To(Equal("a.g.retry.10s"))
	g.Expect(first.Partition).To(BeEquivalentTo(1))
	k.Advance(10*time.Second - 2*time.Millisecond)
	g.Expect(first.Err()).NotTo(HaveOccurred(), "not early")
	k.Advance(2 * time.Millisecond)
	testkit.Check(t, first, testkit.HaveFailed(errBusy), testkit.HaveRetried(0), testkit.HaveRetriedLater(), testkit.HaveMarked())
	second := first.Forwarded()
	g.Expect(second.Topic).To(Equal("a.g.retry.1m"))
	k.Settle()
	testkit.Check(t, second, testkit.HaveDeadLettered("dlq"))
	g.Expect(k.Now().Sub(started)).To(BeNumerically(">=", 71*time.Second))
	all := headers(second.Forwarded().Record)
	g.Expect(all).To(HaveKeyWithValue(consumer.HeaderSourceTopic, "a"), "where it was first")
	g.Expect(all).To(HaveKeyWithValue(consumer.HeaderSourceOffset, "0"))
	g.Expect(all).To(HaveKeyWithValue(consumer.HeaderAttempts, "4"), "two in place, one in each retry topic")
	g.Expect(all).NotTo(HaveKey(consumer.HeaderRetryAt))
	g.Expect(calls).To(HaveLen(5))
}

func TestWaitsOfRetryTopicsSurviveARebalance(t *testing.T) {
	g := NewWithT(t)
	var calls []string
	k := testkit.New(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Each(moody(&calls)).OnFailure(router.RetryLater(time.Hour), router.Skip)
		})
	})
	bad := k.Deliver("a", testkit.Text("bad"))
	waiting := bad.Forwarded()
	k.Advance(30 * time.Minute)
	k.Revoke("a.g.retry.1h")
	k.Assign("a.g.retry.1h")
	k.Advance(29 * time.Minute)
	g.Expect(calls).To(HaveLen(1), "not early")
	k.Advance(2 * time.Minute)
	g.Expect(calls).To(HaveLen(2))
	testkit.Check(t, waiting, testkit.HaveSkipped())
}

func TestRecordWithoutAHeaderWaitsToo(t *testing.T) {
	g := NewWithT(t)
	var calls []string
	k := testkit.New(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Each(moody(&calls)).OnFailure(router.RetryLater(time.Hour), router.Skip)
		})
	})
	k.Deliver("a.g.retry.1h", testkit.Text("good").Header(consumer.HeaderRetryAt, "nonsense"))
	k.Deliver("a.g.retry.1h", testkit.Text("good").Header(consumer.HeaderRetryAt, "2222-01-01T00:00:00.000Z"))
	k.Advance(time.Hour - time.Second)
	g.Expect(calls).To(BeEmpty())
	k.Advance(time.Second)
	g.Expect(calls).To(HaveLen(1))
	k.Advance(time.Hour)
	g.Expect(calls).To(HaveLen(2), "no header holds a partition for longer than the topic's delay")
}

func TestFilters(t *testing.T) {
	draw := func(calls *[]string, more func(*router.Route)) router.Drawer {
		return func(r *router.Router) {
			r.Group("g", func(g *router.Group) { more(g.Topic("a").Each(moody(calls))) })
		}
	}
	t.Run("Delay", func(t *testing.T) {
		g := NewWithT(t)
		var calls []string
		k := testkit.New(t, draw(&calls, func(r *router.Route) { r.Delay(time.Minute) }))
		d := k.Deliver("a", testkit.Text("1"))
		k.Advance(59 * time.Second)
		g.Expect(d.Handled()).To(BeZero())
		k.Advance(time.Second)
		testkit.Check(t, d, testkit.HaveHandled(1), testkit.HaveMarked())
		k.Deliver("a", testkit.Text("2").At(k.Now().Add(time.Hour)))
		k.Settle()
		g.Expect(calls).To(HaveLen(2), "a timestamp in the future does not hold it for longer")
	})
	t.Run("Expire", func(t *testing.T) {
		var calls []string
		k := testkit.New(t, draw(&calls, func(r *router.Route) { r.Expire(time.Minute) }))
		old := k.Deliver("a", testkit.Text("1").At(k.Now().Add(-61*time.Second)))
		young := k.Deliver("a", testkit.Text("2").At(k.Now().Add(-59*time.Second)))
		testkit.Check(t, old, testkit.HaveSkipped(), testkit.HaveHandled(0), testkit.HaveFailed(consumer.ErrExpired))
		testkit.Check(t, young, testkit.HaveHandled(1))
		k.Settle()
		testkit.Check(t, young, testkit.HaveCommitted())
	})
	t.Run("Throttle", func(t *testing.T) {
		g := NewWithT(t)
		var calls []string
		k := testkit.New(t, draw(&calls, func(r *router.Route) { r.Throttle(10, time.Second) }), testkit.Partitions("a", 2))
		ms := make([]*testkit.Message, 30)
		for i := range ms {
			ms[i] = testkit.Text("x").On(int32(i % 2))
		}
		k.DeliverAll("a", ms...)
		g.Expect(calls).To(HaveLen(10), "a burst")
		k.Advance(time.Second)
		g.Expect(len(calls)).To(BeNumerically("~", 20, 1))
		k.Settle()
		g.Expect(calls).To(HaveLen(30))
	})
	t.Run("own, in a batch", func(t *testing.T) {
		g := NewWithT(t)
		var batches []string
		var until time.Time
		k := testkit.New(t, func(r *router.Router) {
			r.Group("g", func(g *router.Group) {
				g.Topic("a").Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
					var text []byte
					for _, m := range b.All() {
						text = append(text, m.Value...)
					}
					batches = append(batches, string(text))
					return nil
				}), 6, time.Second).Filter(consumer.FilterFunc(func(r *kgo.Record, seen, now time.Time) consumer.Decision {
					switch string(r.Value) {
					case "d":
						return consumer.Drop(nil)
					case "h":
						if until = seen.Add(time.Minute); now.Before(until) {
							return consumer.HoldUntil(until)
						}
					}
					return consumer.Pass()
				}))
			})
		})
		var ms []*testkit.Message
		for _, v := range []string{"d", "1", "d", "2", "h", "3"} {
			ms = append(ms, testkit.Text(v))
		}
		ds := k.DeliverAll("a", ms...)
		g.Expect(batches).To(Equal([]string{"12"}), "what is before it goes on")
		testkit.Check(t, ds[0], testkit.HaveSkipped())
		testkit.Check(t, ds[3], testkit.HaveMarked())
		g.Expect(ds[4].Marked()).To(BeFalse())
		k.Settle()
		g.Expect(batches).To(Equal([]string{"12", "h3"}))
		testkit.Check(t, ds[5], testkit.HaveCommitted())
	})
	t.Run("a partition that goes while it is held", func(t *testing.T) {
		g := NewWithT(t)
		var calls []string
		cfg := config.Default()
		k := testkit.New(t, draw(&calls, func(r *router.Route) { r.Delay(time.Hour) }), testkit.Config(cfg))
		k.Deliver("a", testkit.Text("1"))
		k.Advance(time.Minute)
		g.Expect(k.Stop()).To(Succeed())
		g.Expect(calls).To(BeEmpty())
		g.Expect(k.Committed("g", "a", 0)).To(BeNumerically("<=", 0))
	})
}
