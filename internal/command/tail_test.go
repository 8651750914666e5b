package command_test

import (
	"context"
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"
)

var _ = Describe("tail", func() {
	site := func(ctx context.Context) (*cluster, consoleLine) {
		c := newCluster(map[string]int32{"t": 2, "empty": 1})
		l := c.console()
		l.in = `{"partition":0,"timestamp":"2026-11-21T06:00:00Z","key":"a","value":"first"}
{"partition":1,"timestamp":"2026-11-21T06:00:01Z","key":"b","value":"\u001b[31mred\n","headers":[{"key":"h","value":"1"},{"key":"h","value":null}]}
{"partition":0,"timestamp":"2026-11-21T06:00:02Z","key_base64":"/w==","value":null,"headers":{"e":""}}
{"partition":1,"timestamp":"2026-11-21T06:00:03Z","value":""}
`
		Expect(l.good("produce", "t")).To(ContainSubstring("4 records"))
		l.in = ""
		return c, l
	}

	It("prints the last records in the order of time, and nothing that a terminal obeys", func(ctx SpecContext) {
		_, l := site(ctx)
		all := `0@0     2026-11-21T06:00:00Z  a         first
1@0     2026-11-21T06:00:01Z  b         "\x1b[31mred\n"  h=1 h=
0@1     2026-11-21T06:00:02Z  "\xff"    (tombstone)  e=""
1@1     2026-11-21T06:00:03Z  -         ""
`
		Expect(l.good("tail", "t")).To(Equal(all))
		last := strings.SplitAfter(all, "\n")
		Expect(l.good("tail", "t", "-n", "2")).To(Equal(last[2] + last[3]))
		Expect(l.good("tail", "t", "-n", "0")).To(BeEmpty())
		Expect(l.good("tail", "t", "-p", "1")).To(Equal(last[1] + last[3]))
		Expect(l.good("tail", "t", "-p", "0", "--from", "1")).To(Equal(last[2]))
		Expect(l.good("tail", "t", "--from", "2026-11-21T06:00:02Z", "-p", "1")).To(Equal(last[3]))
		Expect(l.good("tail", "t", "--from", "earliest", "-n", "1", "-p", "0")).To(Equal(last[0]))
		Expect(l.good("tail", "t", "--from", "latest")).To(BeEmpty())
		Expect(l.run("tail", "empty")).To(Equal(answered{stderr: "no records\n"}))
	}, NodeTimeout(patience))

	It("prints what is meant, however far back", func(ctx SpecContext) {
		c, l := site(ctx)
		for range 100 {
			c.write(ctx, &kgo.Record{Topic: "t", Value: []byte("noise")})
		}
		first := "0@0     2026-11-21T06:00:00Z  a         first\n"
		Expect(l.good("tail", "t", "--grep", "^f.*t$", "-n", "1")).To(Equal(first))
		Expect(l.good("tail", "t", "--key", "a")).To(Equal(first))
		Expect(l.good("tail", "t", "--grep", "^a$", "--from", "earliest")).To(Equal(first))
		Expect(l.good("tail", "t", "--header", "h")).To(HavePrefix("1@0 "))
		Expect(l.good("tail", "t", "--header", "h=1", "--header", "h")).To(HavePrefix("1@0 "))
		Expect(l.good("tail", "t", "--header", "e=")).To(HavePrefix("0@1 "))
		Expect(l.run("tail", "t", "--header", "h=2")).To(Equal(answered{stderr: "no records\n"}))
		Expect(strings.Count(l.good("tail", "t"), "\n")).To(Equal(10))
		groups, err := c.admin.ListGroups(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(groups).To(BeEmpty(), "no group is joined")
	}, NodeTimeout(patience))

	It("prints lines that produce reads", func(ctx SpecContext) {
		c, l := site(ctx)
		text := l.good("tail", "t", "-o", "json", "--from", "earliest")
		_, err := c.admin.CreateTopic(ctx, 2, 1, nil, "copy")
		Expect(err).NotTo(HaveOccurred())
		l.in = text
		Expect(l.good("produce", "copy")).To(Equal("wrote 4 records to copy: 2 to partition 0, 2 to 1\n"))
		Expect(l.good("tail", "copy", "-o", "json")).To(Equal(strings.ReplaceAll(l.good("tail", "t", "-o", "json"), `"topic":"t"`, `"topic":"copy"`)))
		Expect(l.good("tail", "t", "-n", "1", "-o", "yaml")).To(Equal(`---
topic: t
partition: 1
offset: 1
timestamp: "2026-11-21T06:00:03.000Z"
key: null
value: ""
headers: []
`))
		var first map[string]any
		Expect(json.Unmarshal([]byte(strings.SplitAfter(text, "\n")[0]), &first)).To(Succeed())
	}, NodeTimeout(patience))

	It("is cut where the screen ends", func(ctx SpecContext) {
		c := newCluster(map[string]int32{"t": 1})
		l := c.console()
		l.columns = 80
		c.write(ctx, &kgo.Record{
			Topic: "t", Key: []byte(strings.Repeat("k", 40)), Value: []byte(strings.Repeat("v", 200)),
			Headers: []kgo.RecordHeader{{Key: "h", Value: []byte(strings.Repeat("x", 100))}},
		}, &kgo.Record{Topic: "t", Value: []byte(strings.Repeat("é", 200))})
		for line := range strings.Lines(l.good("tail", "t")) {
			Expect([]rune(strings.TrimSuffix(line, "\n"))).To(HaveLen(80), line)
		}
	}, NodeTimeout(patience))

	It("leaves out what no transaction committed", func(ctx SpecContext) {
		c := newCluster(map[string]int32{"t": 1})
		cl, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.TransactionalID("x"))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(cl.Close)
		for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
			Expect(cl.BeginTransaction()).To(Succeed())
			Expect(cl.ProduceSync(ctx, &kgo.Record{Topic: "t", Value: []byte(map[kgo.TransactionEndTry]string{kgo.TryCommit: "good", kgo.TryAbort: "bad"}[end])}).
				FirstErr()).To(Succeed())
			Expect(cl.EndTransaction(ctx, end)).To(Succeed())
		}
		Expect(c.console().good("tail", "t")).To(And(ContainSubstring("good"), Not(ContainSubstring("bad"))))
		Expect(c.console().good("tail", "t", "--uncommitted")).To(And(ContainSubstring("good"), ContainSubstring("bad")))
	}, NodeTimeout(patience))

	DescribeTable("refuses what it does not know before it connects", func(problems []string, args ...string) {
		a := consoleLine{brokers: []string{"127.0.0.1:1"}}.run(append([]string{"tail"}, args...)...)
		Expect(a.code).To(Equal(1))
		for _, problem := range problems {
			Expect(a.stderr).To(ContainSubstring(problem))
		}
	},
		Entry(nil, []string{"see karafgo tail --help"}),
		Entry(nil, []string{"--from soon: want earliest", "--grep (:", "--limit -1", "--partition -1"},
			"t", "--from", "soon", "--grep", "(", "-n", "-1", "-p", "-1"),
	)

	It("says what is not there", func(ctx SpecContext) {
		_, l := site(ctx)
		Expect(l.run("tail", "emty").stderr).To(Equal("error: topic \"emty\": the topic does not exist: did you mean empty?\n"))
		Expect(l.run("tail", "t", "-p", "7").stderr).To(Equal("error: topic \"t\" has no partition 7: it has 0 to 1\n"))
	}, NodeTimeout(patience))
})
