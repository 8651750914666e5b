package framework_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/fx"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/devbroker"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

var notes = responder.NewTopic[string]("notes", consumer.StringCodec)

// read returns the values of a topic, as consumers of committed records see them, when there are n.
func read(ctx context.Context, addrs []string, topic string, n int) (recs []*kgo.Record) {
	GinkgoHelper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	Expect(err).NotTo(HaveOccurred())
	defer cl.Close()
	for len(recs) < n {
		fetches := cl.PollFetches(ctx)
		Expect(ctx.Err()).NotTo(HaveOccurred())
		recs = append(recs, fetches.Records()...)
	}
	return recs
}

func values(recs []*kgo.Record) (all []string) {
	for _, r := range recs {
		all = append(all, string(r.Value))
	}
	return all
}

// heard keeps events.
type heard struct {
	mu     sync.Mutex
	events []string
}

func (h *heard) OnEvent(_ context.Context, e callbacks.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch e := e.(type) {
	case callbacks.Sent:
		h.events = append(h.events, fmt.Sprintf("sent %d to %s", e.Count, e.Topic))
	case callbacks.SendFailed:
		h.events = append(h.events, fmt.Sprintf("failed to %s", e.Topic))
	}
}

func (h *heard) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events
}

// notary sends from everywhere: its constructor, hooks, a handler.
type notary struct {
	p         *responder.Producer
	tooEarly  error
	started   error
	stopped   error
	buffer    *responder.Buffer
	bufferErr error
}

func newNotary(lc fx.Lifecycle, p *responder.Producer) *notary {
	n := &notary{p: p, buffer: p.Buffer(responder.BufferOptions{})}
	n.tooEarly = p.Send(context.Background(), notes.Record(nil, "too early"))
	lc.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			n.started = p.Send(ctx, notes.Record(nil, "start"))
			return nil
		},
		OnStop: func(ctx context.Context) error {
			n.stopped = p.Send(ctx, notes.Record(nil, "stop"))
			n.bufferErr = n.buffer.Add(notes.Record(nil, "flushed"))
			return nil
		},
	})
	return n
}

func (n *notary) Handle(ctx context.Context, _ *consumer.Message) error {
	return n.p.Send(ctx, notes.Record(nil, "handled"))
}

