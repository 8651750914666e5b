//go:build apache

// Faults of real brokers: they are stopped, killed and frozen. make test-kafka runs these.

package engine_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/tools/kafka"
)

// apache starts brokers for one test.
func apache(t *testing.T, o kafka.Options) (*cluster, *kafka.Cluster) {
	t.Helper()
	k, err := kafka.Start(t.Context(), o)
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = k.Close() })
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(50*time.Millisecond))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(cl.Close)
	return &cluster{addrs: k.Addrs(), t: t, g: g, admin: kadm.NewClient(cl), cl: cl}, k
}

// stream produces into all partitions of a topic until stop, which returns how many records each has.
func (c *cluster) stream(topic string, partitions int32) (stop func() []int) {
	quit, done := make(chan struct{}), make(chan struct{})
	counts := make([]int, partitions)
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
			case <-quit:
				return
			}
			var all sync.WaitGroup
			for p := range partitions {
				all.Go(func() {
					r := &kgo.Record{Topic: topic, Partition: p, Key: fmt.Appendf(nil, "k%d", p), Value: fmt.Append(nil, i)}
					if c.cl.ProduceSync(context.Background(), r).FirstErr() == nil {
						counts[p]++
					}
				})
			}
			all.Wait()
		}
	}()
	return func() []int {
		close(quit)
		<-done
		return counts
	}
}

// expectAll waits until everything is handled, and expects it in order, and once unless repeats are allowed.
func (c *cluster) expectAll(j *journal, topic string, counts []int, once bool) {
	c.t.Helper()
	for p, n := range counts {
		j.await(c.t, fmt.Sprintf("%d records of partition %d", n, p), func(j *journal) bool {
			at := j.offsets(topic, int32(p))
			return len(at) > 0 && at[len(at)-1] >= int64(n-1)
		})
		next := int64(0)
		for _, at := range j.offsets(topic, int32(p)) {
			c.g.Expect(at).To(BeNumerically("<=", next), "partition %d: nothing is left out", p)
			if once {
				c.g.Expect(at).To(Equal(next), "partition %d: once", p)
			}
			next = max(next, at+1)
		}
	}
}

func TestF26_RollingBounceOfThreeBrokers(t *testing.T) {
	c, k := apache(t, kafka.Options{Brokers: 3})
	c.topic("a", 6)
	j := newJournal()
	one, two := c.run(t, each("a", j.handler("one"))), c.run(t, each("a", j.handler("two")))
	for _, p := range []*process{one, two} {
		await[callbacks.Positioned](t, p.events, 3)
	}
	g := NewWithT(t)
	g.Eventually(func() int { return len(one.assignedTo("a")) }, patience).Should(Equal(3))
	grants := len(of[callbacks.Assigned](one.events)) + len(of[callbacks.Assigned](two.events))
	stop := c.stream("a", 6)
	for _, b := range k.Brokers() {
		g.Expect(b.Stop(t.Context())).To(Succeed())
		g.Expect(b.Start(t.Context())).To(Succeed())
	}
	counts := stop()
	c.expectAll(j, "a", counts, true)
	g.Expect(len(of[callbacks.Assigned](one.events))+len(of[callbacks.Assigned](two.events))).To(Equal(grants), "no rebalance")
	g.Expect(one.Err()).NotTo(HaveOccurred())
	g.Expect(two.Err()).NotTo(HaveOccurred())
	one.stop()
	two.stop()
}

func TestF27_BrokersKilledOneAfterTheOther(t *testing.T) {
	c, k := apache(t, kafka.Options{Brokers: 3})
	c.topic("a", 6)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")))
	await[callbacks.Positioned](t, p.events, 6)
	stop := c.stream("a", 6)
	g := NewWithT(t)
	for _, b := range k.Brokers() {
		g.Expect(b.Kill()).To(Succeed())
		before := len(j.all())
		j.await(t, "others go on", func(j *journal) bool { return len(j.all()) > before+100 })
		g.Expect(b.Start(t.Context())).To(Succeed())
	}
	c.expectAll(j, "a", stop(), false)
	g.Expect(p.Err()).NotTo(HaveOccurred())
	p.stop()
}

