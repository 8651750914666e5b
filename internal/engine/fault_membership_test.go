package engine_test

import (
	"context"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

func TestF15_SlowRevokeHookIsBounded(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	hold := make(chan struct{})
	defer close(hold)
	first := c.run(t, each("a", newJournal().handler("first")), withSettings(func(s *engine.Settings) {
		s.Hooks = append(s.Hooks, callbacks.Hooks{OnRevoked: func(context.Context, string, callbacks.Partitions) error {
			<-hold // ignores its context
			return nil
		}})
	}))
	await[callbacks.Assigned](t, first.events, 2)
	second := c.run(t, each("a", newJournal().handler("second")))
	await[callbacks.Assigned](t, second.events, 1)
	await(t, first.events, 1, func(e callbacks.HookFailed) bool { return e.Hook == "OnRevoked" })
	NewWithT(t).Expect(of(first.events, func(e callbacks.Revoked) bool { return e.Lost })).To(BeEmpty(), "the member was not kicked")
}

func TestF16_HandlerSlowerThanTheSessionKeepsItsPartition(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	stuck := newGate()
	defer stuck.release()
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if m.Record.Partition == 0 {
			stuck.hold(m)
		}
		j.note("m", m)
		return nil
	})), withConfig(func(cfg *config.Config) {
		cfg.Group.SessionTimeout, cfg.Group.RebalanceTimeout, cfg.Group.Drain = 400*time.Millisecond, time.Second, 500*time.Millisecond
		cfg.Group.HeartbeatInterval = 50 * time.Millisecond
	}))
	beats := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Count: -1, Observe: true})
	c.produce("a", 0, 1)
	<-stuck.entered
	start := beats.Hits()
	g := NewWithT(t)
	g.Expect(beats.Wait(t.Context(), start+40)).To(Succeed(), "heartbeats go on for five sessions")
	c.produce("a", 1, 50)
	j.awaitRecords(t, 50)
	stuck.release()
	j.awaitRecords(t, 51)
	g.Expect(of[callbacks.Revoked](p.events)).To(BeEmpty())
	g.Eventually(func() int64 { return c.committed("g", "a", 0) }, patience).Should(BeEquivalentTo(1))
}

func TestF17_KickedMemberRejoinsAndDropsItsStaleResult(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 1)
	stuck := newGate()
	defer stuck.release()
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		j.note("m", m)
		if len(j.all()) == 1 {
			stuck.hold(m) // longer than everything
		}
		return nil
	})))
	<-stuck.entered
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "a", Err: kerr.UnknownMemberID, Count: 1})
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID})
	await[callbacks.Revoked](t, p.events, 1)
	await[callbacks.Assigned](t, p.events, 2)
	stuck.release()
	await[callbacks.Stale](t, p.events, 1)
	j.await(t, "the record in the new epoch", func(j *journal) bool { return len(j.all()) == 2 })
	NewWithT(t).Eventually(func() int64 { return c.committed("g", "a", 0) }, patience).Should(BeEquivalentTo(1))
}

func TestF20_NewPartitionIsConsumedFromItsFirstRecord(t *testing.T) {
	t.Parallel()
	for _, start := range []router.Start{router.Latest, router.Earliest} {
		t.Run(start.String(), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			c.produce("a", 0, 5)
			j := newJournal()
			p := c.run(t, each("a", j.handler("m"), func(r *router.Route) { r.StartAt(start) }))
			await[callbacks.Positioned](t, p.events, 1)
			g := NewWithT(t)
			// Records are in the new partition before the group can know of it.
			_, err := c.admin.CreatePartitions(t.Context(), 1, "a")
			g.Expect(err).NotTo(HaveOccurred())
			g.Eventually(func() error {
				c.cl.ForceMetadataRefresh() // a broker may have told of the topic as it was
				return c.cl.ProduceSync(t.Context(), record("a", 1, "first")).FirstErr()
			}, patience).Should(Succeed())
			j.await(t, "the new partition's first record", func(j *journal) bool { return slices.Contains(j.offsets("a", 1), 0) })
			at := await(t, p.events, 1, func(e callbacks.Positioned) bool { return e.Partition == 1 })[0]
			g.Expect(at.Offset).To(BeEquivalentTo(0))
			g.Expect(at.Committed).To(BeFalse())
			if start.IsLatest() {
				g.Expect(j.offsets("a", 0)).To(BeEmpty())
				g.Expect(at.Start).To(Equal("new partition"))
			}
		})
	}
}

func TestF21_IdleMemberTakesOver(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	j := newJournal()
	first := c.run(t, each("a", j.handler("first")))
	await[callbacks.Assigned](t, first.events, 1)
	second := c.run(t, each("a", j.handler("second")))
	await(t, second.events, 1, func(e callbacks.Joined) bool { return e.Partitions == 0 })
	first.stop()
	await[callbacks.Assigned](t, second.events, 1)
	c.produce("a", 0, 10)
	j.awaitRecords(t, 10)
	NewWithT(t).Expect(j.all()[0].member).To(Equal("second"))
}

