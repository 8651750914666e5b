package engine_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/router"
)

func each(topic string, h consumer.Handler, more ...func(*router.Route)) router.Drawer {
	return func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			route := g.Topic(topic).Each(h)
			for _, m := range more {
				m(route)
			}
		})
	}
}

// gate holds handlers of chosen records until it is opened.
type gate struct {
	open    chan struct{}
	once    sync.Once
	entered chan *consumer.Message
}

func newGate() *gate {
	return &gate{open: make(chan struct{}), entered: make(chan *consumer.Message, 1000)}
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

// hold waits until the gate opens, whatever happens to the context.
func (g *gate) hold(m *consumer.Message) {
	g.entered <- m
	<-g.open
}

// wait waits until the gate opens or the context ends.
func (g *gate) wait(ctx context.Context, m *consumer.Message) error {
	g.entered <- m
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// commitWatch sees every offset that the broker is asked to store, and checks that none goes backward.
type commitWatch struct {
	mu      sync.Mutex
	highest map[int32]int64
	back    []int64
}

func (c *cluster) watchCommits(topic string) *commitWatch {
	w := &commitWatch{highest: map[int32]int64{}}
	c.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.OffsetCommit}, Count: -1, Observe: true,
		When: func(req kmsg.Request) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, t := range req.(*kmsg.OffsetCommitRequest).Topics {
				for _, p := range t.Partitions {
					if t.Topic != "" && t.Topic != topic {
						continue
					}
					if p.Offset < w.highest[p.Partition] {
						w.back = append(w.back, p.Offset)
					}
					w.highest[p.Partition] = max(w.highest[p.Partition], p.Offset)
				}
			}
			return true
		},
	})
	return w
}

func (w *commitWatch) backward() []int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.back)
}

// joinsWithoutDuplicates runs one member, lets a second join in the middle of processing, and checks I1 to I4.
func joinsWithoutDuplicates(t *testing.T, balancer string, more ...option) {
	const parts, n = 4, 2000
	c := newCluster(t)
	c.topic("a", parts)
	watch := c.watchCommits("a")
	for p := range int32(parts) {
		c.produce("a", p, n)
	}
	j := newJournal()
	start := newGate()
	more = append(more, withConfig(func(cfg *config.Config) { cfg.Group.Balancers = []string{balancer} }))
	slow := func(member string) consumer.Handler {
		return consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			if m.Offset == n/2 { // in the middle of every partition: wait for the second member
				start.hold(m)
			}
			j.note(member, m)
			return nil
		})
	}
	first := c.run(t, each("a", slow("first")), more...)
	for range parts {
		<-start.entered
	}
	second := c.prepare(t, each("a", slow("second")), more...)
	t.Cleanup(second.kill)
	second.g.Expect(second.Start(t.Context())).To(Succeed())
	start.release()
	await[callbacks.Assigned](t, second.events, 2)
	j.awaitRecords(t, parts*n)
	first.stop()
	second.stop()
	g := NewWithT(t)
	for p := range int32(parts) {
		g.Expect(j.offsets("a", p)).To(Equal(sequence(n)), "each record once and in order, partition %d", p)
		g.Expect(c.committed("g", "a", p)).To(BeEquivalentTo(n))
	}
	g.Expect(watch.backward()).To(BeEmpty())
}

func TestF01_EagerJoinDrainsAndDuplicatesNothing(t *testing.T) {
	t.Parallel()
	joinsWithoutDuplicates(t, config.Range)
}

func TestF02_CooperativeJoinDuplicatesNothing(t *testing.T) {
	t.Parallel()
	joinsWithoutDuplicates(t, config.CooperativeSticky)
}

