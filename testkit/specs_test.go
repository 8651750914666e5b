package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

// failing is a testing.TB that keeps what it is told instead of failing.
type failing struct {
	testing.TB

	said []string
}

func (f *failing) Helper()           {}
func (f *failing) Error(args ...any) { f.said = append(f.said, fmt.Sprint(args...)) }

func (f *failing) Errorf(format string, args ...any) {
	f.said = append(f.said, fmt.Sprintf(format, args...))
}

func (f *failing) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	panic(f)
}

// fatal runs fn, which must call Fatalf, and returns what it said.
func fatal(fn func(f *failing)) (said string) {
	f := &failing{TB: GinkgoTB()}
	defer func() {
		if p := recover(); p != any(f) {
			Fail(fmt.Sprintf("not Fatalf but %v", p))
		}
		said = f.said[0]
	}()
	fn(f)
	return ""
}

var _ = Describe("New", func() {
	It("runs in a Ginkgo spec", func() {
		k := testkit.New(GinkgoTB(), (&pricer{busy: 3}).routes)
		one := k.Deliver("orders.created", tea("1"))
		k.Settle()
		Expect(one).To(And(testkit.HaveRetried(3), testkit.HaveHandled(1), testkit.HaveCommitted()))
		Expect(one).To(testkit.HaveResponded("orders.priced", ContainSubstring("640")))
	})

	It("delivers batches by size and by time", func() {
		var sizes []int
		k := testkit.New(GinkgoTB(), func(r *router.Router) {
			r.Group("g", func(g *router.Group) {
				g.Topic("a").Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
					sizes = append(sizes, b.Len())
					return nil
				}), 3, time.Second)
			})
		})
		k.DeliverAll("a", testkit.Text("1"), testkit.Text("2"), testkit.Text("3"), testkit.Text("4"))
		Expect(sizes).To(Equal([]int{3}))
		k.Advance(time.Second)
		Expect(sizes).To(Equal([]int{3, 1}))
	})

	It("feeds what is written to who consumes it", func() {
		var seen []string
		k := testkit.New(GinkgoTB(), func(r *router.Router) {
			(&pricer{}).routes(r)
			r.Group("mail", func(g *router.Group) {
				g.Topic("orders.priced").Each(consumer.Value(func(_ context.Context, p priced) error {
					seen = append(seen, p.ID)
					return nil
				}))
			})
		})
		k.Deliver("orders.created", tea("7"))
		Expect(seen).To(Equal([]string{"7"}))
	})

	It("tells the groups of one topic apart", func() {
		two := func(r *router.Router) {
			for _, id := range []string{"good", "bad"} {
				r.Group(id, func(g *router.Group) {
					g.Topic("a").Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
						if m.Assigned().Group() == "bad" {
							return errBusy
						}
						return nil
					}))
				})
			}
		}
		one := testkit.New(GinkgoTB(), two).Deliver("a", testkit.Text("x"))
		Expect(one.In("good")).To(testkit.HaveMarked())
		Expect(one.In("bad")).NotTo(testkit.HaveMarked())
		Expect(fatal(func(f *failing) { testkit.New(f, two).Deliver("a", testkit.Text("x")).Marked() })).
			To(Equal(`testkit: topic "a" is consumed by groups ["good" "bad"]: say which one, as in d.In("good")`))
	})

	It("refuses commits and outputs as told", func() {
		k := testkit.New(GinkgoTB(), (&pricer{}).routes)
		refused := errors.New("not enough replicas")
		k.FailOutputs("orders.priced", 1, refused)
		k.FailCommits("pricing", 1, refused)
		one := k.Deliver("orders.created", tea("1"))
		Expect(one).To(testkit.HaveFailed(refused))
		Expect(one).NotTo(testkit.HaveResponded(ordersPriced))
		k.Settle()
		Expect(one).To(And(testkit.HaveCommitted(), testkit.HaveResponded(ordersPriced, priced{"1", 640})))
		Expect(testkit.Events[callbacks.CommitFailed](k)).To(HaveLen(1))
	})

	It("stops the process where a route draws it", func() {
		k := testkit.New(GinkgoTB(), func(r *router.Router) {
			r.Group("g", func(g *router.Group) {
				g.Topic("a").Each(consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return errBusy })).OnFailure(router.Stop)
			})
		})
		one := k.Deliver("a", testkit.Text("x"))
		Expect(k.Err()).To(MatchError(errBusy))
		Expect(k.Stop()).To(Succeed())
		Expect(one).NotTo(testkit.HaveMarked())
	})

	It("finds topics that a pattern matches", func() {
		k := testkit.New(GinkgoTB(), func(r *router.Router) {
			r.Group("g", func(g *router.Group) {
				g.Pattern(`orders\..*`).Each(consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return nil }))
			})
		}, testkit.Partitions("orders.eu", 2))
		Expect(k.Deliver("orders.eu", testkit.Text("x").On(1))).To(testkit.HaveMarked())
		late := k.Deliver("orders.us", testkit.Text("x"))
		Expect(late).NotTo(testkit.HaveHandled(1))
		k.Advance(time.Minute)
		Expect(late).To(testkit.HaveHandled(1))
	})

	It("takes the configuration of a program", func() {
		cfg := framework.DefaultConfig()
		size := 2
		cfg.Topics = map[string]framework.TopicConfig{"a": {BatchSize: &size}}
		var sizes []int
		k := testkit.New(GinkgoTB(), func(r *router.Router) {
			r.Group("g", func(g *router.Group) {
				g.Topic("a").Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
					sizes = append(sizes, b.Len())
					return nil
				}), 100, 0)
			})
		}, testkit.Config(cfg))
		k.DeliverAll("a", testkit.Text("1"), testkit.Text("2"))
		Expect(sizes).To(Equal([]int{2}))
	})

	It("says what is wrong with a test", func() {
		Expect(fatal(func(f *failing) { testkit.New(f, func(*router.Router) {}) })).To(ContainSubstring("no routes are drawn"))
		Expect(fatal(func(f *failing) { testkit.New(f, (&pricer{}).routes).Deliver("b", tea("1")) })).
			To(Equal(`testkit: no route consumes topic "b": the routes consume ["orders.created"]`))
		Expect(fatal(func(f *failing) { testkit.New(f, (&pricer{}).routes).Deliver("orders.created", tea("1").On(3)) })).
			To(ContainSubstring(`add the option testkit.Partitions("orders.created", 4)`))
		Expect(fatal(func(f *failing) { testkit.New(f, (&pricer{}).routes).Revoke("orders.created", 1) })).
			To(ContainSubstring("has no partition 1: it has 1"))
	})
})

