package router_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/router"
)

type writer struct {
	consumer.HandlerFunc

	outputs []consumer.Output
}

func (w writer) Outputs() []consumer.Output { return w.outputs }

type someStore struct{ offsets.Store }

// above is the line before its caller's.
func above() string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", file, line-1)
}

var _ = Describe("A mistake in a drawing", func() {
	// Each is drawn alone, so that nothing else is reported with it.
	DescribeTable("says what is wrong and what to do", func(draw func(g *router.Group), want string) {
		table, err := router.Draw(func(r *router.Router) { r.Group("g", draw) })
		Expect(table).To(BeNil())
		Expect(problems(err)).To(HaveExactElements(MatchRegexp(`^group "g"(, (topic|pattern) "[^"]*")?: ` + want + `$`)))
		var mistake *router.Error
		Expect(errors.As(err, &mistake)).To(BeTrue())
		Expect(filepath.Base(mistake.File)).To(Equal("draw_test.go"), "where it was drawn, not where it was found")
		Expect(err.Error()).To(HavePrefix(fmt.Sprintf("%s:%d: %s: ", mistake.File, mistake.Line, mistake.Place)))
	},
		Entry("no mode", func(g *router.Group) { g.Topic("a") }, "route has no consuming mode: add Each, Batch or EachPartition"),
		Entry("two modes", func(g *router.Group) { g.Topic("a").Each(one).EachPartition(maker) },
			`EachPartition after Each at \S+draw_test\.go:\d+: a route has one consuming mode`),
		Entry("nil handler", func(g *router.Group) { g.Topic("a").Each(nil) }, `Each\(nil\): pass a consumer\.Handler, such as consumer\.JSON\(fn\)`),
		Entry("nil batch handler", func(g *router.Group) { g.Topic("a").Batch(nil, 1, 0) },
			`Batch\(nil\): pass a consumer\.BatchHandler, such as consumer\.JSONBatch\(fn\)`),
		Entry("nil factory", func(g *router.Group) { g.Topic("a").EachPartition(nil) },
			`EachPartition\(nil\): pass a function that makes a handler for a partition`),
		Entry("batch size", func(g *router.Group) { g.Topic("a").Batch(many, 0, 0) }, "Batch size 0: want at least 1"),
		Entry("batch wait", func(g *router.Group) { g.Topic("a").Batch(many, 1, -1) }, "Batch wait -1ns: want 0 or more"),
		Entry("topic twice", func(g *router.Group) { g.Topic("a").Each(one); g.Topic("a").Each(one) },
			`topic is drawn twice in the group, first at \S+draw_test\.go:\d+: a record has one handler per group; use another group id to consume it twice`),
		Entry("batch of many from polls of one", func(g *router.Group) { g.BatchFetching(false); g.Topic("a").Batch(many, 2, 0) },
			`Batch of 2 in a group with BatchFetching\(false\) at \S+draw_test\.go:\d+: a poll returns one record; remove BatchFetching\(false\) or use Each`),
		Entry("max poll records", func(g *router.Group) { g.MaxPollRecords(-1); g.Topic("a").Each(one) }, `MaxPollRecords\(-1\): want at least 1`),
		Entry("empty pattern", func(g *router.Group) { g.Pattern("").Each(one) }, "pattern is empty: write a regular expression such as .*"),
		Entry("bad pattern", func(g *router.Group) { g.Pattern("a(").Each(one) }, "pattern is not a regular expression: .*"),
		Entry("pattern twice", func(g *router.Group) { g.Pattern("a.*").Each(one); g.Pattern("a.*").Each(one) },
			`pattern is drawn twice in the group, first at \S+draw_test\.go:\d+: a record has one handler per group; .*`),
		Entry("pattern without a mode", func(g *router.Group) { g.Pattern("a.*") }, "route has no consuming mode: .*"),
		Entry("no topics", func(*router.Group) {}, `group has no topics: draw at least one with g\.Topic\(name\)`),
		Entry("no function", nil, `drawing function is nil: draw topics with func\(g \*router\.Group\) \{ g\.Topic\(\.\.\.\) \}`),
		Entry("no steps", func(g *router.Group) { g.Topic("a").Each(one).OnFailure() },
			`OnFailure\(\) has no steps: leave it out to retry for ever, or name an end such as router\.Skip`),
		Entry("nil step", func(g *router.Group) { g.Topic("a").Each(one).OnFailure(nil, router.Skip) }, "OnFailure has a nil step"),
		Entry("failure twice", func(g *router.Group) { g.Topic("a").Each(one).OnFailure(router.Skip).OnFailure(router.Skip) },
			`OnFailure is drawn twice, first at \S+draw_test\.go:\d+: write the steps in one`),
		Entry("retry without end", func(g *router.Group) { g.Topic("a").Each(one).OnFailure(router.Retry(2, time.Second)) },
			`OnFailure: Retry\(2\) has no end: add router\.DeadLetter\(topic\), router\.Block, router\.Skip or router\.Stop`),
		Entry("later without end", func(g *router.Group) { g.Topic("a").Each(one).OnFailure(router.RetryLater(time.Second)) },
			`OnFailure: RetryLater has no end: add router\.DeadLetter\(topic\), router\.Block, router\.Skip or router\.Stop`),
		Entry("later without delays", func(g *router.Group) { g.Topic("a").Each(one).OnFailure(router.RetryLater(), router.Skip) },
			`OnFailure: RetryLater\(\) has no delays: name some, such as RetryLater\(10\*time\.Second, time\.Minute\)`),
		Entry("later by a fraction", func(g *router.Group) {
			g.Topic("a").Each(one).OnFailure(router.RetryLater(time.Microsecond), router.Skip)
		}, `OnFailure: RetryLater\(1µs\): want whole milliseconds, 1ms or more`),
		Entry("a delay twice", func(g *router.Group) {
			g.Topic("a").Each(one).OnFailure(router.RetryLater(time.Second, time.Second), router.Skip)
		}, `OnFailure: RetryLater\(1s\) twice: each delay has a topic of its own`),
		Entry("later twice", func(g *router.Group) {
			g.Topic("a").Each(one).OnFailure(router.RetryLater(time.Second), router.RetryLater(time.Minute), router.Skip)
		}, "OnFailure: RetryLater twice: write all delays in one"),
		Entry("retry after later", func(g *router.Group) {
			g.Topic("a").Each(one).OnFailure(router.RetryLater(time.Second), router.Retry(1, time.Second), router.Skip)
		}, "OnFailure: Retry after RetryLater: put it first, the record leaves its partition with RetryLater"),
		Entry("later after the end", func(g *router.Group) {
			g.Topic("a").Each(one).OnFailure(router.Skip, router.RetryLater(time.Second))
		}, "OnFailure: RetryLater after skip never happens: put it before"),
		Entry("later with a pattern", func(g *router.Group) {
			g.Pattern("a.*").Each(one).OnFailure(router.RetryLater(time.Second), router.Skip)
		}, "RetryLater with Pattern: its retry topics cannot be named before its topics are; draw the topics by name, or retry in place"),
		Entry("a retry topic that is drawn", func(g *router.Group) {
			g.Topic("a").Each(one).OnFailure(router.RetryLater(time.Second), router.Skip)
			g.Topic("a.g.retry.1s").Each(one)
		}, `this is the retry topic of "a", which the group consumes by itself: remove the route`),
		Entry("dead letter topic", func(g *router.Group) { g.Topic("a").Each(one).OnFailure(router.DeadLetter("a b")) },
			`OnFailure: DeadLetter: topic name "a b" contains ' ': .*`),
		Entry("dead letters to their source", func(g *router.Group) { g.Topic("a").Each(one).OnFailure(router.DeadLetter("a")) },
			"DeadLetter goes round: a -> a: a record that fails for ever would never come to rest; name another topic"),
		Entry("when of nothing", func(g *router.Group) {
			g.Topic("a").Each(one).OnFailure(router.When(router.ErrorIs(nil), router.Skip), router.Skip)
		}, `OnFailure: When without errors to match: use router\.ErrorIs\(err\), ErrorAs\[T\]\(\) or ErrorWhere\(name, fn\)`),
		Entry("when too late", func(g *router.Group) {
			g.Topic("a").Each(one).OnFailure(router.Skip, router.When(router.ErrorAs[*consumer.DecodeError](), router.Skip))
		}, `OnFailure: When\(\*consumer\.DecodeError\) after the steps for all others: put it first`),
		Entry("when without steps", func(g *router.Group) {
			g.Topic("a").Each(one).OnFailure(router.When(router.ErrorIs(io.EOF)), router.Skip)
		}, `OnFailure: When\("EOF"\): it has no steps: name an end such as router\.Skip`),
		Entry("when without end", func(g *router.Group) {
			g.Topic("a").Each(one).OnFailure(router.When(router.ErrorIs(io.EOF), router.Retry(1, time.Second)), router.Skip)
		}, `OnFailure: When\("EOF"\): Retry\(1\) has no end: .*`),
		Entry("when within when", func(g *router.Group) {
			g.Topic("a").Each(one).OnFailure(router.When(router.ErrorIs(io.EOF), router.When(router.ErrorIs(io.EOF), router.Skip)), router.Skip)
		}, `OnFailure: When\("EOF"\): a When within a When: write them one after the other`),
		Entry("breaker ratio", func(g *router.Group) { g.Topic("a").Each(one).Break(router.Breaker{Ratio: 2}) },
			`Break: Ratio 2: want more than 0 and up to 1`),
		Entry("breaker times", func(g *router.Group) { g.Topic("a").Each(one).Break(router.Breaker{Hold: -1}) },
			`Break: Window 0s and Hold -1ns: want positive durations`),
		Entry("breaker of at most once", func(g *router.Group) { g.Topic("a").Each(one).AtMostOnce().Break(router.Breaker{}) },
			"AtMostOnce with Break: a record that fails has no other attempt"),
		Entry("nil filter", func(g *router.Group) { g.Topic("a").Each(one).Filter(nil) }, `Filter\(nil\): leave it out`),
		Entry("no delay", func(g *router.Group) { g.Topic("a").Each(one).Delay(0) },
			`Delay\(0s\): want a positive duration; leave it out for none`),
		Entry("no age", func(g *router.Group) { g.Topic("a").Each(one).Expire(-1) },
			`Expire\(-1ns\): want a positive duration; leave it out to keep records for ever`),
		Entry("no throttle", func(g *router.Group) { g.Topic("a").Each(one).Throttle(0, time.Second) },
			`Throttle\(0, 1s\): want at least 1 record in a positive duration, such as Throttle\(100, time\.Second\)`),
		Entry("nil store", func(g *router.Group) { g.Topic("a").Each(one).ExternalOffsets(nil) },
			`ExternalOffsets\(nil\): pass an offsets\.Store, such as sqlstore\.New returns`),
		Entry("two stores", func(g *router.Group) {
			g.Topic("a").Each(one).ExternalOffsets(someStore{}).ExternalOffsets(someStore{})
		},
			`ExternalOffsets is drawn twice, first at \S+draw_test\.go:\d+: a partition has its offset in one place`),
		Entry("store after marks", func(g *router.Group) { g.Topic("a").Each(one).ManualOffsets().ExternalOffsets(someStore{}) },
			`ExternalOffsets with offsets manual: the store moves the offset with what the handler writes, and nobody else; .*`),
		Entry("store after at most once", func(g *router.Group) { g.Topic("a").Each(one).AtMostOnce().ExternalOffsets(someStore{}) },
			`ExternalOffsets with offsets at most once: .*`),
		Entry("marks after store", func(g *router.Group) { g.Topic("a").Each(one).ExternalOffsets(someStore{}).ManualOffsets() },
			`ManualOffsets after ExternalOffsets: .*`),
		Entry("at most once after store", func(g *router.Group) {
			g.Topic("a").Each(one).ExternalOffsets(someStore{}).OnFailure(router.Skip).AtMostOnce()
		}, `AtMostOnce after ExternalOffsets: .*`),
		Entry("store by key", func(g *router.Group) {
			g.Topic("a").Each(one).ExternalOffsets(someStore{}).Concurrency(8, router.ByKey)
		},
			`ExternalOffsets with Concurrency by key: the store keeps one offset for a partition, which cannot say what is done above it; .*`),
		Entry("store with outputs", func(g *router.Group) {
			g.Topic("a").Each(writer{one, []consumer.Output{{Topic: "b"}}}).ExternalOffsets(someStore{})
		}, `ExternalOffsets with outputs: they are in Kafka and cannot be committed with the store's unit of work; .*`),
		Entry("filters before at most once", func(g *router.Group) { g.Topic("a").Each(one).Delay(time.Second).AtMostOnce() },
			"AtMostOnce with filters: a record is committed before its turn, and would be lost while it is held"),
		Entry("dead letters of at most once", func(g *router.Group) {
			g.Topic("a").Each(one).AtMostOnce().OnFailure(router.DeadLetter("b"))
		}, "AtMostOnce with dead letter b: a record has one attempt, and is committed before it; .*"),
		Entry("retry twice", func(g *router.Group) {
			g.Topic("a").Each(one).OnFailure(router.Retry(2, time.Second), router.Retry(2, time.Second), router.Skip)
		}, `OnFailure: Retry twice: write one Retry\(n, backoff\)`),
		Entry("retry last", func(g *router.Group) { g.Topic("a").Each(one).OnFailure(router.Stop, router.Retry(2, time.Second)) },
			"OnFailure: Retry after stop never happens: put it first"),
		Entry("no retries", func(g *router.Group) { g.Topic("a").Each(one).OnFailure(router.Retry(0, time.Second), router.Skip) },
			`OnFailure: Retry\(0\): want at least 1 retry; to go on at once write the end alone, OnFailure\(router\.Skip\)`),
		Entry("no back-off", func(g *router.Group) { g.Topic("a").Each(one).OnFailure(router.Retry(1, 0), router.Skip) },
			`OnFailure: Retry\(1, 0s\): want a positive back-off, such as 100\*time\.Millisecond`),
		Entry("back-off above its bound", func(g *router.Group) { g.Topic("a").Each(one).OnFailure(router.Retry(1, time.Minute), router.Skip) },
			`OnFailure: Retry\(1, 1m0s\): MaxBackoff\(30s\) is below the back-off: add router\.MaxBackoff\(1m0s\) or more`),
		Entry("two ends", func(g *router.Group) { g.Topic("a").Each(one).OnFailure(router.Skip, router.Block) },
			"OnFailure: block after skip never happens: a route has one end"),
		Entry("no such end", func(g *router.Group) { g.Topic("a").Each(one).OnFailure(router.End(9)) },
			`OnFailure: End\(9\) is none of Block, Skip and Stop`),
		Entry("limit", func(g *router.Group) { g.Topic("a").Each(one).Concurrency(0, router.ByPartition) },
			`Concurrency\(0\): want at least 1; leave it out for one per assigned partition`),
		Entry("no key", func(g *router.Group) { g.Topic("a").Each(one).Concurrency(1, router.ByKeyOf(nil)) },
			`Concurrency: ByKeyOf\(nil\): pass a function that returns the key of a record, or use router\.ByKey`),
		Entry("state side by side", func(g *router.Group) { g.Topic("a").EachPartition(maker).Concurrency(8, router.Unordered) },
			"Concurrency unordered with EachPartition: its handlers are called one record at a time; draw Each"),
		Entry("exactly once by key", func(g *router.Group) {
			g.ExactlyOnce()
			g.Topic("a").Each(one).Concurrency(8, router.ByKey)
		}, `Concurrency by key in a group with ExactlyOnce at \S+draw_test\.go:\d+: a transaction commits one offset for a partition, `+
			`and outputs in its order; draw it by partition`),
		Entry("exactly once and marks by hand", func(g *router.Group) {
			g.Topic("a").Each(one).ManualOffsets()
			g.ExactlyOnce()
		}, `ManualOffsets in a group with ExactlyOnce at \S+: the offset goes with the outputs; remove ManualOffsets`),
		Entry("exactly once and at most once", func(g *router.Group) {
			g.ExactlyOnce()
			g.Topic("a").Each(one).AtMostOnce()
		}, `AtMostOnce in a group with ExactlyOnce at \S+: the offset goes with the outputs; remove AtMostOnce`),
		Entry("exactly once and a store", func(g *router.Group) {
			g.ExactlyOnce()
			g.Topic("a").Each(one).ExternalOffsets(someStore{})
		}, `ExternalOffsets in a group with ExactlyOnce at \S+: an offset is in Kafka's transaction or in the store's, not in both; .*`),
		Entry("exactly once with records used again", func(g *router.Group) {
			g.ExactlyOnce()
			g.Topic("a").Each(one).ReuseRecords()
		}, `ReuseRecords in a group with ExactlyOnce at \S+: outputs wait for their transaction, and may be made `+
			`of the record's bytes; remove ReuseRecords`),
		Entry("exactly once with outputs that leave at once", func(g *router.Group) {
			g.ExactlyOnce()
			g.Topic("a").Each(writer{outputs: []consumer.Output{{Topic: "out", Sync: true}}})
		}, `Sync output out in a group with ExactlyOnce at \S+: nothing leaves before its handler has succeeded; declare it Required or Optional`),
		Entry("at most once side by side", func(g *router.Group) { g.Topic("a").Each(one).AtMostOnce().Concurrency(8, router.ByKey) },
			"Concurrency by key with AtMostOnce: what is committed before it is handed over has to be in order"),
		Entry("polls of one side by side", func(g *router.Group) {
			g.BatchFetching(false)
			g.Topic("a").Each(one).Concurrency(8, router.ByKey)
		}, `Concurrency by key in a group with BatchFetching\(false\) at \S+draw_test\.go:\d+: a poll returns one record; `+
			`remove BatchFetching\(false\)`),
		Entry("timeout", func(g *router.Group) { g.Topic("a").Each(one).Timeout(0) }, `Timeout\(0s\): want a positive duration; leave it out for none`),
		Entry("start", func(g *router.Group) { g.Topic("a").Each(one).StartAt(router.Since(time.Time{})) },
			`StartAt\(Since\(zero time\)\): use router\.Earliest`),
		Entry("topic name", func(g *router.Group) { g.Topic("a b").Each(one) },
			`topic name "a b" contains ' ': Kafka allows letters, digits, '\.', '_' and '-'`),
		Entry("long topic name", func(g *router.Group) { g.Topic(strings.Repeat("x", 250)).Each(one) },
			"topic name has 250 characters, Kafka allows 249"),
		Entry("output name", func(g *router.Group) { g.Topic("a").Each(writer{one, []consumer.Output{{Topic: ".."}}}) },
			`output: topic name "\.\." is not allowed by Kafka`),
		Entry("output twice", func(g *router.Group) {
			g.Topic("a").Each(writer{one, []consumer.Output{{Topic: "o"}, {Topic: "o", Sync: true}}})
		},
			`output "o" is declared twice: declare it once`),
		Entry("nil middleware of a group", func(g *router.Group) { g.Use(nil); g.Topic("a").Each(one) }, "Use: middleware 1 is nil: leave it out"),
		Entry("nil middleware of a route", func(g *router.Group) { g.Topic("a").Each(one).Use(through, nil) }, "Use: middleware 2 is nil: leave it out"),
	)

	It("is told with the line of the call that made it", func() {
		var want []string
		_, err := router.Draw(inGroup(func(g *router.Group) {
			g.Topic("a").Each(nil)
			want = append(want, above())
			g.Topic("b").Timeout(-1).Each(one)
			want = append(want, above())
			g.Topic("c").OnFailure().Each(one)
			want = append(want, above())
			g.Use(nil)
			want = append(want, above())
		}))
		lines := strings.Split(err.Error(), "\n")
		Expect(lines).To(HaveLen(len(want)))
		for i, line := range lines {
			Expect(line).To(HavePrefix(want[i] + ": "))
		}
	})

	It("is a way round through the dead letters of others", func() {
		_, err := router.Draw(func(r *router.Router) {
			r.Group("g", func(g *router.Group) { g.Topic("a").Each(one).OnFailure(router.DeadLetter("b")) })
			r.Group("h", func(g *router.Group) {
				g.Topic("b").Each(one).OnFailure(router.When(router.ErrorIs(io.EOF), router.DeadLetter("a")))
			})
		})
		Expect(problems(err)).To(ConsistOf(
			`group "g", topic "a": DeadLetter goes round: a -> b -> a: a record that fails for ever would never come to rest; name another topic`,
			`group "h", topic "b": DeadLetter goes round: b -> a -> b: a record that fails for ever would never come to rest; name another topic`))
	})

	It("of a drawer has no group", func() {
		_, err := router.Draw(nil, func(r *router.Router) { r.Use(nil); r.Group("g", func(g *router.Group) { g.Topic("a").Each(one) }) })
		Expect(problems(err)).To(Equal([]string{"Draw: drawer 1 is nil: return a router.Drawer", "Router: Use: middleware 1 is nil: leave it out"}))
		Expect(err.Error()).To(HavePrefix("Draw: drawer 1"))
	})

	It("shows only when all is drawn", func() {
		_, err := router.Draw(
			inGroup(func(g *router.Group) { g.BatchFetching(true); g.MaxPollRecords(5); g.Topic("a").Batch(many, 2, 0) }),
			inGroup(func(g *router.Group) { g.BatchFetching(false); g.MaxPollRecords(6); g.Topic("a").Each(one) }),
		)
		Expect(problems(err)).To(ConsistOf(
			MatchRegexp(`^group "g": BatchFetching is drawn differently at \S+draw_test\.go:\d+: a group fetches one way$`),
			MatchRegexp(`^group "g": MaxPollRecords is drawn differently at \S+draw_test\.go:\d+: a group fetches one way$`),
			ContainSubstring(`topic "a": topic is drawn twice`),
			ContainSubstring("Batch of 2 in a group with BatchFetching(false)"),
		))
	})
})

