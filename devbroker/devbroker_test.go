package devbroker_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
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
		send := func(b *devbroker.Broker, topic string) error {
			cl := connect(b, kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(0))
			return cl.ProduceSync(ctx, &kgo.Record{Topic: topic}).FirstErr()
		}
		Expect(send(start(), "new")).To(MatchError(kerr.UnknownTopicOrPartition))
		b := start(devbroker.AutoCreate(), devbroker.DefaultPartitions(2))
		Expect(send(b, "new")).To(Succeed())
		Expect(send(b, "new")).To(Succeed())
		topics, err := kadm.NewClient(connect(b)).ListTopics(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(topics.Names()).To(ConsistOf("new"))
		Expect(topics["new"].Partitions).To(HaveLen(2))
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
		_, err := devbroker.Start(devbroker.Topic("", 0), devbroker.Topics(map[string]int32{"z": -3}), devbroker.Brokers(0), devbroker.Port(-1),
			devbroker.DataDir(""), devbroker.DefaultPartitions(-7))
		Expect(err).To(MatchError(And(ContainSubstring("0 partitions"), ContainSubstring(`"z" with -3`), ContainSubstring("0 brokers"), ContainSubstring("port -1"),
			ContainSubstring("DataDir"), ContainSubstring("-7 partitions"))))
		_, err = devbroker.Start(devbroker.Port(65_535), devbroker.Brokers(2))
		Expect(err).To(MatchError(ContainSubstring("65536")))
	})

	Describe("with DataDir", func() {
		It("keeps topics, records and offsets for the next broker", func(ctx SpecContext) {
			dir := GinkgoT().TempDir()
			first := start(devbroker.DataDir(dir), devbroker.Topic("a", 1), devbroker.Brokers(3))
			cl := connect(first, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("a"), kgo.DisableAutoCommit(), kgo.DefaultProduceTopic("a"),
				kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			Expect(cl.ProduceSync(ctx, kgo.StringRecord("one"), kgo.StringRecord("two")).FirstErr()).To(Succeed())
			one := cl.PollFetches(ctx).Records()[0]
			Expect(cl.CommitRecords(ctx, one)).To(Succeed())
			cl.Close()
			first.Close()

			second := start(devbroker.DataDir(dir), devbroker.Topic("a", 7), devbroker.Topic("b", 2)) // on another port, with fewer brokers
			read := connect(second, kgo.ConsumeTopics("a"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			var values []string
			for len(values) < 2 {
				fetches := read.PollFetches(ctx)
				Expect(fetches.Err()).NotTo(HaveOccurred())
				fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
			}
			Expect(values).To(Equal([]string{"one", "two"}))
			admin := kadm.NewClient(connect(second))
			topics, err := admin.ListTopics(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(topics["a"].Partitions).To(HaveLen(1), "what was there stays as it is")
			Expect(topics["b"].Partitions).To(HaveLen(2))
			offsets, err := admin.FetchOffsets(ctx, "g")
			Expect(err).NotTo(HaveOccurred())
			at, _ := offsets.Lookup("a", 0)
			Expect(at.At).To(BeEquivalentTo(one.Offset + 1))
		}, SpecTimeout(specTimeout))

		It("keeps a topic that a producer has made as soon as it is there", func(ctx SpecContext) {
			dir := GinkgoT().TempDir()
			b := start(devbroker.DataDir(dir), devbroker.AutoCreate())
			Expect(connect(b, kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("new")).ProduceSync(ctx, kgo.StringRecord("one")).FirstErr()).To(Succeed())
			// What a process leaves that is killed now.
			killed := filepath.Join(GinkgoT().TempDir(), "killed")
			Expect(os.CopyFS(killed, os.DirFS(dir))).To(Succeed())
			ends, err := kadm.NewClient(connect(start(devbroker.DataDir(killed)))).ListEndOffsets(ctx, "new")
			Expect(err).NotTo(HaveOccurred())
			total := int64(0)
			ends.Each(func(o kadm.ListedOffset) { total += o.Offset })
			Expect(total).To(BeEquivalentTo(1))
		}, SpecTimeout(specTimeout))

		It("has one broker at a time", func() {
			dir := GinkgoT().TempDir()
			first := start(devbroker.DataDir(dir))
			_, err := devbroker.Start(devbroker.DataDir(dir))
			Expect(err).To(MatchError(And(ContainSubstring(dir), ContainSubstring("another broker's"))))
			first.Close()
			start(devbroker.DataDir(dir))
		})

		It("refuses a folder of somebody else", func() {
			dir := GinkgoT().TempDir()
			Expect(os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o600)).To(Succeed())
			_, err := devbroker.Start(devbroker.DataDir(dir))
			Expect(err).To(MatchError(And(ContainSubstring("thesis.tex"), ContainSubstring("empty folder"))))
			_, err = devbroker.Start(devbroker.DataDir(filepath.Join(dir, "thesis.tex", "data")))
			Expect(err).To(MatchError(ContainSubstring("thesis.tex")))
		})

		It("complains when it cannot write", func(ctx SpecContext) {
			dir := filepath.Join(GinkgoT().TempDir(), "data")
			complaints := make(chan string, 100)
			b := start(devbroker.DataDir(dir), devbroker.Topic("a", 1), devbroker.Complaints(func(what string) {
				select {
				case complaints <- what:
				default:
				}
			}))
			Expect(os.RemoveAll(dir)).To(Succeed())
			Expect(os.WriteFile(dir, nil, 0o600)).To(Succeed())
			_ = connect(b, kgo.DefaultProduceTopic("a")).ProduceSync(ctx, kgo.StringRecord("one")).FirstErr() // whatever the broker answers
			Eventually(complaints).Should(Receive(ContainSubstring(dir)))
		}, SpecTimeout(specTimeout))
	})

	It("makes topics of as many partitions as it is told, where nobody says how many", func(ctx SpecContext) {
		cl := connect(start(devbroker.DefaultPartitions(4)))
		topic, err := kadm.NewClient(cl).CreateTopic(ctx, -1, -1, nil, "a")
		Expect(err).NotTo(HaveOccurred())
		Expect(topic.NumPartitions).To(BeEquivalentTo(4))
	}, SpecTimeout(specTimeout))

	It("frees its port when it is closed, and may be closed twice", func() {
		b := start()
		addr := b.Addrs()[0]
		b.Close()
		b.Close()
		_, err := net.DialTimeout("tcp", addr, time.Second)
		Expect(err).To(HaveOccurred())
	})
})
