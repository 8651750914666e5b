package framework_test

import (
	"context"
	"net"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/devbroker"
	"github.com/karafgo/karafgo/framework"
)

var _ = Describe("Probes", func() {
	It("F93 an outage of the cluster ends readiness, never liveness, and readiness comes back with it", func(ctx SpecContext) {
		b, err := devbroker.Start(devbroker.Topic("t", 1))
		Expect(err).NotTo(HaveOccurred())
		_, port, err := net.SplitHostPort(b.Addrs()[0])
		Expect(err).NotTo(HaveOccurred())
		number, err := strconv.Atoi(port)
		Expect(err).NotTo(HaveOccurred())
		cfg := quick(b.Addrs())
		cfg.HTTP.Listen = closedPort(ctx)
		cfg.HTTP.StuckAfter = 10 * time.Minute
		cfg.Kafka.MetadataMaxAge = 200 * time.Millisecond
		cfg.Kafka.RequestTimeout = 500 * time.Millisecond
		cfg.Commit.Interval = 200 * time.Millisecond
		r := background(func(ctx context.Context) error { return framework.Run(ctx, cfg, framework.Routes(each(&counter{}))) })
		get := func(path string) func() (string, error) {
			return func() (string, error) { return fetch(ctx, "http://"+cfg.HTTP.Listen+path) }
		}
		Eventually(ctx, get("/healthz/ready")).Should(HavePrefix("200"))
		b.Close()
		Eventually(ctx, get("/healthz/ready")).Should(HavePrefix("503"))
		Expect(get("/healthz/live")()).To(HavePrefix("200"))
		again, err := devbroker.Start(devbroker.Port(number), devbroker.Topic("t", 1))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(again.Close)
		Eventually(ctx, get("/healthz/ready")).Should(HavePrefix("200"))
		Expect(get("/healthz/live")()).To(HavePrefix("200"))
		r.stop()
		Expect(r.end()).To(Succeed())
	}, NodeTimeout(patience))

	It("F93 a handler that is stuck ends liveness", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 1)
		cfg := quick(c.addrs)
		cfg.HTTP.Listen = closedPort(ctx)
		cfg.HTTP.StuckAfter = time.Millisecond
		release := make(chan struct{})
		r := background(func(ctx context.Context) error {
			return framework.Run(ctx, cfg, framework.Routes(each(consumer.HandlerFunc(func(context.Context, *consumer.Message) error {
				<-release
				return nil
			}))))
		})
		get := func(path string) func() (string, error) {
			return func() (string, error) { return fetch(ctx, "http://"+cfg.HTTP.Listen+path) }
		}
		Eventually(ctx, get("/healthz/live")).Should(And(HavePrefix("503"), ContainSubstring("t/0@0")))
		close(release)
		Eventually(ctx, get("/healthz/live")).Should(HavePrefix("200"))
		r.stop()
		Expect(r.end()).To(Succeed())
	}, NodeTimeout(patience))
})
