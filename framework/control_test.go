package framework_test

import (
	"context"
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/fx"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/framework"
)

var _ = Describe("Control", func() {
	It("steers a running process", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 3)
		var control *framework.Control
		blocked, done := make(chan struct{}, 100), make(chan struct{}, 100)
		h := consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			if m.Offset == 1 {
				return errors.New("poison")
			}
			return nil
		})
		r := background(func(ctx context.Context) error {
			return framework.Run(ctx, quick(c.addrs), framework.Routes(each(h)), fx.Populate(&control), framework.Callbacks(
				callbacks.On(func(context.Context, callbacks.Retried) { blocked <- struct{}{} }),
				callbacks.On(func(_ context.Context, e callbacks.Handled) {
					if e.Last == 2 {
						done <- struct{}{}
					}
				})))
		})
		Eventually(ctx, blocked).Should(Receive())
		Eventually(ctx, func() error { return control.Skip(ctx, "g", "t", 0, 0) }).Should(MatchError(framework.ErrNotBlocking))
		partitions, err := control.Partitions()
		Expect(err).NotTo(HaveOccurred())
		Expect(partitions).To(HaveLen(1))
		Expect(partitions[0].Retrying.Offset).To(BeEquivalentTo(1))
		Expect(partitions[0].Lag).To(BeEquivalentTo(2))
		Expect(control.PauseTopic("g", "x")).To(MatchError(framework.ErrUnknownTopic))
		Expect(control.Skip(ctx, "g", "t", 5, 0)).To(MatchError(framework.ErrNotAssigned))
		Expect(control.PauseTopic("g", "t")).To(Succeed())
		Expect(control.Quiet()).To(Succeed())
		Expect(control.Skip(ctx, "g", "t", 0, 1)).To(Succeed())
		Expect(control.ResumeTopic("g", "t")).To(Succeed())
		Expect(control.Wake()).To(Succeed())
		Eventually(ctx, done).Should(Receive())
		r.stop()
		Expect(r.end()).To(Succeed())
		Expect(c.committed(ctx, "g", "t")).To(BeEquivalentTo(3))
	}, NodeTimeout(patience))

	It("says so when nothing runs", func(ctx SpecContext) {
		c := &framework.Control{}
		_, err := c.Partitions()
		Expect(err).To(MatchError(framework.ErrNotRunning))
		Expect(c.Quiet()).To(MatchError(framework.ErrNotRunning))
		Expect(c.Skip(ctx, "g", "t", 0, 0)).To(MatchError(framework.ErrNotRunning))
	})
})
