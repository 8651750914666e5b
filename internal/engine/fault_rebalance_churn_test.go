package engine_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
)

// keepsEveryInvariant lets two members join and one leave, each in the middle of the records of every partition.
func keepsEveryInvariant(t *testing.T, balancer string, more ...option) {
	t.Helper()
	const parts, n = 6, 600
	c := newCluster(t)
	c.topic("a", parts)
	l := c.newLedger("a")
	l.nameless = len(more) > 0
	g := NewWithT(t)
	var gates []*gate
	for range 3 {
		gates = append(gates, newGate())
		t.Cleanup(gates[len(gates)-1].release)
	}
	h := consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if m.Offset%n == n/2 {
			gates[m.Offset/n].hold(m)
		}
		return nil
	})
	// wave produces n records to each partition, and changes the group when all partitions are in the middle of them.
	wave := func(i int, change func()) {
		for p := range int32(parts) {
			c.produce("a", p, n)
		}
		for range parts {
			<-gates[i].entered
		}
		change()
		gates[i].release()
	}
	handled := func(waves int64) { g.Eventually(l.done(parts, waves*n), patience).Should(BeTrue()) }
	more = append(more, withConfig(func(cfg *config.Config) { cfg.Group.Balancers = []string{balancer} }))
	var second, third *process
	first := l.join(t, c, "first", h, more...)
	wave(0, func() { second = l.join(t, c, "second", h, more...) })
	await[callbacks.Assigned](t, second.events, 3)
	handled(1)
	wave(1, func() { third = l.join(t, c, "third", h, more...) })
	await[callbacks.Assigned](t, third.events, 2)
	handled(2)
	stopped := make(chan error, 1)
	wave(2, func() { go func() { stopped <- first.Stop(t.Context()) }() })
	g.Expect(<-stopped).To(Succeed())
	handled(3)
	second.stop()
	third.stop()
	g.Expect(l.expectClean(t)).To(BeZero(), "nothing is delivered twice")
	for p := range int32(parts) {
		g.Expect(c.committed("g", "a", p)).To(BeEquivalentTo(3 * n))
	}
}

func TestF01_EagerJoinsAndLeavesKeepEveryInvariant(t *testing.T) {
	t.Parallel()
	keepsEveryInvariant(t, config.Range)
}

func TestF02_CooperativeJoinsAndLeavesKeepEveryInvariant(t *testing.T) {
	t.Parallel()
	keepsEveryInvariant(t, config.CooperativeSticky)
}

func TestF02_KeptPartitionsAreHandledWhileMovedOnesDrain(t *testing.T) {
	t.Parallel()
	const parts = 4
	c := newCluster(t)
	c.topic("a", parts)
	l := c.newLedger("a")
	gates := map[int32]*gate{}
	for p := range int32(parts) {
		gates[p] = newGate()
		t.Cleanup(gates[p].release)
		c.produce("a", p, 1)
	}
	first := l.join(t, c, "first", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if m.Offset == 0 {
			gates[m.Record.Partition].hold(m)
		}
		return nil
	}))
	for p := range int32(parts) {
		<-gates[p].entered
	}
	second := l.join(t, c, "second", nil)
	g := NewWithT(t)
	state := func(name string) (ids []int32) {
		for _, s := range first.Status() {
			if s.State == name {
				ids = append(ids, s.Partition)
			}
		}
		return ids
	}
	g.Eventually(func() []int32 { return state("closing") }, patience).Should(HaveLen(parts / 2))
	kept := first.assignedTo("a")
	g.Expect(kept).To(HaveLen(parts / 2))
	for _, p := range kept {
		gates[p].release()
		c.produce("a", p, 50) // fetched and handled while the moved ones drain
		await(t, first.events, 1, func(e callbacks.Handled) bool { return e.Partition == p && e.Last == 50 })
		g.Eventually(func() int64 { return c.committed("g", "a", p) }, patience).Should(BeEquivalentTo(51))
	}
	g.Expect(state("closing")).To(HaveLen(parts/2), "still draining")
	g.Expect(of[callbacks.Assigned](second.events)).To(BeEmpty(), "nobody has them before they are drained")
	for _, gate := range gates {
		gate.release()
	}
	await[callbacks.Assigned](t, second.events, parts/2)
	for _, r := range of[callbacks.Revoked](first.events) {
		g.Expect(r.Drained).To(BeTrue())
		g.Expect(kept).NotTo(ContainElement(r.Partition), "kept ones are never stopped")
	}
	first.stop()
	second.stop()
	g.Expect(l.expectClean(t)).To(BeZero())
}

func TestF24_PartitionsAreNotOrphanedUnderAnyBalancer(t *testing.T) {
	t.Parallel()
	for _, balancer := range []string{config.Range, config.RoundRobin, config.Sticky, config.CooperativeSticky} {
		t.Run(balancer, func(t *testing.T) {
			t.Parallel()
			const parts = 3
			c := newCluster(t)
			c.topic("a", parts)
			c.topic("b", parts)
			balance := withConfig(func(cfg *config.Config) { cfg.Group.Balancers = []string{balancer} })
			a, b := c.newLedger("a"), c.newLedger("b")
			first := a.join(t, c, "first", nil, balance)
			second := b.join(t, c, "second", nil, balance)
			await[callbacks.Positioned](t, first.events, parts)
			await[callbacks.Positioned](t, second.events, parts)
			for p := range int32(parts) {
				c.produce("a", p, 20)
				c.produce("b", p, 20)
			}
			g := NewWithT(t)
			g.Eventually(a.done(parts, 20), patience).Should(BeTrue())
			g.Eventually(b.done(parts, 20), patience).Should(BeTrue())
			second.stop()
			for p := range int32(parts) {
				c.produce("a", p, 20)
			}
			g.Eventually(a.done(parts, 40), patience).Should(BeTrue(), "the app that stays goes on")
			g.Expect(of(first.events, func(e callbacks.Assigned) bool { return e.Topic != "a" })).To(BeEmpty())
			first.stop()
			g.Expect(a.expectClean(t)).To(BeZero())
			g.Expect(b.expectClean(t)).To(BeZero())
		})
	}
}

func TestF29_CoordinatorMovesOverAndOver(t *testing.T) {
	t.Parallel()
	const parts, rounds, n = 2, 8, 50
	c := newCluster(t, kfake.NumBrokers(3))
	c.topic("a", parts)
	l := c.newLedger("a")
	p := l.join(t, c, "first", nil)
	g := NewWithT(t)
	for i := range rounds {
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "a", Count: 1, Err: []*kerr.Error{
			kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress,
		}[i%3]})
		c.fake().RehashCoordinators()
		for part := range int32(parts) {
			c.produce("a", part, n)
		}
		g.Eventually(l.done(parts, int64((i+1)*n)), patience).Should(BeTrue())
	}
	p.stop()
	for part := range int32(parts) {
		g.Expect(c.committed("g", "a", part)).To(BeEquivalentTo(rounds * n))
	}
	g.Expect(l.expectClean(t)).To(BeZero())
	g.Expect(of(p.events, func(e callbacks.Revoked) bool { return e.Lost })).To(BeEmpty())
}
