package framework_test

import (
	"context"
	"errors"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/fx"

	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

// withNotary is a program whose handler takes the Producer.
func withNotary() fx.Option {
	return fx.Options(fx.Provide(newNotary), framework.Routes(func(n *notary) router.Drawer {
		return func(r *router.Router) { r.Group("g", func(g *router.Group) { g.Topic("t").Each(n) }) }
	}))
}

var _ = Describe("The Producer's life", func() {
	var c *cluster
	BeforeEach(func(ctx SpecContext) {
		c = newBroker(ctx, "t", 1)
		_, err := c.admin.CreateTopic(ctx, 1, 1, nil, "notes")
		Expect(err).NotTo(HaveOccurred())
	})

	It("is known to commands, to Check, and to Control's users, and sends nothing there", func(ctx SpecContext) {
		var invoked error
		program := fx.Options(withNotary(), fx.Invoke(func(p *responder.Producer, _ *framework.Control) {
			invoked = p.Send(ctx, notes.Record(nil, "invoked"))
		}))
		p := commandLine{c.addrs, program}
		Expect(p.good("routes")).To(ContainSubstring("each"))
		Expect(p.good("lag")).To(ContainSubstring("g "))
		Expect(framework.Check(ctx, quick(c.addrs), program)).To(Succeed())
		Expect(invoked).To(MatchError(responder.ErrNotRunning))
		ends, err := c.admin.ListEndOffsets(ctx, "notes")
		Expect(err).NotTo(HaveOccurred())
		Expect(ends["notes"][0].Offset).To(BeZero())
	}, NodeTimeout(patience))

	It("ends when the program cannot be made, or cannot start", func(ctx SpecContext) {
		var n *notary
		broken := fx.Invoke(func(*notary) error { return errors.New("no database") })
		Expect(framework.Run(ctx, quick(c.addrs), withNotary(), fx.Populate(&n), broken)).To(MatchError(ContainSubstring("no database")))
		Expect(n.p.Send(ctx, notes.Record(nil, "never"))).To(MatchError(responder.ErrNotRunning))

		fails := fx.Invoke(func(lc fx.Lifecycle, n *notary) {
			lc.Append(fx.Hook{OnStart: func(ctx context.Context) error {
				return errors.Join(n.p.Send(ctx, notes.Record(nil, "so far")), errors.New("no port"))
			}})
		})
		Expect(framework.Run(ctx, quick(c.addrs), withNotary(), fx.Populate(&n), fails)).To(MatchError(ContainSubstring("no port")))
		Expect(n.p.Send(ctx, notes.Record(nil, "never"))).To(MatchError(responder.ErrProducerClosed))
		ends, err := c.admin.ListEndOffsets(ctx, "notes")
		Expect(err).NotTo(HaveOccurred())
		written := values(read(ctx, c.addrs, "notes", int(ends["notes"][0].Offset)))
		Expect(written).To(ContainElements("start", "so far", "stop", "flushed"))
	}, NodeTimeout(patience))

	It("is that of the whole application where Module joins one", func(ctx SpecContext) {
		var n *notary
		app := fx.New(
			fx.NopLogger,
			fx.Invoke(func(lc fx.Lifecycle, p *responder.Producer) {
				lc.Append(fx.StopHook(func(ctx context.Context) error { return p.Send(ctx, notes.Record(nil, "theirs")) }))
			}),
			framework.Module(quick(c.addrs)),
			withNotary(), fx.Populate(&n),
		)
		Expect(app.Err()).NotTo(HaveOccurred())
		Expect(app.Start(ctx)).To(Succeed())
		read(ctx, c.addrs, "notes", 2)
		Expect(app.Stop(ctx)).To(Succeed())
		Expect(values(read(ctx, c.addrs, "notes", 5))).To(HaveExactElements("start", "handled", "theirs", "stop", "flushed"))
		Expect(n.p.Send(ctx, notes.Record(nil, "x"))).To(MatchError(responder.ErrProducerClosed))
	}, NodeTimeout(patience))
})

// The client fails all records of a partition, or of a topic that it does not know yet, when it finds that the context of the first of them
// has ended. That must not be the sender's.
var _ = Describe("A sender whose context ends", func() {
	It("does not take along what others send to the same partition", func(ctx SpecContext) {
		b, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "notes"))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(b.Close)
		asked, answer := make(chan struct{}), make(chan struct{})
		var once sync.Once
		b.ControlKey(kmsg.Metadata.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			once.Do(func() { close(asked) })
			<-answer
			return nil, nil, false //nolint:nilnil // the broker answers itself
		})
		p, err := framework.NewProducer(quick(b.ListenAddrs()))
		Expect(err).NotTo(HaveOccurred())

		short, end := context.WithCancel(ctx)
		first := make(chan error, 1)
		go func() { first <- p.Send(short, notes.Record(nil, "one")) }()
		Eventually(asked).Should(BeClosed())
		second := p.SendAsync(ctx, notes.Record(nil, "two"))
		end()
		Eventually(first).Should(Receive(MatchError(context.Canceled)))
		close(answer)
		_, err = second.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(values(read(ctx, b.ListenAddrs(), "notes", 2))).To(Equal([]string{"one", "two"}), "nor itself")
		Expect(p.Close(ctx)).To(Succeed())
	}, NodeTimeout(patience))

	It("waits for room until then", func(ctx SpecContext) {
		b, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "notes"))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(b.Close)
		asked, answer := make(chan struct{}), make(chan struct{})
		DeferCleanup(func() { close(answer) })
		var once sync.Once
		b.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			once.Do(func() { close(asked) })
			<-answer
			return nil, nil, false //nolint:nilnil // the broker answers itself
		})
		cfg := quick(b.ListenAddrs())
		cfg.Producer.MaxBufferedRecords = 1
		p, err := framework.NewProducer(cfg)
		Expect(err).NotTo(HaveOccurred())
		first := p.SendAsync(ctx, notes.Record(nil, "one"))
		Eventually(asked).Should(BeClosed())
		short, end := context.WithCancelCause(ctx)
		blocked := make(chan error, 1)
		go func() { blocked <- p.Send(short, notes.Record(nil, "two")) }()
		gone := errors.New("the client has gone")
		end(gone)
		Eventually(blocked).Should(Receive(MatchError(gone)))
		short, end = context.WithCancelCause(ctx)
		end(gone)
		Expect(p.Close(short)).To(MatchError(ContainSubstring("1 records are not acknowledged yet: the client has gone")))
		_, err = first.Wait(ctx)
		Expect(err).To(And(MatchError(responder.ErrProducerClosed), MatchError(kgo.ErrClientClosed)))
	}, NodeTimeout(patience))
})
