package router_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

var (
	one   = consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return nil })
	many  = consumer.BatchHandlerFunc(func(context.Context, *consumer.Batch) error { return nil })
	out   = responder.JSONTopic[int]("out")
	maker = func(consumer.Partition) consumer.Handler { return one }
)

func inGroup(draw func(g *router.Group)) router.Drawer {
	return func(r *router.Router) { r.Group("g", draw) }
}

func problems(err error) []string {
	GinkgoHelper()
	var list []string
	joined, ok := err.(interface{ Unwrap() []error })
	Expect(ok).To(BeTrue(), "%v", err)
	for _, e := range joined.Unwrap() {
		var d *router.Error
		Expect(errors.As(e, &d)).To(BeTrue())
		list = append(list, d.Place+": "+d.Problem)
	}
	return list
}

var _ = Describe("Draw", func() {
	It("makes a table of what was drawn, in order", func() {
		table, err := router.Draw(
			inGroup(func(g *router.Group) {
				g.Topic("a").Each(responder.Map(out, func(_ context.Context, i int) (int, error) { return i, nil })).
					OnFailure(router.Retry(3, 100*time.Millisecond), router.Skip).Timeout(time.Second)
				g.Topic("b").Batch(many, 500, time.Second).StartAt(router.Latest)
			}),
			inGroup(func(g *router.Group) {
				g.Topic("c").EachPartition(maker).ManualOffsets().Concurrency(8, router.ByPartition)
			}),
		)
		Expect(err).NotTo(HaveOccurred())
		Expect(table.Topics()).To(Equal([]string{"a", "b", "c"}))
		Expect(table.Groups()).To(HaveLen(1), "groups of one id are merged")
		Expect(strings.TrimSpace(table.String())).To(Equal(strings.TrimSpace(`
GROUP  TOPIC  CONSUMES                     OFFSETS    AT ONCE          ON FAILURE                                  STARTS    WRITES
g      a      each                         automatic  1 per partition  retry 3 from 100ms, then skip (timeout 1s)  earliest  out (required)
g      b      batch of 500 or 1s           automatic  1 per partition  retry for ever                              latest    -
g      c      each, handler per partition  manual     at most 8        retry for ever                              earliest  -
`)), "got:\n%s", table)
		data, err := json.Marshal(table)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).To(And(ContainSubstring(`"outputs":[{"topic":"out","required":true,"sync":false}]`), ContainSubstring("router_test.go:")))
	})

	It("does not let go of its groups", func() {
		table, err := router.Draw(inGroup(func(g *router.Group) { g.Topic("a").Each(one) }))
		Expect(err).NotTo(HaveOccurred())
		table.Groups()[0].Routes[0].Topic = "changed"
		Expect(table.Topics()).To(Equal([]string{"a"}))
	})

	It("nests middleware by drawer, group and route", func() {
		var order []string
		mw := func(name string) consumer.Middleware {
			return func(next consumer.BatchHandler) consumer.BatchHandler {
				return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
					order = append(order, name)
					return next.HandleBatch(ctx, b)
				})
			}
		}
		table, err := router.Draw(
			func(r *router.Router) {
				r.Use(mw("drawer"))
				r.Group("g", func(g *router.Group) {
					g.Use(mw("group"))
					g.Topic("a").Use(mw("route 1"), mw("route 2")).Each(one)
				})
			},
			func(r *router.Router) { r.Group("h", func(g *router.Group) { g.Topic("a").Each(one) }) },
		)
		Expect(err).NotTo(HaveOccurred())
		groups := table.Groups()
		h := consumer.Chain(many, groups[0].Routes[0].Middleware...)
		Expect(h.HandleBatch(context.Background(), consumer.NewBatch(make([]consumer.Message, 1)))).To(Succeed())
		Expect(order).To(Equal([]string{"drawer", "group", "route 1", "route 2"}))
		Expect(groups[1].Routes[0].Middleware).To(BeEmpty(), "each drawer is its own scope")
	})

	It("reports every mistake at once, each with its place and remedy (F86)", func() {
		_, err := router.Draw(
			nil,
			inGroup(func(g *router.Group) {
				g.Topic("a")
				g.Topic("a").Each(one)
				g.Topic("bad topic").Each(one).Batch(many, 0, -1)
				g.Topic("b").Each(nil)
				g.Topic("c").Each(one).OnFailure()
				g.Topic("d").Each(one).OnFailure(router.Retry(0, time.Second), router.Skip, router.Stop)
				g.Topic("e").Each(one).OnFailure(router.Skip, router.Retry(1, time.Second))
				g.Topic("f").Each(one).Concurrency(0, router.ByPartition).Timeout(-1).StartAt(router.Since(time.Time{}))
				g.MaxPollRecords(0)
			}),
			func(r *router.Router) { r.Group("", func(*router.Group) {}) },
		)
		Expect(problems(err)).To(ConsistOf(
			ContainSubstring("drawer 1 is nil"),
			ContainSubstring(`"a": route has no consuming mode: add Each, Batch or EachPartition`),
			ContainSubstring(`"a": topic is drawn twice in the group, first at`),
			ContainSubstring(`contains ' ': Kafka allows`),
			ContainSubstring("Batch after Each at"),
			ContainSubstring("Batch size 0: want at least 1"),
			ContainSubstring("Batch wait -1ns: want 0 or more"),
			ContainSubstring("Each(nil): pass a consumer.Handler"),
			ContainSubstring("OnFailure() has no steps"),
			ContainSubstring("Retry(0): want at least 1 retry"),
			ContainSubstring("stop after skip never happens"),
			ContainSubstring("Retry after skip never happens: put it first"),
			ContainSubstring("Concurrency(0): want at least 1"),
			ContainSubstring("Timeout(-1ns): want a positive duration"),
			ContainSubstring("use router.Earliest"),
			ContainSubstring("MaxPollRecords(0): want at least 1"),
			ContainSubstring("group id is empty"),
			ContainSubstring("group has no topics"),
		))
		Expect(err.Error()).To(MatchRegexp(`router_test\.go:\d+: group "g", topic "a": `))
	})

	It("refuses an empty drawing", func() {
		_, err := router.Draw(func(*router.Router) {})
		Expect(err).To(MatchError(ContainSubstring("no routes are drawn")))
	})

	DescribeTable("topic names", func(name string, ok bool) {
		_, err := router.Draw(inGroup(func(g *router.Group) { g.Topic(name).Each(one) }))
		if ok {
			Expect(err).NotTo(HaveOccurred())
		} else {
			Expect(err).To(HaveOccurred())
		}
	},
		Entry("plain", "orders.created_v1-x", true), Entry("empty", "", false), Entry("dot", ".", false), Entry("dots", "..", false),
		Entry("slash", "a/b", false), Entry("longest", strings.Repeat("x", 249), true), Entry("too long", strings.Repeat("x", 250), false),
	)
})