func TestF31_AllBrokersAreFrozenForLongerThanASession(t *testing.T) {
	c, k := apache(t, kafka.Options{Brokers: 3})
	c.topic("a", 6)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), withConfig(func(cfg *config.Config) { cfg.Kafka.RequestTimeout = 5 * time.Second }))
	await[callbacks.Positioned](t, p.events, 6)
	stop := c.stream("a", 6)
	j.awaitRecords(t, 100)
	g := NewWithT(t)
	for _, b := range k.Brokers() {
		g.Expect(b.Freeze()).To(Succeed())
	}
	await(t, p.events, 1, func(callbacks.CommitFailed) bool { return true })
	<-time.After(20 * time.Second) // three sessions long
	_, most := p.buffered("g")
	told := len(of[callbacks.FetchFailed](p.events))
	for _, b := range k.Brokers() {
		g.Expect(b.Thaw()).To(Succeed())
	}
	before := len(j.all())
	j.await(t, "it goes on by itself", func(j *journal) bool { return len(j.all()) > before+100 })
	c.expectAll(j, "a", stop(), false)
	g.Expect(p.Err()).NotTo(HaveOccurred())
	g.Expect(told).To(BeNumerically("<", 100), "not a line for every attempt")
	g.Expect(most).To(BeNumerically("<=", config.Default().Fetch.MaxBufferedBytes))
	p.stop()
}

func TestF18_LiveMigrationOfTheProtocolAndBack(t *testing.T) {
	c, _ := apache(t, kafka.Options{Brokers: 1})
	c.topic("a", 4)
	j := newJournal()
	members := []*process{c.run(t, each("a", j.handler("m"))), c.run(t, each("a", j.handler("m")))}
	for _, p := range members {
		await[callbacks.Positioned](t, p.events, 2)
	}
	stop := c.stream("a", 4)
	for _, to := range [][]option{{nextGeneration()}, nil} {
		for i := range members {
			members[i].stop()
			members[i] = c.run(t, each("a", j.handler("m")), to...)
			await[callbacks.Positioned](t, members[i].events, 2)
			before := len(j.all())
			j.await(t, "the group goes on", func(j *journal) bool { return len(j.all()) > before+100 })
		}
	}
	c.expectAll(j, "a", stop(), true)
	for _, p := range members {
		p.stop()
	}
}

func TestF36_ThrottledByAQuota(t *testing.T) {
	inEveryOrder(t, throttledByAQuota)
}

func throttledByAQuota(t *testing.T, o ordering) {
	t.Helper()
	const n = 300
	c, _ := apache(t, kafka.Options{Brokers: 1})
	c.topic("a", 1)
	recs := keyed("a", 0, n, 10)
	for _, r := range recs {
		r.Value = make([]byte, 10<<10)
		_, _ = rand.Read(r.Value) // the quota counts compressed bytes
	}
	c.send(recs...)
	rate := func(remove bool) {
		results, err := c.admin.AlterClientQuotas(t.Context(), []kadm.AlterClientQuotaEntry{{
			Entity: kadm.ClientQuotaEntity{{Type: "client-id", Name: nil}},
			Ops:    []kadm.AlterClientQuotaOp{{Key: "consumer_byte_rate", Value: 200_000, Remove: remove}},
		}})
		c.g.Expect(err).NotTo(HaveOccurred())
		for _, r := range results {
			c.g.Expect(r.Err).NotTo(HaveOccurred())
		}
	}
	rate(false)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m"), o.draw...), withConfig(func(cfg *config.Config) { cfg.Fetch.MaxPartitionBytes = 64 << 10 }))
	j.awaitRecords(t, 100)
	g := NewWithT(t)
	g.Expect(of[callbacks.Revoked](p.events)).To(BeEmpty())
	g.Expect(of[callbacks.FetchFailed](p.events)).To(BeEmpty())
	rate(true)
	o.nothingIsLeftOut(t, j, 1, n)
	p.stop()
	g.Expect(j.offsets("a", 0)).To(HaveLen(n), "each once")
}

