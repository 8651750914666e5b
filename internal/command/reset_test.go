package command_test

import (
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/router"
)

// store is one that nobody asks.
type store struct{ offsets.Store }

var _ = Describe("reset", func() {
	site := func(ctx context.Context) (*cluster, consoleLine) {
		c := newCluster(map[string]int32{"orders.created": 2, "orders.created.pricing.retry.10s": 2, "orders.priced": 1})
		for i := range 10 {
			c.write(ctx, &kgo.Record{Topic: "orders.created", Timestamp: time.Date(2026, 11, 21, i, 0, 0, 0, time.UTC)})
		}
		c.commit(ctx, "pricing", "orders.created", 0, 7)
		c.commit(ctx, "pricing", "orders.created.pricing.retry.10s", 0, 0)
		return c, c.console()
	}
	committed := func(ctx context.Context, c *cluster, partition int32) string {
		GinkgoHelper()
		o, err := c.admin.FetchOffsets(ctx, "pricing")
		Expect(err).NotTo(HaveOccurred())
		at, ok := o.Lookup("orders.created", partition)
		if !ok {
			return "-"
		}
		return strconv.FormatInt(at.At, 10)
	}
	nothing := consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return nil })
	routes := func(drawers ...router.Drawer) *router.Table {
		GinkgoHelper()
		table, err := router.Draw(drawers...)
		Expect(err).NotTo(HaveOccurred())
		return table
	}

	It("shows its plan, asks, and does it", func(ctx SpecContext) {
		c, l := site(ctx)
		plan := `TOPIC           PARTITION  COMMITTED  NEW  EFFECT
orders.created  0          7          4    3 again
orders.created  1          -          0    first commit; there is no 4

2 partitions: 3 offsets again, 0 skipped
`
		args := []string{"reset", "pricing", "--topic", "orders.created", "--to", "4"}
		Expect(l.run(append(args, "--dry-run")...)).To(Equal(answered{stdout: plan}))
		nobody := l.run(args...)
		Expect(nobody.code).To(Equal(1))
		Expect(nobody.stderr).To(ContainSubstring("--yes"))
		l.asks, l.in = true, "n\n"
		Expect(l.run(args...)).To(Equal(answered{
			code: 1, stdout: plan + "Reset group pricing? [y/N] ", stderr: "error: not confirmed, nothing was changed\n",
		}))
		Expect(committed(ctx, c, 0)).To(Equal("7"))
		l.in = "y\n"
		Expect(l.good(args...)).To(Equal(plan + "Reset group pricing? [y/N] reset 2 partitions of group pricing\n"))
		Expect(committed(ctx, c, 0)).To(Equal("4"))
		Expect(committed(ctx, c, 1)).To(Equal("0"))
		Expect(l.good("reset", "pricing", "--by", "-1", "--topic", "orders.created", "--partition", "0", "--yes")).To(HaveSuffix("reset 1 partition of group pricing\n"))
		Expect(committed(ctx, c, 0)).To(Equal("3"))
	}, NodeTimeout(patience))

	It("prints for programs, and asks beside it", func(ctx SpecContext) {
		_, l := site(ctx)
		l.asks, l.in = true, "y\n"
		a := l.run("reset", "pricing", "--to", "2026-11-21T08:30:00Z", "--topic", "orders.created", "--partition", "0", "-o", "json")
		Expect(a.code).To(BeZero())
		Expect(a.stderr).To(Equal("1 partition: 0 offsets again, 2 skipped\nReset group pricing? [y/N] "))
		var moves []map[string]any
		Expect(json.Unmarshal([]byte(a.stdout), &moves)).To(Succeed())
		Expect(moves).To(Equal([]map[string]any{{
			"group": "pricing", "topic": "orders.created", "partition": 0.0, "committed": 7.0, "new": 9.0, "start": 0.0, "end": 10.0, "ahead": false,
			"result": "done",
		}}))
		Expect(l.good("reset", "pricing", "--to", "latest", "--dry-run", "-o", "yaml")).To(ContainSubstring("result: planned\n"))
	}, NodeTimeout(patience))

	It("knows without a program what is committed, and with one what its routes consume", func(ctx SpecContext) {
		_, l := site(ctx)
		Expect(l.good("reset", "pricing", "--to", "earliest", "--dry-run")).To(Equal(`TOPIC                             PARTITION  COMMITTED  NEW  EFFECT
orders.created                    0          7          0    7 again
orders.created                    1          -          0    first commit
orders.created.pricing.retry.10s  0          0          0    as it is
orders.created.pricing.retry.10s  1          -          0    first commit

4 partitions: 7 offsets again, 0 skipped
`))
		l.routes = routes(func(r *router.Router) {
			r.Group("pricing", func(g *router.Group) {
				g.Topic("orders.created").Each(nothing).OnFailure(router.RetryLater(10*time.Second), router.Block)
				g.Pattern("orders\\.p.*").Each(nothing)
			})
			r.Group("new", func(g *router.Group) { g.Topic("orders.priced").Each(nothing) })
		})
		Expect(l.good("reset", "pricing", "--to", "earliest", "--dry-run")).To(Equal(`TOPIC           PARTITION  COMMITTED  NEW  EFFECT
orders.created  0          7          0    7 again
orders.created  1          -          0    first commit

2 partitions: 7 offsets again, 0 skipped
retry topics are left as they are: orders.created.pricing.retry.10s (--topic names one)
`))
		Expect(l.good("reset", "new", "--to", "latest", "--yes")).To(HaveSuffix("reset 1 partition of group new\n"), "a group that was never there")
		Expect(l.run("reset", "pricng", "--to", "latest").stderr).To(ContainSubstring("did you mean pricing?"))
	}, NodeTimeout(patience))

	It("leaves offsets in a store alone", func(ctx SpecContext) {
		_, l := site(ctx)
		l.routes = routes(func(r *router.Router) {
			r.Group("pricing", func(g *router.Group) {
				g.Topic("orders.created").Each(nothing).ExternalOffsets(store{})
				g.Topic("orders.priced").Each(nothing)
			})
		})
		Expect(l.run("reset", "pricing", "--to", "latest").stderr).To(ContainSubstring("ExternalOffsets"))
		Expect(l.good("reset", "pricing", "--to", "latest", "--topic", "orders.priced", "--dry-run")).To(ContainSubstring("orders.priced"))
	}, NodeTimeout(patience))

	DescribeTable("refuses what it does not know", func(ctx SpecContext, problem string, args ...string) {
		_, l := site(ctx)
		a := l.run(append([]string{"reset"}, args...)...)
		Expect(a.code).To(Equal(1))
		Expect(a.stderr).To(MatchRegexp("^error: " + regexp.QuoteMeta(problem)))
	},
		Entry(nil, "accepts 1 arg(s), received 0: see karafgo reset --help", "--to", "latest"),
		Entry(nil, "say where to begin: --to earliest, latest, an offset, a time or 2h; or --by -100", "pricing"),
		Entry(nil, "--to and --by are both given", "pricing", "--to", "latest", "--by", "3"),
		Entry(nil, "--to soon: want earliest, latest, an offset, a time (2026-11-21, 2026-11-21T06:00:00Z), or 2h", "pricing", "--to", "soon"),
		Entry(nil, "--partition -1: want 0 or more", "pricing", "--to", "latest", "--partition", "-1"),
		Entry(nil, `topic "orders.creatd": the topic does not exist: did you mean orders.created?`, "pricing", "--to", "latest", "--topic", "orders.creatd"),
		Entry(nil, `topic "orders.created" has no partition 2: it has 0 to 1`, "pricing", "--to", "latest", "--topic", "orders.created", "--partition", "2"),
		Entry(nil, "partitions of several topics are meant: name one of orders.created, orders.created.pricing.retry.10s with --topic",
			"pricing", "--to", "latest", "--partition", "1"),
		Entry(nil, `-o xml: want table, json or yaml`, "pricing", "--to", "latest", "-o", "xml"),
	)
})