var _ = Describe("A matcher", func() {
	It("explains with the record's story", func() {
		k := testkit.New(GinkgoTB(), (&pricer{busy: 1}).routes)
		one := k.Deliver("orders.created", tea("1"))
		k.Settle()
		f := &failing{}
		testkit.Check(f, one, testkit.HaveHandled(1), testkit.HaveResponded(ordersPriced, priced{"1", 1}))
		Expect(f.said).To(Equal([]string{`expected the record to write to topic "orders.priced" the values {"id":"1","cents":1}, ` +
			`but this is what happened:
orders.created/0@0 (key "1") in group pricing:
  +0s attempt 1 failed: price service is busy
  +0s waits 100ms for attempt 2
  +100ms handled
  wrote to orders.priced: key "1", value "{\"id\":\"1\",\"cents\":640}"
  is marked and committed
`}))
	})

	It("refuses what is not a delivery", func() {
		_, err := testkit.HaveMarked().Match("orders/0@0")
		Expect(err).To(MatchError("want what Deliver, DeliverAll or Produce returned, a *testkit.Delivery, got string"))
	})

	DescribeTable("compares values", func(want any, same bool) {
		k := testkit.New(GinkgoTB(), (&pricer{}).routes)
		ok, err := testkit.HaveResponded(ordersPriced, want).Match(k.Deliver("orders.created", tea("1")))
		Expect(err).NotTo(HaveOccurred())
		Expect(ok).To(Equal(same))
	},
		Entry("a struct", priced{"1", 640}, true),
		Entry("another struct", priced{"1", 641}, false),
		Entry("a map", map[string]any{"cents": 640, "id": "1"}, true),
		Entry("text", `{"id":"1","cents":640}`, true),
		Entry("other text", `{"cents":640,"id":"1"}`, false),
		Entry("bytes", []byte(`{"id":"1","cents":640}`), true),
		Entry("a matcher", ContainSubstring("640"), true),
		Entry("a tombstone", nil, false),
	)
})

var _ = Describe("A double", func() {
	It("stands behind a message of a responder", func() {
		d := testkit.NewDouble()
		h := responder.JSON((&pricer{}).price, ordersPriced.Required())
		Expect(h.Handle(context.Background(), d.Message("orders.created", 7, tea("1")))).To(Succeed())
		Expect(d.Outputs("orders.priced")).To(HaveLen(1))
		Expect(d.FailOutputs(errBusy)).NotTo(BeNil())
		Expect(h.Handle(context.Background(), d.Message("orders.created", 8, tea("1")))).To(MatchError(errBusy))
	})

	It("keeps marks", func(ctx SpecContext) {
		d := testkit.NewDouble().OnAttempt(3)
		b := d.Batch("a", testkit.Text("x"), testkit.Tombstone().Key("k").Header("h", "v").On(2))
		Expect(b.At(1).Tombstone()).To(BeTrue())
		Expect(b.At(1).Record.Partition).To(BeEquivalentTo(2))
		Expect(b.At(0).Attempt()).To(Equal(3))
		Expect(b.At(0).Mark()).To(Succeed())
		Expect(b.At(1).CommitThrough(ctx)).To(Succeed())
		Expect(d.Marks()).To(Equal([]testkit.Mark{{Offset: 0}, {Offset: 1, Through: true, Committed: true}}))
		d.FailMarks(offsets.ErrRevoked)
		Expect(b.At(0).MarkThrough()).To(MatchError(offsets.ErrRevoked))
	})
})

var _ = Describe("GoldenRoutes", func() {
	It("writes, compares and tells", func() {
		file := GinkgoT().TempDir() + "/testdata/routes.golden"
		missing := fatal(func(f *failing) { testkit.GoldenRoutes(f, file, (&pricer{}).routes) })
		Expect(missing).To(ContainSubstring("run the test with KARAFGO_UPDATE_GOLDEN=1 to write it"))
		GinkgoT().Setenv("KARAFGO_UPDATE_GOLDEN", "1")
		testkit.GoldenRoutes(GinkgoTB(), file, (&pricer{}).routes)
		GinkgoT().Setenv("KARAFGO_UPDATE_GOLDEN", "")
		testkit.GoldenRoutes(GinkgoTB(), file, (&pricer{}).routes)
		f := &failing{}
		testkit.GoldenRoutes(f, file, func(r *router.Router) {
			r.Group("other", func(g *router.Group) {
				g.Topic("a").Each(consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return nil }))
			})
		})
		Expect(f.said).To(HaveLen(1))
		Expect(f.said[0]).To(ContainSubstring("orders.created"))
	})
})