func TestF24_TwoAppsWithOneGroupAndDifferentTopics(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.topic("b", 2)
	j := newJournal()
	c.run(t, each("a", j.handler("first")))
	c.run(t, each("b", j.handler("second")))
	for p := range int32(2) {
		c.produce("a", p, 50)
		c.produce("b", p, 50)
	}
	j.awaitRecords(t, 200)
	for _, e := range j.all() {
		NewWithT(t).Expect(e.member).To(Equal(map[string]string{"a": "first", "b": "second"}[e.topic]))
	}
}

// strange is a client that once returns records of a partition that is not assigned.
type strange struct {
	kafka.Consumer

	said bool
}

func (s *strange) PollRecords(ctx context.Context, n int) kgo.Fetches {
	if s.said {
		return s.Consumer.PollRecords(ctx, n)
	}
	s.said = true
	return kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: "a", Partitions: []kgo.FetchPartition{{
		Partition: 7, Records: []*kgo.Record{{Topic: "a", Partition: 7, Offset: 3}},
	}}}}}}
}

type strangeConnector struct{ *kafka.Cluster }

func (s strangeConnector) Consumer(g kafka.Group, cb kafka.Callbacks) (kafka.Consumer, error) {
	cl, err := s.Cluster.Consumer(g, cb)
	return &strange{Consumer: cl}, err
}

func TestF25_RecordOfAnUnassignedPartitionIsDropped(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), withConnector(func(k *kafka.Cluster) kafka.Connector { return strangeConnector{k} }))
	j.awaitRecords(t, 10)
	e := await[callbacks.Unassigned](t, p.events, 1)[0]
	g := NewWithT(t)
	g.Expect(e.Partition).To(BeEquivalentTo(7))
	g.Expect(e.Count).To(Equal(1))
	p.stop()
	g.Expect(j.offsets("a", 7)).To(BeEmpty())
	g.Expect(c.committed("g", "a", 7)).To(BeEquivalentTo(-1))
}

func TestF28_LeaderChangeMidFetch(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.NumBrokers(3))
	c.topic("a", 1)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")))
	const rounds, n = 6, 200
	for i := range rounds {
		c.produce("a", 0, n)
		NewWithT(t).Expect(c.fake().MoveTopicPartition("a", 0, (c.fake().LeaderFor("a", 0)+1)%3)).To(Succeed())
		j.awaitRecords(t, (i+1)*n)
	}
	p.stop()
	NewWithT(t).Expect(j.offsets("a", 0)).To(Equal(sequence(rounds * n)))
	NewWithT(t).Expect(of[callbacks.Revoked](p.events, func(e callbacks.Revoked) bool { return e.Lost })).To(BeEmpty())
}

func TestF29_CoordinatorMovesAndLoads(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.NumBrokers(3))
	c.topic("a", 2)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")))
	c.produce("a", 0, 100)
	j.awaitRecords(t, 100)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "a", Err: kerr.CoordinatorLoadInProgress, Count: 3})
	c.fake().RehashCoordinators()
	c.produce("a", 1, 100)
	j.awaitRecords(t, 200)
	g := NewWithT(t)
	g.Eventually(func() int64 { return c.committed("g", "a", 1) }, patience).Should(BeEquivalentTo(100))
	p.stop()
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(100))
}

func TestF38_OffsetFetchErrorNeverMeansStart(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]kfake.Fault{
		"coordinator loading": {TopLevel: true, Err: kerr.CoordinatorLoadInProgress, Count: 3},
		"unstable offset":     {Topic: "a", Err: kerr.UnstableOffsetCommit, Count: 1},
		"not authorised":      {Topic: "a", Err: kerr.TopicAuthorizationFailed, Count: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			c.produce("a", 0, 100)
			old := newJournal()
			before := c.run(t, each("a", old.handler("m")))
			old.awaitRecords(t, 100)
			before.stop()
			fault.Keys = []kmsg.Key{kmsg.OffsetFetch}
			faults := c.Fault(fault)
			j := newJournal()
			p := c.run(t, each("a", j.handler("m")))
			NewWithT(t).Expect(faults.Wait(t.Context(), fault.Count)).To(Succeed())
			c.produce("a", 0, 5)
			j.awaitRecords(t, 5)
			NewWithT(t).Expect(j.offsets("a", 0)).To(Equal([]int64{100, 101, 102, 103, 104}))
			if fault.Err == kerr.TopicAuthorizationFailed {
				await(t, p.events, 1, func(e callbacks.FetchFailed) bool { return e.Topic == "a" })
			}
		})
	}
}