func TestF47_ReassignmentToOtherBrokers(t *testing.T) {
	c, _ := apache(t, kafka.Options{Brokers: 3})
	c.g.Expect(c.admin.CreateTopic(t.Context(), 3, 1, map[string]*string{"min.insync.replicas": new("1")}, "a")).Error().NotTo(HaveOccurred())
	j := newJournal()
	g := NewWithT(t)
	g.Eventually(func(g Gomega) {
		topics, err := c.admin.ListTopics(t.Context(), "a")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(topics["a"].Partitions).To(HaveLen(3))
	}, patience).Should(Succeed())
	p := c.run(t, each("a", j.handler("m")))
	await[callbacks.Positioned](t, p.events, 3)
	stop := c.stream("a", 3)
	for round := range int32(3) {
		var change kadm.AlterPartitionAssignmentsReq
		for id := range int32(3) {
			change.Assign("a", id, []int32{(id+round)%3 + 1})
		}
		_, err := c.admin.AlterPartitionAssignments(t.Context(), change)
		g.Expect(err).NotTo(HaveOccurred())
		before := len(j.all())
		j.await(t, "it goes on", func(j *journal) bool { return len(j.all()) > before+100 })
	}
	c.expectAll(j, "a", stop(), true)
	g.Expect(of[callbacks.Gap](p.events)).To(BeEmpty())
	p.stop()
}

func TestF41_UncleanElectionCutsTheLogOff(t *testing.T) {
	c, k := apache(t, kafka.Options{Brokers: 3})
	g := NewWithT(t)
	g.Expect(c.admin.CreateTopic(t.Context(), 1, 2, map[string]*string{
		"min.insync.replicas": new("1"), "unclean.leader.election.enable": new("true"),
	}, "a")).Error().NotTo(HaveOccurred())
	var replicas []int32
	leader := int32(-1)
	g.Eventually(func(g Gomega) {
		topics, err := c.admin.ListTopics(t.Context(), "a")
		g.Expect(err).NotTo(HaveOccurred())
		at, ok := topics["a"].Partitions[0]
		g.Expect(ok).To(BeTrue())
		g.Expect(at.ISR).To(HaveLen(2))
		replicas, leader = at.Replicas, at.Leader
	}, patience).Should(Succeed())
	broker := func(id int32) *kafka.Broker { return k.Brokers()[id-1] }
	follower := replicas[0]
	if follower == leader {
		follower = replicas[1]
	}
	loose, err := kgo.NewClient(kgo.SeedBrokers(k.Addrs()...), kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite(),
		kgo.DefaultProduceTopic("a"), kgo.MetadataMinAge(50*time.Millisecond))
	g.Expect(err).NotTo(HaveOccurred())
	defer loose.Close()
	produce := func(text string, n int) {
		for i := range n {
			g.Expect(loose.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprint(text, i))).FirstErr()).To(Succeed())
		}
	}
	produce("kept ", 50)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), withConfig(func(cfg *config.Config) { cfg.Group.SessionTimeout = 45 * time.Second }))
	j.awaitRecords(t, 50)
	g.Expect(broker(follower).Stop(t.Context())).To(Succeed())
	produce("cut off ", 50) // the leader alone has them
	j.awaitRecords(t, 100)
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 100 })
	g.Expect(broker(leader).Kill()).To(Succeed())
	g.Expect(broker(follower).Start(t.Context())).To(Succeed())
	g.Eventually(func(g Gomega) {
		topics, err := c.admin.ListTopics(t.Context(), "a")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(topics["a"].Partitions[0].Leader).To(Equal(follower))
	}, patience).Should(Succeed())
	produce("new ", 20)
	j.await(t, "what was written since", func(j *journal) bool {
		all := j.all()
		return all[len(all)-1].value == "new 19"
	})
	var since []string
	for _, e := range j.all() {
		if e.value[:3] == "new" {
			since = append(since, e.value)
		}
	}
	g.Expect(since).To(HaveLen(20))
	gaps := of[callbacks.Gap](p.events)
	g.Expect(gaps).NotTo(BeEmpty())
	g.Expect(gaps[0].To).To(BeEquivalentTo(50), "where the logs part")
	g.Eventually(func() int64 { return c.committed("g", "a", 0) }, patience).Should(BeEquivalentTo(70))
	p.stop()
}