var _ = Describe("The program's Producer", func() {
	It("sends from hooks and handlers until the program has stopped", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 1)
		_, err := c.admin.CreateTopic(ctx, 1, 1, nil, "notes")
		Expect(err).NotTo(HaveOccurred())
		events := &heard{}
		var n *notary
		r := background(func(ctx context.Context) error {
			return framework.Run(ctx, quick(c.addrs), fx.Provide(newNotary), fx.Populate(&n), framework.Callbacks(events),
				framework.Routes(func(n *notary) router.Drawer {
					return func(r *router.Router) { r.Group("g", func(g *router.Group) { g.Topic("t").Each(n) }) }
				}))
		})
		read(ctx, c.addrs, "notes", 2)
		r.stop()
		Expect(r.end()).To(Succeed())
		Expect(n.tooEarly).To(MatchError(responder.ErrNotRunning))
		Expect(errors.Join(n.started, n.stopped, n.bufferErr)).To(Succeed())
		Expect(values(read(ctx, c.addrs, "notes", 4))).To(HaveExactElements("start", "handled", "stop", "flushed"))
		Expect(events.all()).To(ContainElements("sent 1 to notes"))
		Expect(n.p.Send(ctx, notes.Record(nil, "x"))).To(MatchError(responder.ErrProducerClosed))
	}, NodeTimeout(patience))

	It("stands alone, with transactions that are seen whole or not at all", func(ctx SpecContext) {
		b, err := devbroker.Start(devbroker.Topic("notes", 1))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(b.Close)
		cfg := quick(b.Addrs())
		cfg.Producer.TransactionalID = "tx"
		p, err := framework.NewProducer(cfg)
		Expect(err).NotTo(HaveOccurred())
		boom := errors.New("boom")
		Expect(p.Transaction(ctx, func(tx *responder.Tx) error {
			return errors.Join(tx.Send(notes.Record(nil, "never")), boom)
		})).To(MatchError(boom))
		Expect(p.Transaction(ctx, func(tx *responder.Tx) error {
			return tx.Send(notes.Record(nil, "one"), notes.Record(nil, "two"))
		})).To(Succeed())

		By("another process with the same id fences it, and it goes on with a new client")
		other, err := framework.NewProducer(cfg)
		Expect(err).NotTo(HaveOccurred())
		Expect(other.Transaction(ctx, func(tx *responder.Tx) error { return tx.Send(notes.Record(nil, "other")) })).To(Succeed())
		Expect(p.Transaction(ctx, func(tx *responder.Tx) error { return tx.Send(notes.Record(nil, "fenced")) })).NotTo(Succeed())
		Expect(p.Transaction(ctx, func(tx *responder.Tx) error { return tx.Send(notes.Record(nil, "three")) })).To(Succeed())
		Expect(values(read(ctx, b.Addrs(), "notes", 4))).To(Equal([]string{"one", "two", "other", "three"}))
		Expect(errors.Join(p.Close(ctx), other.Close(ctx))).To(Succeed())
	}, NodeTimeout(patience))

	DescribeTable("fails a record that the broker refuses, and not those that went with it",
		func(ctx SpecContext, acks string) {
			c := newBroker(ctx, "t", 1)
			_, err := c.admin.CreateTopic(ctx, 1, 1, map[string]*string{"max.message.bytes": new("5000")}, "notes")
			Expect(err).NotTo(HaveOccurred())
			cfg := quick(c.addrs)
			cfg.Producer.Acks, cfg.Producer.Compression, cfg.Producer.Linger = acks, "none", time.Second // one batch
			events := &heard{}
			p, err := framework.NewProducer(cfg, events)
			Expect(err).NotTo(HaveOccurred())
			var sent []*responder.Future
			for _, text := range []string{"one", strings.Repeat("large", 2000), "two", "three"} {
				sent = append(sent, p.SendAsync(ctx, notes.Record(nil, text)))
			}
			Expect(p.Flush(ctx)).To(Succeed())
			for i, f := range sent {
				_, err := f.Wait(ctx)
				if i == 1 {
					Expect(err).To(MatchError(kerr.MessageTooLarge))
				} else {
					Expect(err).NotTo(HaveOccurred())
				}
			}
			Expect(values(read(ctx, c.addrs, "notes", 3))).To(ConsistOf("one", "two", "three"))
			Expect(p.Close(ctx)).To(Succeed())
			Expect(events.all()).To(ContainElement("failed to notes"))
			Expect(events.all()).NotTo(ContainElement("sent 4 to notes"))
		},
		Entry("acks all", "all", NodeTimeout(patience)),
		Entry("acks leader", "leader", NodeTimeout(patience)),
	)

	DescribeTable("sends a key where the partitioner of the configuration says",
		func(ctx SpecContext, partitioner string, want int) {
			b, err := devbroker.Start(devbroker.Topic("notes", 7))
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(b.Close)
			cfg := quick(b.Addrs())
			cfg.Producer.Partitioner, cfg.Producer.Acks = partitioner, "leader"
			events := &heard{}
			p, err := framework.NewProducer(cfg, events)
			Expect(err).NotTo(HaveOccurred())
			Expect(p.Send(ctx, notes.Record([]byte("order"), "x"), notes.Record([]byte("order"), "y", responder.Partition(6)))).To(Succeed())
			recs := read(ctx, b.Addrs(), "notes", 2)
			Expect(recs).To(ConsistOf(
				And(HaveField("Value", []byte("x")), HaveField("Partition", BeEquivalentTo(want))),
				And(HaveField("Value", []byte("y")), HaveField("Partition", BeEquivalentTo(6)))))
			Expect(p.Close(ctx)).To(Succeed())
			Expect(events.all()).NotTo(BeEmpty())
		},
		// murmur2("order") by Kafka's Utils, and zlib.crc32(b"order"), modulo 7
		Entry("murmur2", "murmur2", 4, NodeTimeout(patience)),
		Entry("crc32", "crc32", 3, NodeTimeout(patience)),
	)
})