func TestF02_KeptPartitionsFlowWhileMovedOnesDrain(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 4)
	j, stuck := newJournal(), newGate()
	h := func(member string) consumer.Handler {
		return consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			if string(m.Value) == "0" && member == "first" {
				stuck.hold(m)
			}
			j.note(member, m)
			return nil
		})
	}
	first := c.run(t, each("a", h("first")))
	await[callbacks.Positioned](t, first.events, 4)
	for p := range int32(4) { // every partition has one delivery in progress
		c.produce("a", p, 1)
	}
	for range 4 {
		<-stuck.entered
	}
	second := c.run(t, each("a", h("second")))
	// Two partitions move and drain: their queues are closed. The others are still ours, and are fetched meanwhile.
	moving := func() (ids []int32) {
		for _, s := range first.Status() {
			if s.State == "closing" {
				ids = append(ids, s.Partition)
			}
		}
		return ids
	}
	g := NewWithT(t)
	g.Eventually(moving, patience).Should(HaveLen(2))
	for _, p := range first.assignedTo("a") {
		c.produce("a", p, 5)
	}
	for _, p := range first.assignedTo("a") {
		await(t, first.events, 1, func(e callbacks.Fetched) bool { return e.Partition == p && e.Last >= 5 })
	}
	g.Expect(moving()).To(HaveLen(2), "fetched while others were draining")
	stuck.release()
	j.awaitRecords(t, 4+2*5)
	await[callbacks.Assigned](t, second.events, 2)
	g.Expect(of[callbacks.Revoked](first.events)).To(HaveLen(2))
	g.Expect(j.all()).To(HaveLen(14), "nothing twice")
}

func TestF04_ResultAfterTheDrainBudgetIsDropped(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.produce("a", 0, 1)
	c.produce("a", 1, 1)
	j, stuck := newJournal(), newGate()
	defer stuck.release()
	causes := make(chan error, 2)
	first := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		stuck.entered <- m
		<-ctx.Done() // notices, and then takes its time
		causes <- context.Cause(ctx)
		<-stuck.open
		return nil
	})), withConfig(func(cfg *config.Config) { cfg.Group.Drain = 50 * time.Millisecond }))
	<-stuck.entered
	<-stuck.entered
	second := c.run(t, each("a", j.handler("second")))
	g := NewWithT(t)
	g.Expect(<-causes).To(MatchError(offsets.ErrRevoked))
	revoked := await[callbacks.Revoked](t, first.events, 1)[0]
	g.Expect(revoked.Drained).To(BeFalse())
	await[callbacks.Assigned](t, second.events, 1)
	j.awaitRecords(t, 1)
	g.Expect(j.all()[0].partition).To(Equal(revoked.Partition), "the new owner handles it again")
	g.Eventually(func() int64 { return c.committed("g", "a", revoked.Partition) }, patience).Should(BeEquivalentTo(1))
	stuck.release()
	await(t, first.events, 1, func(e callbacks.Stale) bool { return e.Partition == revoked.Partition })
	g.Expect(of(first.events, func(e callbacks.Committed) bool {
		return e.Partition == revoked.Partition && e.Offset > 0
	})).To(BeEmpty(), "beside the start position")
}

func TestF05_MarkAfterRevokeFails(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.produce("a", 0, 3)
	c.produce("a", 1, 3)
	manual := func(r *router.Route) { r.ManualOffsets() }
	var mu sync.Mutex
	kept := map[int32]*consumer.Message{}
	first := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		mu.Lock()
		defer mu.Unlock()
		kept[m.Record.Partition] = m // the last one
		return nil
	}), manual))
	g := NewWithT(t)
	g.Eventually(func() int { return len(of[callbacks.Handled](first.events)) }, patience).Should(BeNumerically(">=", 2))
	c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error { return m.MarkThrough() }), manual))
	p := await[callbacks.Revoked](t, first.events, 1)[0].Partition
	g.Eventually(func() int64 { return c.committed("g", "a", p) }, patience).Should(BeEquivalentTo(3), "the new owner marks")
	mu.Lock()
	m := kept[p]
	mu.Unlock()
	g.Expect(m.Mark()).To(MatchError(offsets.ErrRevoked))
	g.Expect(m.MarkThrough()).To(MatchError(offsets.ErrRevoked))
	g.Expect(m.CommitThrough(t.Context())).To(MatchError(offsets.ErrRevoked))
	g.Expect(c.committed("g", "a", p)).To(BeEquivalentTo(3))
}

