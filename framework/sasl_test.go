package framework_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"go.uber.org/fx"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/framework"
)

// runs starts a program, stops it once it consumes, and returns how it ended.
func runs(ctx context.Context, cfg framework.Config, opts ...fx.Option) error {
	started := make(chan struct{}, 1)
	r := background(func(ctx context.Context) error {
		return framework.Run(ctx, cfg, append(opts, framework.Callbacks(
			callbacks.On(func(context.Context, callbacks.Positioned) { started <- struct{}{} })))...)
	})
	select {
	case <-started:
	case <-r.done:
	case <-ctx.Done():
	}
	r.stop()
	return r.end()
}

var _ = Describe("SASL", func() {
	const user, pass = "ada", "enchantress"

	broker := func() []string {
		fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", user, pass))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(fake.Close)
		return fake.ListenAddrs()
	}

	It("authenticates by the configuration", func(ctx SpecContext) {
		cfg := quick(broker())
		cfg.Kafka.SASL.Mechanism, cfg.Kafka.SASL.Username, cfg.Kafka.SASL.Password = "scram-sha-256", user, framework.Secret(pass)
		Expect(runs(ctx, cfg, framework.Routes(each(&counter{})))).To(Succeed())
		cfg.Kafka.SASL.Password = "other"
		cfg.Kafka.BootTimeout = patience / 100
		err := framework.Run(ctx, cfg, framework.Routes(each(&counter{})))
		Expect(framework.ExitCode(err)).To(Equal(framework.ExitStart))
		Expect(err).To(MatchError(ContainSubstring("check kafka.sasl.username and kafka.sasl.password")))
	}, NodeTimeout(patience))

	It("authenticates by a mechanism of the program, and by one only", func(ctx SpecContext) {
		asked := make(chan struct{}, 10)
		own := scram.Sha256(func(context.Context) (scram.Auth, error) {
			asked <- struct{}{}
			return scram.Auth{User: user, Pass: pass}, nil
		})
		cfg := quick(broker())
		Expect(runs(ctx, cfg, framework.Routes(each(&counter{})), framework.SASL(own))).To(Succeed())
		Expect(asked).NotTo(BeEmpty())
		cfg.Kafka.SASL.Mechanism, cfg.Kafka.SASL.Username, cfg.Kafka.SASL.Password = "plain", user, pass
		Expect(framework.Run(ctx, cfg, framework.Routes(each(&counter{})), framework.SASL(own))).
			To(MatchError(ContainSubstring("more than one mechanism")))
	}, NodeTimeout(patience))
})