// The legality matrix of the package comment, walked.
var _ = Describe("The legality matrix", func() {
	modes := map[string]func(*router.Route){
		"each":           func(r *router.Route) { r.Each(one) },
		"batch of 1":     func(r *router.Route) { r.Batch(many, 1, 0) },
		"batch of 2":     func(r *router.Route) { r.Batch(many, 2, 0) },
		"each partition": func(r *router.Route) { r.EachPartition(maker) },
		"respond": func(r *router.Route) {
			r.Each(responder.Map(out, func(_ context.Context, i int) (int, error) { return i, nil }))
		},
	}
	failures := map[string][]router.Step{
		"default": nil, "retry, skip": {router.Retry(1, time.Second), router.Skip}, "retry, block": {router.Retry(1, time.Second), router.Block},
		"retry, stop": {router.Retry(1, time.Second), router.Stop}, "retry alone": {router.Retry(1, time.Second)}, "skip": {router.Skip},
	}
	for mode, draw := range modes {
		for failure, steps := range failures {
			for _, limited := range []bool{false, true} {
				for _, marks := range []offsets.Mode{offsets.Automatic, offsets.Manual, offsets.AtMostOnce, offsets.External} {
					for _, fetching := range []bool{true, false} {
						once := mode != "respond" && (failure == "default" || failure == "skip")
						legal := failure != "retry alone" && (fetching || mode != "batch of 2") && (marks != offsets.AtMostOnce || once) &&
							(marks != offsets.External || mode != "respond")
						It(fmt.Sprintf("%s, %s, limited %t, %s, batch fetching %t: legal %t", mode, failure, limited, marks, fetching, legal), func() {
							table, err := router.Draw(inGroup(func(g *router.Group) {
								g.BatchFetching(fetching)
								r := g.Topic("a")
								draw(r)
								if steps != nil {
									r.OnFailure(steps...)
								}
								if limited {
									r.Concurrency(2, router.ByPartition)
								}
								if marks == offsets.Manual {
									r.ManualOffsets()
								}
								if marks == offsets.AtMostOnce {
									r.AtMostOnce()
								}
								if marks == offsets.External {
									r.ExternalOffsets(someStore{})
								}
							}))
							if !legal {
								Expect(err).To(HaveOccurred())
								return
							}
							Expect(err).NotTo(HaveOccurred())
							Expect(table.Groups()[0].Routes[0].Offsets).To(Equal(marks))
						})
					}
				}
			}
		}
	}
})

var _ = Describe("ReuseRecords", func() {
	one := consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return nil })

	It("is part of the table", func() {
		table, err := router.Draw(inGroup(func(g *router.Group) { g.Topic("a").Each(one).ReuseRecords() }))
		Expect(err).NotTo(HaveOccurred())
		Expect(table.Groups()[0].Routes[0].Reuse).To(BeTrue())
		Expect(table.String()).To(ContainSubstring("each, records reused"))
	})

	It("is refused where messages must stay valid", func() {
		_, err := router.Draw(inGroup(func(g *router.Group) { g.Topic("a").Each(one).ReuseRecords().ManualOffsets() }))
		Expect(err).To(MatchError(ContainSubstring("ReuseRecords with ManualOffsets: a message that is marked later must be valid until then")))
	})
})