func TestF06_LostPartitionsAreNotCommitted(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 1)
	stuck := newGate()
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		j.note("m", m)
		if len(j.all()) == 1 {
			return stuck.wait(ctx, m)
		}
		return nil
	})))
	<-stuck.entered
	commits := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Count: -1, Observe: true})
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID})
	lost := await[callbacks.Revoked](t, p.events, 1)[0]
	g := NewWithT(t)
	g.Expect(lost.Lost).To(BeTrue())
	j.await(t, "the record again", func(j *journal) bool { return len(j.all()) >= 2 })
	g.Expect(await[callbacks.Assigned](t, p.events, 2)[1].Epoch).To(Equal(2))
	g.Eventually(commits.Hits, patience).Should(BeNumerically(">=", 1), "the second epoch's")
	g.Expect(of(p.events, func(e callbacks.Committed) bool { return e.Offset != 1 && e.Offset != 0 })).To(BeEmpty())
	g.Expect(j.all()[1].attempt).To(Equal(1))
}

func TestF07_FailedCommitIsKeptAndRepeated(t *testing.T) {
	t.Parallel()
	for _, code := range []*kerr.Error{kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.UnknownMemberID} {
		t.Run(code.Message, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "a", Err: code, Count: 2})
			c.produce("a", 0, 100)
			j := newJournal()
			p := c.run(t, each("a", j.handler("m")))
			j.awaitRecords(t, 100)
			await[callbacks.CommitFailed](t, p.events, 1)
			g := NewWithT(t)
			g.Eventually(func() int64 { return c.committed("g", "a", 0) }, patience).Should(BeEquivalentTo(100))
			p.stop()
			g.Expect(j.unique()).To(Equal(100))
		})
	}
}

func TestF09_CommitAppliedButAnsweredWithAnError(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	watch := c.watchCommits("a")
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "a", Err: kerr.RequestTimedOut, Count: 3})
	c.produce("a", 0, 100)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")))
	j.awaitRecords(t, 100)
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 100 })
	p.stop()
	NewWithT(t).Expect(j.offsets("a", 0)).To(Equal(sequence(100)))
	NewWithT(t).Expect(watch.backward()).To(BeEmpty())
}

// rejoin makes the group rebalance by letting a member come and go.
func rejoin(t *testing.T, c *cluster, topic string) *process {
	t.Helper()
	return c.run(t, each(topic, newJournal().handler("other")))
}

func TestF10_BackOffSurvivesARebalanceThatKeepsThePartition(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.topic("b", 1)
	c.produce("a", 0, 1)
	c.produce("a", 1, 1)
	var mu sync.Mutex
	attempts := map[int32][]int{}
	first := c.run(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
				mu.Lock()
				defer mu.Unlock()
				attempts[m.Record.Partition] = append(attempts[m.Record.Partition], m.Attempt())
				return context.DeadlineExceeded
			})).OnFailure(router.Retry(1_000_000, 20*time.Millisecond, router.MaxBackoff(40*time.Millisecond)), router.Block)
		})
	})
	await(t, first.events, 3, func(e callbacks.Retried) bool { return e.Partition == 0 })
	second := rejoin(t, c, "a")
	moved := await[callbacks.Revoked](t, first.events, 1)[0].Partition
	await[callbacks.Assigned](t, second.events, 1)
	kept := 1 - moved
	mu.Lock()
	before := len(attempts[kept])
	mu.Unlock()
	g := NewWithT(t)
	g.Eventually(func() int { mu.Lock(); defer mu.Unlock(); return len(attempts[kept]) }, patience).Should(BeNumerically(">", before+3))
	mu.Lock()
	defer mu.Unlock()
	for i, a := range attempts[kept] {
		g.Expect(a).To(Equal(i+1), "attempts of the kept partition go on counting")
	}
	g.Expect(c.committed("g", "a", kept)).To(BeNumerically("<=", 0))
}

// handOver gives all partitions of the group to another member and back, by stopping it.
func handOver(t *testing.T, c *cluster, p *process, topic string) {
	t.Helper()
	before := len(of[callbacks.Assigned](p.events))
	other := rejoin(t, c, topic)
	await[callbacks.Revoked](t, p.events, 1)
	await[callbacks.Assigned](t, other.events, 1)
	other.kill()
	await[callbacks.Assigned](t, p.events, before+1)
}

