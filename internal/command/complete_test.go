package command_test

import (
	"net"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Completion", func() {
	// completed are the words that a shell offers, as cobra's scripts ask for them.
	completed := func(l consoleLine, args ...string) []string {
		GinkgoHelper()
		words := strings.Split(strings.TrimSuffix(l.good(append([]string{"__complete"}, args...)...), "\n"), "\n")
		Expect(words[len(words)-1]).To(Equal(":4"), "no files")
		return words[:len(words)-1]
	}

	It("offers topics and groups of the cluster", func(ctx SpecContext) {
		c := newCluster(map[string]int32{"orders.created": 1, "orders.priced": 1, "users": 1})
		c.commit(ctx, "pricing", "users", 0, 0)
		c.commit(ctx, "mail", "users", 0, 0)
		l := c.console()
		for _, cmd := range []string{"produce", "tail"} {
			Expect(completed(l, cmd, "")).To(Equal([]string{"orders.created", "orders.priced", "users"}))
			Expect(completed(l, cmd, "orders.p")).To(Equal([]string{"orders.priced"}))
			Expect(completed(l, cmd, "users", "")).To(BeEmpty(), "no second one")
		}
		Expect(completed(l, "reset", "")).To(Equal([]string{"mail", "pricing"}))
		Expect(completed(l, "groups", "show", "p")).To(Equal([]string{"pricing"}))
		Expect(completed(l, "reset", "mail", "--topic", "users,orders.")).To(Equal([]string{"users,orders.created", "users,orders.priced"}))
		Expect(completed(l, "reset", "mail", "--topic", "users,")).NotTo(ContainElement("users,users"))
		Expect(completed(l, "tail", "users", "--from", "")).To(Equal([]string{"earliest", "latest"}))
		Expect(completed(l, "tail", "users", "-o", "")).To(Equal([]string{"json", "table", "yaml"}))
	}, NodeTimeout(patience))

	It("is silent when nothing answers", func(ctx SpecContext) {
		silent, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0") // the kernel accepts, nobody answers
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(silent.Close)
		for _, addr := range []string{"127.0.0.1:1", silent.Addr().String()} {
			Expect(completed(consoleLine{brokers: []string{addr}}, "tail", "")).To(BeEmpty())
		}
	}, NodeTimeout(patience))
})
