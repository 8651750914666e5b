package engine_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/router"
)

// lag returns what is known of a partition's lag: -1 while it is unknown.
func (p *process) lag(topic string, partition int32) func() int64 {
	return func() int64 {
		for _, s := range p.Status() {
			if s.Topic == topic && s.Partition == partition && s.HighWatermark >= 0 {
				return s.Lag
			}
		}
		return -1
	}
}

func TestF94_LagIsKnownAndReachesZero(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 3)
	c.topic("b", 1)
	c.produce("a", 0, 10)
	c.commit("g", "a", 0, 10)
	j := newJournal()
	p := c.run(t, eachOf([]string{"a", "b"}, j.handler("m")))
	await[callbacks.Positioned](t, p.events, 4)
	g := NewWithT(t)
	zero := func(topic string, partition int32, why string) {
		t.Helper()
		g.Eventually(p.lag(topic, partition), patience).Should(BeZero(), why)
	}
	zero("a", 0, "a partition that is idle since before the start")
	zero("a", 1, "an empty one")

	g.Expect(p.PauseTopic("g", "b")).To(Succeed())
	c.produce("b", 0, 5)
	await(t, p.events, 1, func(e callbacks.Fetched) bool { return e.Topic == "b" })
	g.Expect(p.lag("b", 0)()).To(BeEquivalentTo(5), "a paused one")
	c.produce("b", 0, 5)
	g.Eventually(p.lag("b", 0), patience).Should(BeEquivalentTo(10))
	g.Expect(p.ResumeTopic("g", "b")).To(Succeed())
	zero("b", 0, "resumed")

	c.transact(t, "a", 1, 10, kgo.TryCommit)
	c.transact(t, "a", 1, 10, kgo.TryAbort)
	j.await(t, "both transactions", func(j *journal) bool { return len(j.offsets("a", 1)) >= 10 })
	zero("a", 1, "after markers of transactions")

	g.Expect(c.grow("a", 4)).To(Succeed())
	await(t, p.events, 1, func(e callbacks.Positioned) bool { return e.Partition == 3 })
	zero("a", 3, "a new one")
	p.stop()
}

func TestF94_LagAfterAGapOfRetention(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	c.commit("g", "a", 0, 2)
	c.trim("a", 0, 10)
	p := c.run(t, each("a", newJournal().handler("m"), func(*router.Route) {}))
	await[callbacks.Gap](t, p.events, 1)
	NewWithT(t).Eventually(p.lag("a", 0), patience).Should(BeZero())
	p.stop()
}

// transact writes n records to a partition in a transaction.
func (c *cluster) transact(t *testing.T, topic string, partition int32, n int, end kgo.TransactionEndTry) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.TransactionalID(t.Name()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	c.g.Expect(err).NotTo(HaveOccurred())
	defer cl.Close()
	c.g.Expect(cl.BeginTransaction()).To(Succeed())
	for i := range n {
		r := record(topic, partition, string(rune('a'+i)))
		cl.Produce(t.Context(), r, nil)
	}
	c.g.Expect(cl.Flush(t.Context())).To(Succeed())
	c.g.Expect(cl.EndTransaction(t.Context(), end)).To(Succeed())
}

func (c *cluster) grow(topic string, partitions int) error {
	_, err := c.admin.UpdatePartitions(context.Background(), partitions, topic)
	return err
}
