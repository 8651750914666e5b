package engine_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/router"
)

// trim deletes the records of a partition before an offset.
func (c *cluster) trim(topic string, partition int32, before int64) {
	c.t.Helper()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: before})
	_, err := c.admin.DeleteRecords(c.t.Context(), offsets)
	c.g.Expect(err).NotTo(HaveOccurred())
}

// renew takes a client that does not know the ids of deleted topics.
func (c *cluster) renew() {
	c.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	c.g.Expect(err).NotTo(HaveOccurred())
	c.t.Cleanup(cl.Close)
	c.cl, c.admin = cl, kadm.NewClient(cl)
}

// commit stores an offset as another program would.
func (c *cluster) commit(group, topic string, partition int32, at int64) {
	c.t.Helper()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: at, LeaderEpoch: -1})
	c.g.Expect(c.admin.CommitAllOffsets(c.t.Context(), group, offsets)).To(Succeed())
}

func stopOnGap() option {
	return withConfig(func(cfg *config.Config) { cfg.Fetch.OnGap = config.StopOnGap })
}

func awaitFatal(t *testing.T, p *process) error {
	t.Helper()
	select {
	case <-p.Failed():
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
	return p.Err()
}

func TestF39_CommittedOffsetBelowTheLogIsAGap(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 100)
	c.commit("g", "a", 0, 10)
	c.trim("a", 0, 40)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")))
	gap := await[callbacks.Gap](t, p.events, 1)[0]
	g := NewWithT(t)
	g.Expect(gap).To(Equal(callbacks.Gap{
		Where: callbacks.Where{Group: "g", Topic: "a"}, From: 10, To: 40, Reason: callbacks.GapRetention,
	}))
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 100 })
	p.stop()
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(100)[40:]))
	g.Expect(of[callbacks.Gap](p.events)).To(HaveLen(1))
}

func TestF39_StopsForAGapWhereThatIsThePolicy(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 100)
	c.commit("g", "a", 0, 10)
	c.trim("a", 0, 40)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), stopOnGap())
	g := NewWithT(t)
	g.Expect(awaitFatal(t, p)).To(MatchError(`group "g": a/0: records from offset 10 on are gone (retention), the next would be 40, ` +
		`and fetch.on_gap is stop`))
	p.stop()
	g.Expect(j.all()).To(BeEmpty())
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10), "for who looks")
}

func TestF40_CommittedOffsetBeyondTheLogIsTold(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 50)
	c.commit("g", "a", 0, 1000) // nobody knows by which topic
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")))
	gap := await[callbacks.Gap](t, p.events, 1)[0]
	g := NewWithT(t)
	g.Expect(gap.Reason).To(Equal(callbacks.GapBeyond))
	g.Expect(gap.From).To(BeEquivalentTo(1000))
	g.Expect(gap.To).To(BeZero(), "nothing is lost: it may be another topic")
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 50 })
	p.stop()
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(50)))
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(50))
}

func TestF40_StopsForAnOffsetBeyondTheLogWhereThatIsThePolicy(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 50)
	c.commit("g", "a", 0, 1000)
	p := c.run(t, each("a", newJournal().handler("m")), stopOnGap())
	g := NewWithT(t)
	g.Expect(awaitFatal(t, p)).To(MatchError(ContainSubstring("beyond the end")))
	p.stop()
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(1000))
}

func TestF42_TopicDeletedWhileRunning(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.topic("b", 2)
	j := newJournal()
	p := c.run(t, eachOf([]string{"a", "b"}, j.handler("m")))
	c.produce("a", 0, 10)
	c.produce("b", 0, 10)
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Topic == "a" && e.Offset == 10 })
	_, err := c.admin.DeleteTopics(t.Context(), "a")
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	await(t, p.events, 1, func(e callbacks.TopicMissing) bool { return e.Topic == "a" })
	await(t, p.events, 2, func(e callbacks.Revoked) bool { return e.Topic == "a" })
	c.produce("b", 0, 10)
	c.produce("b", 1, 10)
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Topic == "b" && e.Partition == 0 && e.Offset == 20 })
	j.awaitRecords(t, 40)
	p.stop()
	g.Expect(of(p.events, func(e callbacks.CommitFailed) bool { return e.Topic == "a" })).To(BeEmpty(), "nothing is committed onto it")
}

func TestF43_TopicRecreatedWhileRunning(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")))
	c.produce("a", 0, 10)
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 10 })
	g := NewWithT(t)
	_, err := c.admin.DeleteTopics(t.Context(), "a")
	g.Expect(err).NotTo(HaveOccurred())
	c.topic("a", 1)
	c.renew()
	c.produce("a", 0, 25)
	g.Eventually(func() int {
		return len(of[callbacks.TopicRecreated](p.events)) + len(of[callbacks.TopicMissing](p.events))
	}, patience).Should(BeNumerically(">", 0), "it is told")
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 25 })
	p.stop()
	g.Expect(j.offsets("a", 0)).To(Equal(append(sequence(10), sequence(25)...)))
}