func TestF11_PauseEndsWithTheAssignment(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.produce("a", 0, 1)
	c.produce("a", 1, 1)
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		j.note("m", m)
		if string(m.Value) == "0" {
			m.Assigned().Pause()
		}
		return nil
	})))
	await(t, p.events, 2, func(e callbacks.Paused) bool { return e.Reason == callbacks.PausedUser })
	handOver(t, c, p, "a")
	moved := of[callbacks.Revoked](p.events)[0].Partition
	c.send(record("a", moved, "new"), record("a", 1-moved, "new"))
	j.await(t, "the moved partition", func(j *journal) bool {
		return slices.ContainsFunc(j.all(), func(e entry) bool { return e.partition == moved && e.value == "new" })
	})
	g := NewWithT(t)
	g.Expect(slices.ContainsFunc(j.all(), func(e entry) bool { return e.partition == 1-moved && e.value == "new" })).To(BeFalse(), "the kept one stays paused")
	for _, s := range p.Status() {
		if s.Partition == 1-moved {
			g.Expect(s.Paused).To(ContainElement("user"), "visible")
		}
	}
}

func TestF12_AttemptsStartAnewAfterReassignment(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.produce("a", 0, 1)
	c.produce("a", 1, 1)
	j := newJournal()
	fail := consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		j.note("m", m)
		return context.DeadlineExceeded
	})
	blocking := func(r *router.Route) {
		r.OnFailure(router.Retry(1_000_000, 5*time.Millisecond, router.MaxBackoff(10*time.Millisecond)), router.Block)
	}
	p := c.run(t, each("a", fail, blocking))
	await(t, p.events, 4, func(e callbacks.Retried) bool { return e.Partition == 0 })
	await(t, p.events, 4, func(e callbacks.Retried) bool { return e.Partition == 1 })
	other := c.run(t, each("a", fail, blocking))
	moved := await[callbacks.Revoked](t, p.events, 1)[0].Partition
	await[callbacks.Assigned](t, other.events, 1)
	await(t, other.events, 1, func(e callbacks.Failed) bool { return e.Attempt == 1 && e.Partition == moved })
	other.kill()
	second := await[callbacks.Assigned](t, p.events, 3)[2]
	NewWithT(t).Expect(second.Epoch).To(Equal(2))
	await(t, p.events, 2, func(e callbacks.Failed) bool { return e.Attempt == 1 && e.Partition == moved })
}

func TestF14_TwoEpochsNeverInterleave(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.produce("a", 0, 3)
	c.produce("a", 1, 3)
	stuck := newGate()
	defer stuck.release()
	var mu sync.Mutex
	running := map[int32]int{}
	most := 0
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		mu.Lock()
		running[m.Record.Partition]++
		most = max(most, running[m.Record.Partition])
		mu.Unlock()
		if m.Offset == 0 && len(stuck.entered) < 2 {
			stuck.hold(m) // ignores its context
		}
		j.note("m", m)
		mu.Lock()
		running[m.Record.Partition]--
		mu.Unlock()
		return nil
	})), withConfig(func(cfg *config.Config) { cfg.Group.Drain = 20 * time.Millisecond }))
	<-stuck.entered
	<-stuck.entered
	stuck.entered <- nil // from here on nobody is held
	stuck.entered <- nil
	// The other member must not handle what it gets, so that the records are still there when the partition comes back.
	other := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, _ *consumer.Message) error {
		<-ctx.Done()
		return ctx.Err()
	})), withConfig(func(cfg *config.Config) { cfg.Group.Drain = 20 * time.Millisecond }))
	await[callbacks.Revoked](t, p.events, 1)
	await[callbacks.Assigned](t, other.events, 1)
	other.kill()
	await[callbacks.Assigned](t, p.events, 3)
	stuck.release()
	j.awaitRecords(t, 6)
	mu.Lock()
	defer mu.Unlock()
	NewWithT(t).Expect(most).To(Equal(1), "one handler at a time for a partition, over its epochs")
}
