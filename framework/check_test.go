package framework_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/framework"
)

var _ = Describe("Check", func() {
	handler := consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return nil })

	It("is content with what would run, and leaves no trace", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 3)
		Expect(framework.Check(ctx, quick(c.addrs), framework.Routes(each(handler)))).To(Succeed())
		groups, err := c.admin.ListGroups(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(groups.Groups()).To(BeEmpty())
	}, NodeTimeout(patience))

	It("names topics that are missing, and makes none", func(ctx SpecContext) {
		c := newBroker(ctx, "other", 0)
		cfg := quick(c.addrs)
		err := framework.Check(ctx, cfg, framework.Routes(each(handler)))
		Expect(framework.ExitCode(err)).To(Equal(framework.ExitStart))
		Expect(err).To(MatchError(ContainSubstring("topics do not exist: t:")))
		cfg.Kafka.MissingTopics = "create"
		Expect(framework.Check(ctx, cfg, framework.Routes(each(handler)))).To(Succeed(), "they would be made")
		cfg.Kafka.MissingTopics = "fail"
		Expect(framework.Check(ctx, cfg, framework.Routes(each(handler)))).NotTo(Succeed(), "and were not")
	}, NodeTimeout(patience))

	It("says what is wrong with routes and configuration without a cluster", func(ctx SpecContext) {
		cfg := framework.DefaultConfig()
		cfg.Commit.Interval = -1
		Expect(framework.Check(ctx, cfg, framework.Routes(each(handler)))).To(MatchError(ContainSubstring("commit.interval")))
	}, NodeTimeout(patience))
})