func TestF43_TopicRecreatedWhileRunningStartsAtItsFirstRecord(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 3)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m"), func(r *router.Route) { r.StartAt(router.Latest) }))
	await[callbacks.Positioned](t, p.events, 1)
	c.produce("a", 0, 5)
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 8 })
	g := NewWithT(t)
	_, err := c.admin.DeleteTopics(t.Context(), "a")
	g.Expect(err).NotTo(HaveOccurred())
	await[callbacks.Revoked](t, p.events, 1)
	_, err = c.admin.DeleteOffsets(t.Context(), "g", kadm.TopicsSet{"a": {0: {}}}) // as Apache Kafka does with the topic
	g.Expect(err).NotTo(HaveOccurred())
	c.topic("a", 1)
	c.renew()
	c.produce("a", 0, 4)
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 4 })
	p.stop()
	g.Expect(j.offsets("a", 0)).To(Equal([]int64{3, 4, 5, 6, 7, 0, 1, 2, 3}))
}

func TestF43_TopicRecreatedWhileStopped(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")))
	c.produce("a", 0, 10)
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 10 })
	p.stop()
	g := NewWithT(t)
	was, err := c.admin.FetchOffsets(t.Context(), "g")
	g.Expect(err).NotTo(HaveOccurred())
	_, err = c.admin.DeleteTopics(t.Context(), "a")
	g.Expect(err).NotTo(HaveOccurred())
	c.topic("a", 1)
	c.renew()
	c.produce("a", 0, 25)
	g.Expect(c.admin.CommitAllOffsets(t.Context(), "g", was.Offsets())).To(Succeed(), "a broker that has not purged the old offset")

	again := c.run(t, each("a", j.handler("m")))
	at := await[callbacks.Positioned](t, again.events, 1)[0]
	g.Expect(at.Offset).To(BeZero())
	g.Expect(at.Start).To(Equal("topic made anew"))
	await(t, again.events, 1, func(e callbacks.Committed) bool { return e.Offset == 25 })
	again.stop()
	g.Expect(j.offsets("a", 0)).To(Equal(append(sequence(10), sequence(25)...)))
}

func TestF44_OffsetsOfTheGroupAreGone(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]router.Start{"earliest": router.Earliest, "latest": router.Latest} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			c.produce("a", 0, 10)
			j := newJournal()
			draw := each("a", j.handler("m"), func(r *router.Route) { r.StartAt(router.Earliest) })
			p := c.run(t, draw)
			await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 10 })
			p.stop()
			g := NewWithT(t)
			_, err := c.admin.DeleteGroups(t.Context(), "g")
			g.Expect(err).NotTo(HaveOccurred())
			again := c.run(t, each("a", j.handler("m"), func(r *router.Route) { r.StartAt(start) }))
			at := await[callbacks.Positioned](t, again.events, 1)[0]
			g.Expect(at.Committed).To(BeFalse(), "told")
			g.Expect(at.Start).To(Equal(name))
			await(t, again.events, 1, func(e callbacks.Committed) bool { return e.Offset == 10 })
			again.stop()
		})
	}
}

func TestPatternFindsTopicsWhileRunning(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("orders.eu", 1)
	c.topic("orders.mail", 1)
	c.topic("other", 1)
	for _, topic := range []string{"orders.eu", "orders.mail", "other"} {
		c.produce(topic, 0, 5)
	}
	all, mail := newJournal(), newJournal()
	p := c.run(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Pattern(`orders\..*`).Each(all.handler("all")).StartAt(router.Latest)
			g.Topic("orders.mail").Each(mail.handler("mail"))
		})
	})
	mail.awaitRecords(t, 5)
	await(t, p.events, 1, func(e callbacks.Positioned) bool { return e.Topic == "orders.eu" })
	c.topic("orders.us", 2)
	c.produce("orders.us", 1, 7)
	await(t, p.events, 1, func(e callbacks.TopicFound) bool { return e.Topic == "orders.us" })
	all.awaitRecords(t, 7)
	c.produce("orders.eu", 0, 1)
	all.awaitRecords(t, 8)
	p.stop()
	g := NewWithT(t)
	g.Expect(all.offsets("orders.us", 1)).To(Equal(sequence(7)), "from the first record, though it starts at the latest")
	g.Expect(all.offsets("orders.eu", 0)).To(Equal([]int64{5}))
	g.Expect(all.offsets("orders.mail", 0)).To(BeEmpty(), "it has a route of its own")
	g.Expect(all.offsets("other", 0)).To(BeEmpty())
}

func TestPatternSurvivesWithoutAnyTopic(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	j := newJournal()
	p := c.run(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) { g.Pattern(`orders\..*`).Each(j.handler("m")).Concurrency(1, router.ByPartition) })
	})
	c.topic("orders.eu", 1)
	c.produce("orders.eu", 0, 3)
	j.awaitRecords(t, 3)
	p.stop()
}

func TestF88_MissingTopicsAreCreatedAsDeclared(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	j := newJournal()
	p := c.run(t, func(r *router.Router) {
		r.Declare("a", router.Partitions(5), router.Replication(1), router.TopicConfig("retention.ms", "3600000"))
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Each(j.handler("m"))
			g.Topic("b").Each(consumer.HandlerFunc(j.handler("m").Handle))
		})
	}, withSettings(func(s *engine.Settings) { s.MissingTopics = engine.MissingCreate }))
	await[callbacks.Positioned](t, p.events, 5)
	g := NewWithT(t)
	topics, err := c.admin.ListTopics(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(topics["a"].Partitions).To(HaveLen(5))
	g.Expect(topics.Has("b")).To(BeTrue())
	configs, err := c.admin.DescribeTopicConfigs(t.Context(), "a")
	g.Expect(err).NotTo(HaveOccurred())
	for _, entry := range configs[0].Configs {
		if entry.Key == "retention.ms" {
			g.Expect(*entry.Value).To(Equal("3600000"))
		}
	}
	p.stop()
}