var through consumer.Middleware = func(next consumer.BatchHandler) consumer.BatchHandler { return next }

var _ = Describe("A group drawn in several drawers", func() {
	It("has the routes of all in order, and how it fetches from whichever says so", func() {
		table, err := router.Draw(
			inGroup(func(g *router.Group) { g.Topic("a").Each(one) }),
			func(r *router.Router) {
				r.Group("other", func(g *router.Group) { g.Topic("a").Batch(many, 2, 0) })
				r.Group("g", func(g *router.Group) { g.Topic("b").Each(one); g.MaxPollRecords(7) })
			},
			inGroup(func(g *router.Group) { g.BatchFetching(false); g.MaxPollRecords(7) }), // no topics of its own
		)
		Expect(err).NotTo(HaveOccurred())
		groups := table.Groups()
		Expect(groups).To(HaveLen(2))
		Expect(groups[0].ID).To(Equal("g"))
		Expect(groups[0].BatchFetching).To(BeFalse())
		Expect(groups[0].MaxPollRecords).To(Equal(7))
		Expect(groups[0].Routes).To(HaveLen(2))
		Expect(groups[0].Routes[1].Topic).To(Equal("b"))
		Expect(groups[1].BatchFetching).To(BeTrue())
		Expect(table.Topics()).To(Equal([]string{"a", "b"}))
	})

	It("wraps with what was used before a route was drawn, of its own drawer only", func() {
		count := func(t *router.Table) (n []int) {
			for _, r := range t.Groups()[0].Routes {
				n = append(n, len(r.Middleware))
			}
			return n
		}
		table, err := router.Draw(
			func(r *router.Router) {
				r.Use(through)
				r.Group("g", func(g *router.Group) { g.Topic("a").Each(one); g.Use(through); g.Topic("b").Each(one) })
				r.Use(through)
				r.Group("g", func(g *router.Group) { g.Topic("c").Each(one) })
			},
			inGroup(func(g *router.Group) { g.Topic("d").Each(one) }),
		)
		Expect(err).NotTo(HaveOccurred())
		Expect(count(table)).To(Equal([]int{1, 2, 2, 0}))
	})
})

