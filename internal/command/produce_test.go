package command_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
)

// file writes a file for a spec.
func file(text string) string {
	GinkgoHelper()
	name := filepath.Join(GinkgoT().TempDir(), "in.jsonl")
	Expect(os.WriteFile(name, []byte(text), 0o600)).To(Succeed())
	return name
}

// records reads n records of a topic, by partition and offset.
func (c *cluster) records(ctx context.Context, topic string, n int) (all []*kgo.Record) {
	GinkgoHelper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.ConsumeTopics(topic))
	Expect(err).NotTo(HaveOccurred())
	defer cl.Close()
	for len(all) < n && ctx.Err() == nil {
		all = append(all, cl.PollFetches(ctx).Records()...)
	}
	Expect(all).To(HaveLen(n))
	return all
}

func (c *cluster) end(ctx context.Context, topic string) (n int64) {
	GinkgoHelper()
	ends, err := c.admin.ListEndOffsets(ctx, topic)
	Expect(err).NotTo(HaveOccurred())
	for _, p := range ends[topic] {
		n += p.Offset
	}
	return n
}

var _ = Describe("produce", func() {
	It("writes one record, or its tombstone", func(ctx SpecContext) {
		c := newCluster(map[string]int32{"t": 3})
		l := c.console()
		Expect(l.good("produce", "t", `{"id":1}`, "--key", "k", "-H", "a=1", "-H", "a=x=y", "-H", "b=", "-p", "0")).To(Equal("wrote t/0@0\n"))
		Expect(l.good("produce", "t", "--null", "--key", "", "--partition", "2")).To(Equal("wrote t/2@0\n"))
		all := c.records(ctx, "t", 2)
		if all[0].Partition == 2 {
			all[0], all[1] = all[1], all[0]
		}
		Expect(all[0].Key).To(BeEquivalentTo("k"))
		Expect(all[0].Value).To(BeEquivalentTo(`{"id":1}`))
		Expect(all[0].Headers).To(Equal([]kgo.RecordHeader{
			{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("x=y")}, {Key: "b", Value: []byte{}},
		}))
		Expect(all[1].Key).To(And(BeEmpty(), Not(BeNil())))
		Expect(all[1].Value).To(BeNil())
		Expect(l.good("produce", "t", "", "-p", "1", "-o", "json")).To(MatchJSON(
			`{"topic":"t","records":1,"partitions":[{"partition":1,"records":1,"first_offset":0,"last_offset":0}]}`))
	}, NodeTimeout(patience))

	It("writes a file, standard input, or values line by line", func(ctx SpecContext) {
		c := newCluster(map[string]int32{"t": 2, "raw": 1})
		l := c.console()
		text := `{"key":"a","value":{"id":1},"headers":{"n":"1"},"timestamp":"2026-11-21T06:30:00Z","topic":"other","offset":7}

{"key":"b","partition":1,"value":"text"}
{"partition":1}
`
		Expect(l.good("produce", "t", "--file", file(text), "-H", "run=7")).To(MatchRegexp(`^wrote 3 records to t`))
		l.in = text
		Expect(l.good("produce", "t", "--partition", "0")).To(Equal("wrote 3 records to t: 3 to partition 0\n"))
		l.in = "one\r\n\n\x1btwo"
		Expect(l.good("produce", "raw", "--raw", "--key", "k")).To(Equal("wrote 3 records to raw: 3 to partition 0\n"))
		raw := c.records(ctx, "raw", 3)
		for i, want := range []string{"one\r", "", "\x1btwo"} {
			Expect(raw[i].Value).To(BeEquivalentTo(want))
			Expect(raw[i].Key).To(BeEquivalentTo("k"))
		}
		var first *kgo.Record
		for _, r := range c.records(ctx, "t", 6) {
			if string(r.Key) == "a" && len(r.Headers) == 2 {
				first = r
			}
		}
		Expect(first.Timestamp.UTC().Format("15:04:05")).To(Equal("06:30:00"))
		Expect(first.Headers[1]).To(Equal(kgo.RecordHeader{Key: "run", Value: []byte("7")}))
		Expect(l.good("produce", "t", "--file", file(""))).To(Equal("wrote 0 records to 0 partitions of t\n"))
	}, NodeTimeout(patience))

	It("tells every mistake of a file, and writes nothing of it", func(ctx SpecContext) {
		c := newCluster(map[string]int32{"t": 2})
		name := file(`{"value":1}` + "\n{\n" + `{"partition":2}` + "\n")
		a := c.console().run("produce", "t", "--file", name)
		Expect(a.code).To(Equal(1))
		Expect(a.stdout).To(BeEmpty())
		Expect(a.stderr).To(MatchRegexp("^error: " + regexp.QuoteMeta(name) + ":2: is no JSON: .*\n       " + regexp.QuoteMeta(name) +
			`:3: partition: 2: topic "t" has partitions 0 to 1; --partition -1 writes to that of the key` + "\n       nothing was written\n$"))
		Expect(c.end(ctx, "t")).To(BeZero())
		many := c.console().run("produce", "t", "--file", file(strings.Repeat("x\n", 50)))
		Expect(many.stderr).To(ContainSubstring("and 30 more\n"))
	}, NodeTimeout(patience))

	It("stops at the first mistake of standard input, and says what it wrote", func(ctx SpecContext) {
		c := newCluster(map[string]int32{"t": 1})
		l := c.console()
		l.in = "{\"value\":1}\n{\"value\":2}\nno\n{\"value\":3}\n"
		a := l.run("produce", "t")
		Expect(a.code).To(Equal(1))
		Expect(a.stdout).To(Equal("wrote 2 records to t: 2 to partition 0\n"))
		Expect(a.stderr).To(MatchRegexp("^error: standard input:3: is no JSON.*\n       2 records written; nothing was sent of what follows\n$"))
		Expect(c.end(ctx, "t")).To(BeEquivalentTo(2))
	}, NodeTimeout(patience))

	It("says which records were not written", func(ctx SpecContext) {
		c := newCluster(map[string]int32{"t": 1})
		l := c.console()
		l.in = "small\n" + strings.Repeat("x", 3<<20) + "\n"
		a := l.run("produce", "t", "--raw")
		Expect(a.code).To(Equal(1))
		Expect(a.stderr).To(MatchRegexp("^error: standard input:2: MESSAGE_TOO_LARGE.*\n       1 record written, 1 not; nothing was sent of what follows\n$"))
	}, NodeTimeout(patience))

	It("makes a topic only when it is told to, as the program declares it", func(ctx SpecContext) {
		c := newCluster(map[string]int32{"orders": 1})
		l := c.console()
		a := l.run("produce", "order", "x")
		Expect(a).To(Equal(answered{
			code: 1, stderr: "error: topic \"order\": the topic does not exist: did you mean orders? (--create makes it)\n",
		}))
		var err error
		l.routes, err = router.Draw(func(r *router.Router) {
			r.Declare("order", router.Partitions(4))
			r.Group("g", func(g *router.Group) {
				g.Topic("order").Each(consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return nil }))
			})
		})
		Expect(err).NotTo(HaveOccurred())
		bad := l.run("produce", "order", "--create", "--file", file("x"))
		Expect(bad.stderr).To(ContainSubstring("nothing was written"))
		topics, err := c.admin.ListTopics(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(topics.Names()).To(Equal([]string{"orders"}))
		Expect(l.good("produce", "order", "x", "--create")).To(HavePrefix("wrote order/"))
		Expect(l.run("produce", "order", "x", "-p", "4").stderr).To(Equal("error: --partition 4: topic \"order\" has partitions 0 to 3\n"))
	}, NodeTimeout(patience))

	DescribeTable("refuses what it does not know before it connects", func(problems []string, args ...string) {
		a := consoleLine{brokers: []string{"127.0.0.1:1"}}.run(append([]string{"produce"}, args...)...)
		Expect(a.code).To(Equal(1))
		Expect(a.stdout).To(BeEmpty())
		for _, problem := range problems {
			Expect(a.stderr).To(ContainSubstring(problem))
		}
	},
		Entry(nil, []string{"see karafgo produce --help"}),
		Entry(nil, []string{"--header x: want name=value", "--partition -2: want"}, "t", "v", "-H", "x", "-p", "-2"),
		Entry(nil, []string{"a value and --null"}, "t", "v", "--null"),
		Entry(nil, []string{"--file has the values", "--raw is about lines"}, "t", "v", "--file", "x", "--raw"),
		Entry(nil, []string{"--key is for one record"}, "t", "--key", "k"),
		Entry(nil, []string{"--file: open not-there: no such file"}, "t", "--file", "not-there"),
		Entry(nil, []string{"is a folder"}, "t", "--file", "."),
	)

	It("tells who types what is read", func(ctx SpecContext) {
		l := newCluster(map[string]int32{"t": 1}).console()
		l.asks, l.in = true, `{"value":1}`+"\n"
		Expect(l.run("produce", "t").stderr).To(HavePrefix("reading records, a line of JSON each, such as"))
	}, NodeTimeout(patience))
})
