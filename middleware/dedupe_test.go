package middleware_test

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/middleware"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

func key(m *consumer.Message) string { return string(m.Key) }

// brokenSeen is a database that is away.
type brokenSeen struct{}

func (brokenSeen) Once(context.Context, offsets.Partition, []string, func(context.Context, []bool) (int, error)) error {
	return errors.New("the database is away")
}

// What holds in memory and in a database is tested with package sqlstore's.
var _ = Describe("Dedupe", func() {
	var handled []string
	deduped := func(ids middleware.Seen) consumer.BatchHandler {
		return consumer.Chain(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
			for _, m := range b.All() {
				handled = append(handled, string(m.Key))
			}
			return nil
		}), middleware.Dedupe(ids, key))
	}
	BeforeEach(func() { handled = nil })

	It("forgets the oldest of a set", func(ctx SpecContext) {
		set := middleware.NewSet(2)
		for _, key := range []string{"a", "b", "c"} {
			Expect(deduped(set).HandleBatch(ctx, batchOf(key))).To(Succeed())
		}
		handled = nil
		Expect(deduped(set).HandleBatch(ctx, batchOf("c", "b", "a"))).To(Succeed())
		Expect(handled).To(Equal([]string{"a"}))
	})

	It("waits for an id that is being handled as long as its context lives", func(ctx SpecContext) {
		for _, ids := range []middleware.Seen{middleware.NewSet(10), middleware.NewLast()} {
			ended, end := context.WithCancelCause(ctx)
			end(offsets.ErrRevoked)
			outer := consumer.Chain(consumer.BatchHandlerFunc(func(context.Context, *consumer.Batch) error {
				Expect(deduped(ids).HandleBatch(ended, batchOf("1"))).To(MatchError(offsets.ErrRevoked))
				return nil
			}), middleware.Dedupe(ids, key))
			Expect(outer.HandleBatch(ctx, batchOf("1"))).To(Succeed())
		}
		Expect(handled).To(BeEmpty())
	})

	It("fails with what remembers", func(ctx SpecContext) {
		Expect(deduped(brokenSeen{}).HandleBatch(ctx, batchOf("a"))).To(MatchError("the database is away"))
		Expect(deduped(middleware.NewLast()).HandleBatch(ctx, batchOf("a"))).To(MatchError(ContainSubstring(`id "a" is no whole number`)))
		Expect(handled).To(BeEmpty())
	})

	It("asks for the id of a tombstone too", func(ctx SpecContext) {
		set, double := middleware.NewSet(10), testkit.NewDouble()
		for range 2 {
			Expect(deduped(set).HandleBatch(ctx, double.Batch("t", testkit.Tombstone().Key("gone")))).To(Succeed())
		}
		Expect(handled).To(Equal([]string{"gone"}))
	})
})

// drawn is a route with Dedupe.
func drawn(h consumer.Handler, ids middleware.Seen, change func(*router.Group, *router.Route)) router.Drawer {
	return func(r *router.Router) {
		r.Group("g", func(g *router.Group) { change(g, g.Topic("t").Each(h).Use(middleware.Dedupe(ids, key))) })
	}
}

var dedupeHandled = consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return nil })

// Where an id could be remembered of a record without effect, nothing is handled, and the reason is told.
func TestDedupeRefusesRoutesOnWhichItWouldLose(t *testing.T) {
	for name, c := range map[string]struct {
		ids    middleware.Seen
		change func(*router.Group, *router.Route)
		why    string
	}{
		"last, by key":       {middleware.NewLast(), func(_ *router.Group, r *router.Route) { r.Concurrency(4, router.ByKey) }, "side by side"},
		"last, unordered":    {middleware.NewLast(), func(_ *router.Group, r *router.Route) { r.Concurrency(4, router.Unordered) }, "side by side"},
		"exactly once":       {middleware.NewSet(9), func(g *router.Group, _ *router.Route) { g.ExactlyOnce() }, "ExactlyOnce"},
		"memory and a store": {middleware.NewSet(9), func(_ *router.Group, r *router.Route) { r.ExternalOffsets(testkit.NewStore()) }, "ExternalOffsets"},
		"last and a store":   {middleware.NewLast(), func(_ *router.Group, r *router.Route) { r.ExternalOffsets(testkit.NewStore()) }, "ExternalOffsets"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			k := testkit.New(t, drawn(dedupeHandled, c.ids, c.change))
			d := k.Deliver("t", testkit.Text("v").Key("1"))
			k.Advance(time.Second)
			testkit.Check(t, d, testkit.HaveHandled(0))
			failed := testkit.Events[callbacks.Failed](k)
			g.Expect(failed).NotTo(BeEmpty())
			g.Expect(failed[0].Err).To(MatchError(ContainSubstring(c.why)))
		})
	}
}

func TestDedupeOfASetWorksSideBySide(t *testing.T) {
	g := NewWithT(t)
	k := testkit.New(t, drawn(dedupeHandled, middleware.NewSet(9), func(_ *router.Group, r *router.Route) { r.Concurrency(4, router.ByKey) }))
	ds := k.DeliverAll("t", testkit.Text("v").Key("1"), testkit.Text("v").Key("1"), testkit.Text("v").Key("2"))
	k.Settle()
	for _, d := range ds {
		testkit.Check(t, d, testkit.HaveCommitted())
	}
	skipped := 0
	for _, e := range testkit.Events[callbacks.Handled](k) {
		skipped += e.Skipped
	}
	g.Expect(skipped).To(Equal(1))
}

// An output that is refused lets its record fail before its id is remembered: it is handled again, and not taken for a copy.
func TestDedupeRemembersNoRecordWhoseOutputWasRefused(t *testing.T) {
	g := NewWithT(t)
	out := responder.JSONTopic[string]("out")
	k := testkit.New(t, drawn(responder.JSON(func(_ context.Context, w *responder.Writer, m *consumer.Typed[string]) error {
		return out.Send(w, m.Key, m.Payload)
	}, out.Required()), middleware.NewSet(9), func(_ *router.Group, r *router.Route) {
		r.OnFailure(router.Retry(3, time.Second), router.DeadLetter("dlq"))
	}))
	k.FailOutputs("out", 1, kerr.InvalidRecord)
	ds := k.DeliverAll("t", testkit.JSON("a").Key("1"), testkit.JSON("b").Key("2"), testkit.JSON("a").Key("1"))
	k.Settle()
	g.Expect(ds[0].Outputs("out")).To(HaveLen(1))
	g.Expect(ds[1].Outputs("out")).To(HaveLen(1))
	g.Expect(ds[2].Outputs("out")).To(BeEmpty(), "a copy")
	testkit.Check(t, ds[0], testkit.HaveRetried(1), testkit.HaveCommitted())
}

// A record that waits in a retry topic has not been handled: its copy is, and it is then a copy itself.
func TestDedupeKnowsWhatCameBackFromARetryTopic(t *testing.T) {
	g := NewWithT(t)
	var handled []string
	down := true
	k := testkit.New(t, drawn(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if down {
			return errors.New("down")
		}
		handled = append(handled, m.Topic)
		return nil
	}), middleware.NewSet(9), func(_ *router.Group, r *router.Route) {
		r.OnFailure(router.RetryLater(time.Minute), router.DeadLetter("dlq"))
	}))
	k.Deliver("t", testkit.Text("v").Key("1"))
	k.Do(func() { down = false })
	k.Deliver("t", testkit.Text("v").Key("1"))
	k.Advance(2 * time.Minute)
	k.Settle()
	g.Expect(handled).To(Equal([]string{"t"}))
}
