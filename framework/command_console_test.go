package framework_test

import (
	"bytes"
	"context"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/fx"

	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/router"
)

var _ = Describe("Commands that need no program", func() {
	It("know its routes where they stand in one", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 3)
		p := commandLine{c.addrs, framework.Routes(router.Drawer(letters))}
		Expect(p.good("reset", "g", "--to", "latest", "--topic", "t", "--yes")).To(Equal(`TOPIC  PARTITION  COMMITTED  NEW  EFFECT
t      0          -          3    3 skipped

1 partition: 0 offsets again, 3 skipped
reset 1 partition of group g
`))
		Expect(p.good("groups")).To(MatchRegexp(`(?m)^g +Empty +classic +0 +0 +t$`))
		Expect(p.good("produce", "t", "x", "--key", "k")).To(Equal("wrote t/0@3\n"))
		Expect(p.good("tail", "t", "-n", "1")).To(MatchRegexp(`^0@3 +\S+ +k +x\n$`))
		Expect(p.good("reset", "g", "--to", "earliest", "--topic", "t", "--dry-run")).To(ContainSubstring("t      0          3          0    3 again"))
	}, NodeTimeout(patience))

	It("begin where they were reset to", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 3)
		seen := &counter{}
		p := commandLine{c.addrs, framework.Routes(each(seen))}
		Expect(p.good("reset", "g", "--to", "2", "--yes")).To(HaveSuffix("reset 1 partition of group g\n"))
		r := background(func(ctx context.Context) error { return framework.Run(ctx, quick(c.addrs), p.program) })
		Eventually(seen.count).Should(Equal(1))
		active := p.run("reset", "g", "--to", "earliest", "--yes")
		Expect(active.code).To(Equal(framework.ExitStart))
		Expect(active.stderr).To(ContainSubstring("stop its members first: karafgo on 127.0.0.1"))
		r.stop()
		Expect(r.end()).To(Succeed())
		Expect(c.committed(ctx, "g", "t")).To(BeEquivalentTo(3))
		Expect(seen.count()).To(Equal(1))
	}, NodeTimeout(patience))

	It("follow a topic until Ctrl-C, which is its end", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 1)
		w := start(ctx, "plain", "tail", "t", "-f", "-o", "json", "--brokers", strings.Join(c.addrs, ","))
		Expect(w.lines.Scan()).To(BeTrue())
		p := commandLine{c.addrs, framework.Routes(each(&counter{}))}
		Expect(p.good("produce", "t", "later")).To(Equal("wrote t/0@1\n"))
		Expect(w.lines.Scan()).To(BeTrue())
		Expect(w.lines.Text()).To(ContainSubstring(`"offset":1,`))
		Expect(w.lines.Text()).To(ContainSubstring(`"value":"later"`))
		w.signal(syscall.SIGINT)
		Expect(w.exit()).To(Equal(framework.ExitClean), w.stderr.String())
		Expect(w.stderr.String()).To(BeEmpty())
	}, NodeTimeout(patience))

	It("are completed by a shell, with names from the routes too", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 0)
		p := commandLine{c.addrs, framework.Routes(router.Drawer(letters))}
		completed := func(args ...string) string {
			var stdout, stderr bytes.Buffer
			all := append([]string{"__complete", "--brokers", c.addrs[0]}, args...)
			Expect(framework.Execute(all, &stdout, &stderr, []fx.Option{p.program})).To(Equal(framework.ExitClean))
			return stdout.String()
		}
		Expect(completed("tail", "")).To(Equal("t\n:4\n"))
		Expect(completed("dlq", "replay", "")).To(Equal("t.dlq\n:4\n"))
		Expect(completed("lag", "--exclude-groups", "")).To(Equal("g\n:4\n"))
		Expect(completed("lag", "--include-topics", "t.")).To(Equal("t.g.retry.1s\n:4\n"))
		var stdout, stderr bytes.Buffer
		Expect(framework.Execute([]string{"completion", "bash"}, &stdout, &stderr, nil)).To(Equal(framework.ExitClean))
		Expect(stdout.String()).To(ContainSubstring("__complete"))
	}, NodeTimeout(patience))
})