var _ = Describe("A table", func() {
	draw := func() *router.Table {
		GinkgoHelper()
		table, err := router.Draw(inGroup(func(g *router.Group) {
			g.Topic("a").Each(writer{one, []consumer.Output{{Topic: "o", Required: true}, {Topic: "p", Sync: true}}}).Use(through).
				OnFailure(router.Retry(3, time.Second), router.Stop).Timeout(2*time.Second).Concurrency(4, router.ByPartition).
				ManualOffsets().StartAt(router.Since(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
		}))
		Expect(err).NotTo(HaveOccurred())
		return table
	}

	It("is not changed by what is done to its groups", func() {
		table := draw()
		before := table.String()
		groups := table.Groups()
		route := &groups[0].Routes[0]
		route.Topic, route.Outputs[0].Topic, route.Middleware[0] = "x", "x", nil
		groups[0].ID = "x"
		Expect(table.String()).To(Equal(before))
		Expect(table.Groups()[0].Routes[0].Middleware[0]).NotTo(BeNil())
	})

	It("is not changed by a drawing that goes on", func() {
		var kept *router.Group
		var route *router.Route
		table, err := router.Draw(inGroup(func(g *router.Group) { kept, route = g, g.Topic("a").Each(one) }))
		Expect(err).NotTo(HaveOccurred())
		kept.Topic("b").Each(one)
		route.ManualOffsets().Use(through)
		Expect(table.Topics()).To(Equal([]string{"a"}))
		Expect(table.Groups()[0].Routes[0].Offsets).To(Equal(offsets.Automatic))
		Expect(table.Groups()[0].Routes[0].Middleware).To(BeEmpty())
	})

	It("knows the details of a route", func() {
		r := draw().Groups()[0].Routes[0]
		Expect(r.Mode).To(Equal(router.ModeEach))
		Expect(r.Failure.Retries).To(Equal(3))
		Expect(r.Failure.Backoff).To(Equal(time.Second))
		Expect(r.Failure.MaxBackoff).To(Equal(router.DefaultMaxBackoff))
		Expect(r.Failure.End).To(Equal(router.Stop))
		Expect(r.Offsets).To(Equal(offsets.Manual))
		Expect(r.Concurrency).To(Equal(4))
		Expect(r.Timeout).To(Equal(2 * time.Second))
		Expect(r.Writes()).To(Equal("o (required), p (sync)"))
		Expect(r.Start.IsLatest()).To(BeFalse())
	})

	It("is JSON without handlers", func() {
		table := draw()
		r := table.Groups()[0].Routes[0]
		data, err := json.Marshal(table)
		Expect(err).NotTo(HaveOccurred())
		Expect(data).To(MatchJSON(fmt.Sprintf(`{"groups": [{"id": "g", "batch_fetching": true, "routes": [{
			"group": "g", "topic": "a", "consumes": "each", "offsets": "manual", "at_once": "at most 4",
			"on_failure": "retry 3 from 1s, then stop (timeout 2s)", "starts": "2026-01-02T03:04:05Z",
			"outputs": [{"topic": "o", "required": true, "sync": false}, {"topic": "p", "required": false, "sync": true}],
			"drawn_at": "%s:%d"}]}],
			"flow": [{"kind": "consumes", "group": "g", "from": "a"},
				{"kind": "output", "group": "g", "from": "a", "to": "o", "required": true},
				{"kind": "output", "group": "g", "from": "a", "to": "p", "sync": true},
				{"kind": "stop", "group": "g", "from": "a"}]}`, r.File, r.Line)))
	})
})

var _ = Describe("Names", func() {
	DescribeTable("that people read", func(v fmt.Stringer, want string) { Expect(v.String()).To(Equal(want)) },
		Entry(nil, router.Block, "block"), Entry(nil, router.Skip, "skip"), Entry(nil, router.Stop, "stop"), Entry(nil, router.End(9), "unknown"),
		Entry(nil, router.ModeEach, "Each"), Entry(nil, router.ModeBatch, "Batch"), Entry(nil, router.ModeEachPartition, "EachPartition"),
		Entry(nil, router.Mode(0), "none"),
		Entry(nil, router.Start{}, "earliest"), Entry(nil, router.Latest, "latest"),
		Entry(nil, router.Failure{End: router.Skip}, "skip"), Entry(nil, router.Failure{}, "retry for ever"),
		Entry(nil, router.Failure{Retries: 2, Backoff: time.Second}, "retry 2 from 1s, then block"),
	)

	It("the longest pause can be set", func() {
		table, err := router.Draw(inGroup(func(g *router.Group) {
			g.Topic("a").Each(one).OnFailure(router.Retry(1, time.Minute, router.MaxBackoff(time.Hour)), router.Block)
		}))
		Expect(err).NotTo(HaveOccurred())
		Expect(table.Groups()[0].Routes[0].Failure.MaxBackoff).To(Equal(time.Hour))
	})
})

var _ = Describe("A pattern", func() {
	It("matches whole names, and no internal topics", func() {
		table, err := router.Draw(func(r *router.Router) {
			r.Group("g", func(g *router.Group) {
				g.Pattern(`orders\..*|.*offsets`).Each(one)
				g.Topic("orders.created").Each(one)
			})
		})
		Expect(err).NotTo(HaveOccurred())
		route := table.Groups()[0].Routes[0]
		Expect(route.Matches("orders.eu")).To(BeTrue())
		Expect(route.Matches("old.orders.eu")).To(BeFalse())
		Expect(route.Matches("ordersXeu")).To(BeFalse())
		Expect(route.Matches("__consumer_offsets")).To(BeFalse())
		Expect(table.Topics()).To(Equal([]string{"orders.created"}))
		Expect(table.String()).To(ContainSubstring(`/orders\..*|.*offsets/`))
		data, err := json.Marshal(table)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).To(ContainSubstring(`"pattern":"orders\\..*|.*offsets"`))
	})
})

var _ = Describe("A declared topic", func() {
	It("is part of the table", func() {
		table, err := router.Draw(func(r *router.Router) {
			r.Declare("a", router.Partitions(6), router.Replication(3), router.TopicConfig("retention.ms", "1000"))
			r.Declare("b")
			r.Group("g", func(g *router.Group) { g.Topic("a").Each(one) })
		})
		Expect(err).NotTo(HaveOccurred())
		declared := table.Declared()
		Expect(declared[0].Name).To(Equal("a"))
		Expect(declared[0].Config).To(HaveKeyWithValue("retention.ms", "1000"))
		Expect(table.String()).To(ContainSubstring("DECLARED  PARTITIONS  REPLICATION  CONFIG\na         6           3            retention.ms=1000\n" +
			"b         default"))
		data, err := json.Marshal(table)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).To(ContainSubstring(`{"topic":"a","partitions":6,"replication":3,"config":{"retention.ms":"1000"}`))
	})

	It("is declared right, and once", func() {
		_, err := router.Draw(func(r *router.Router) {
			r.Declare("a b", router.Partitions(-1), router.Replication(-1))
			r.Declare("c")
			r.Declare("c")
			r.Group("g", func(g *router.Group) { g.Topic("c").Each(one) })
		})
		Expect(problems(err)).To(HaveExactElements(
			ContainSubstring(`declared topic "a b": topic name "a b" contains ' '`), ContainSubstring("Partitions(-1)"),
			ContainSubstring("Replication(-1)"), MatchRegexp(`declared topic "c": topic is declared twice, first at \S+draw_test\.go:\d+`),
		))
	})
})
