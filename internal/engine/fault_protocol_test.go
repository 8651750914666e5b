package engine_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/config"
)

// nextGeneration is a member of the protocol of KIP-848.
func nextGeneration() option {
	return withConfig(func(cfg *config.Config) { cfg.Group.Protocol = config.Consumer })
}

func static(id string) option {
	return withConfig(func(cfg *config.Config) { cfg.Group.InstanceID = id })
}

func TestF03_JoinDuplicatesNothing(t *testing.T) {
	t.Parallel()
	joinsWithoutDuplicates(t, config.CooperativeSticky, nextGeneration())
}

func TestF03_JoinsAndLeavesKeepEveryInvariant(t *testing.T) {
	t.Parallel()
	keepsEveryInvariant(t, config.CooperativeSticky, nextGeneration())
}

func TestF03_StaleCommitIsRepeated(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "a", Err: kerr.StaleMemberEpoch, Count: 2})
	c.produce("a", 0, 100)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), nextGeneration())
	j.awaitRecords(t, 100)
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 100 })
	p.stop()
	NewWithT(t).Expect(j.offsets("a", 0)).To(Equal(sequence(100)))
}

func TestF08_ResultsOfACommitCountPerPartition(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	fault := c.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "a", Partitions: []int32{0}, Err: kerr.StaleMemberEpoch, Count: -1,
	})
	c.produce("a", 0, 10)
	c.produce("a", 1, 10)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), nextGeneration())
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Partition == 1 && e.Offset == 10 })
	g := NewWithT(t)
	g.Expect(of(p.events, func(e callbacks.Committed) bool { return e.Partition == 0 })).To(BeEmpty())
	fault.Remove()
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Partition == 0 && e.Offset == 10 })
	p.stop()
	g.Expect(j.unique()).To(Equal(20))
}

func TestF08_FencedMemberDropsEverythingAndJoinsAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), nextGeneration())
	await[callbacks.Positioned](t, p.events, 2)
	c.produce("a", 0, 10)
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Partition == 0 && e.Offset == 10 })
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ConsumerGroupHeartbeat}, Group: "g", Err: kerr.FencedMemberEpoch, Count: 1})
	await(t, p.events, 2, func(e callbacks.Revoked) bool { return e.Lost })
	await(t, p.events, 4, func(callbacks.Positioned) bool { return true })
	c.produce("a", 0, 10)
	c.produce("a", 1, 10)
	j.awaitRecords(t, 30)
	p.stop()
	g := NewWithT(t)
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(20)), "what was committed is not delivered again")
	g.Expect(c.committed("g", "a", 1)).To(BeEquivalentTo(10))
}

func TestF19_GroupOfAnotherProtocolIsTold(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	j := newJournal()
	first := c.run(t, each("a", j.handler("first")), withConfig(func(cfg *config.Config) { cfg.Group.Balancers = []string{config.Range} }))
	await[callbacks.Positioned](t, first.events, 2)
	second := c.run(t, each("a", j.handler("second")), withConfig(func(cfg *config.Config) { cfg.Group.Balancers = []string{config.RoundRobin} }))
	told := await[callbacks.FetchFailed](t, second.events, 1)
	g := NewWithT(t)
	g.Expect(told[0].Err).To(MatchError(ContainSubstring("INCONSISTENT_GROUP_PROTOCOL")))
	first.stop()
	await[callbacks.Positioned](t, second.events, 2)
	c.produce("a", 0, 10)
	j.awaitRecords(t, 10)
	second.stop()
}

func TestF22_StaticMemberComesBackWithoutARebalance(t *testing.T) {
	t.Parallel()
	for name, protocol := range map[string][]option{"classic": nil, "consumer": {nextGeneration()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 4)
			j := newJournal()
			with := func(id string) []option {
				return append(append([]option(nil), protocol...), static(id), withConfig(func(cfg *config.Config) { cfg.Kafka.ClientID = id }))
			}
			one := c.run(t, each("a", j.handler("one")), with("one")...)
			await[callbacks.Positioned](t, one.events, 4)
			two := c.run(t, each("a", j.handler("two")), with("two")...)
			await[callbacks.Positioned](t, two.events, 2)
			kept := len(of[callbacks.Assigned](one.events))
			lost := len(of[callbacks.Revoked](one.events))
			had := two.assignedTo("a")

			two.stop()
			again := c.run(t, each("a", j.handler("two")), with("two")...)
			await[callbacks.Positioned](t, again.events, 2)
			g := NewWithT(t)
			g.Expect(again.assignedTo("a")).To(Equal(had))
			for p := range int32(4) {
				c.produce("a", p, 10)
			}
			j.awaitRecords(t, 40)
			g.Expect(of[callbacks.Assigned](one.events)).To(HaveLen(kept), "the other member has not noticed")
			g.Expect(of[callbacks.Revoked](one.events)).To(HaveLen(lost))
			one.stop()
			again.stop()
		})
	}
}

func TestF23_OldOneOfTwoWithOneInstanceStops(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	j := newJournal()
	old := c.run(t, each("a", j.handler("old")), static("one"))
	await[callbacks.Positioned](t, old.events, 1)
	young := c.run(t, each("a", j.handler("young")), static("one"))
	g := NewWithT(t)
	select {
	case <-old.Failed():
	case <-time.After(patience):
		t.Fatal("the old one goes on")
	}
	g.Expect(old.Err()).To(MatchError(ContainSubstring("another process joined with the same group.instance_id")))
	old.stop() // as the program does then
	await[callbacks.Positioned](t, young.events, 1)
	c.produce("a", 0, 10)
	j.awaitRecords(t, 10)
	for _, e := range j.all() {
		g.Expect(e.member).To(Equal("young"))
	}
	young.stop()
}

func TestF23_YoungOneOfTwoWithOneInstanceIsTold(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	j := newJournal()
	old := c.run(t, each("a", j.handler("old")), static("one"), nextGeneration())
	await[callbacks.Positioned](t, old.events, 1)
	young := c.run(t, each("a", j.handler("young")), static("one"), nextGeneration())
	told := await[callbacks.FetchFailed](t, young.events, 1)
	g := NewWithT(t)
	g.Expect(told[0].Err).To(MatchError(ContainSubstring("UNRELEASED_INSTANCE_ID")))
	c.produce("a", 0, 10)
	j.awaitRecords(t, 10)
	for _, e := range j.all() {
		g.Expect(e.member).To(Equal("old"))
	}
	old.stop()
}
