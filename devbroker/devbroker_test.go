package devbroker_test

import (
	"context"
	"net"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/devbroker"
)

const specTimeout = 20 * time.Second

var _ = Describe("The embedded broker", func() {
	start := func(opts ...devbroker.Option) *devbroker.Broker {
		GinkgoHelper()
		b, err := devbroker.Start(opts...)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(b.Close)
		return b
	}
	connect := func(b *devbroker.Broker, opts ...kgo.Opt) *kgo.Client {
		GinkgoHelper()
		cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.Addrs()...))...)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(cl.Close)
		return cl
	}
	taken := func() int {
		GinkgoHelper()
		var lc net.ListenConfig
		l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(l.Close)
		return l.Addr().(*net.TCPAddr).Port
	}

	It("serves any client on loopback: produce, consume in a group, commit", func(ctx SpecContext) {
		b := start(devbroker.Topic("a", 2))
		Expect(b.Addrs()).To(HaveLen(1))
		Expect(b.Addrs()[0]).To(HavePrefix("127.0.0.1:"))
		cl := connect(b, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("a"), kgo.DefaultProduceTopic("a"),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
		Expect(cl.ProduceSync(ctx, kgo.StringRecord("hello")).FirstErr()).To(Succeed())
		recs := cl.PollFetches(ctx).Records()
		Expect(recs).To(HaveLen(1))
		Expect(string(recs[0].Value)).To(Equal("hello"))
		Expect(cl.CommitRecords(ctx, recs...)).To(Succeed())
		offsets, err := kadm.NewClient(cl).FetchOffsets(ctx, "g")
		Expect(err).NotTo(HaveOccurred())
		at, ok := offsets.Lookup("a", recs[0].Partition)
		Expect(ok).To(BeTrue())
		Expect(at.At).To(BeEquivalentTo(1))
	}, SpecTimeout(specTimeout))

	It("makes the topics it is told to, and no others", func(ctx SpecContext) {
		cl := connect(start(devbroker.Topics(map[string]int32{"a": 2, "b": 5})))
		topics, err := kadm.NewClient(cl).ListTopics(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(topics.Names()).To(ConsistOf("a", "b"))
		Expect(topics["a"].Partitions).To(HaveLen(2))
		Expect(topics["b"].Partitions).To(HaveLen(5))
	}, SpecTimeout(specTimeout))

	It("creates unknown topics only with AutoCreate", func(ctx SpecContext) {
		send := func(b *devbroker.Broker) error {
			cl := connect(b, kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(0))
			return cl.ProduceSync(ctx, &kgo.Record{Topic: "new"}).FirstErr()
		}
		Expect(send(start())).To(MatchError(kerr.UnknownTopicOrPartition))
		Expect(send(start(devbroker.AutoCreate()))).To(Succeed())
	}, SpecTimeout(specTimeout))

	It("makes a cluster of several brokers", func(ctx SpecContext) {
		b := start(devbroker.Brokers(3))
		Expect(b.Addrs()).To(HaveLen(3))
		brokers, err := kadm.NewClient(connect(b)).ListBrokers(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(brokers).To(HaveLen(3))
	}, SpecTimeout(specTimeout))

	It("listens on the port it is given", func() {
		// A port that was free a moment ago. Somebody may take it in between: then the next one is tried.
		Eventually(func() ([]string, error) {
			var lc net.ListenConfig
			l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			port := l.Addr().(*net.TCPAddr).Port
			if err := l.Close(); err != nil {
				return nil, err
			}
			b, err := devbroker.Start(devbroker.Port(port))
			if err != nil {
				return nil, err
			}
			defer b.Close()
			if want := "127.0.0.1:" + strconv.Itoa(port); b.Addrs()[0] != want {
				return nil, StopTrying("listens on " + b.Addrs()[0] + " instead of " + want)
			}
			return b.Addrs(), nil
		}).Should(HaveLen(1))
	})

	It("names a port that is in use, and what to do about it", func() {
		port := taken()
		_, err := devbroker.Start(devbroker.Port(port))
		Expect(err).To(MatchError(And(ContainSubstring(strconv.Itoa(port)), ContainSubstring("in use"), ContainSubstring("choose another with Port"))))
	})

	It("reports every wrong option", func() {
		_, err := devbroker.Start(devbroker.Topic("", 0), devbroker.Topics(map[string]int32{"z": -3}), devbroker.Brokers(0), devbroker.Port(-1))
		Expect(err).To(MatchError(And(ContainSubstring("0 partitions"), ContainSubstring(`"z" with -3`), ContainSubstring("0 brokers"), ContainSubstring("port -1"))))
		_, err = devbroker.Start(devbroker.Port(65_535), devbroker.Brokers(2))
		Expect(err).To(MatchError(ContainSubstring("65536")))
	})

	It("frees its port when it is closed, and may be closed twice", func() {
		b := start()
		addr := b.Addrs()[0]
		b.Close()
		b.Close()
		_, err := net.DialTimeout("tcp", addr, time.Second)
		Expect(err).To(HaveOccurred())
	})
})
