package engine_test

import (
	"context"
	"runtime"
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
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/router"
)

// F83: whatever a partition waits for, a stop does not wait for it.
func TestF83_StopWhileWaiting(t *testing.T) {
	t.Parallel()
	t.Run("paused by the user", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		c.topic("a", 1)
		c.produce("a", 0, 10)
		p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			m.Assigned().Pause()
			return nil
		})))
		await[callbacks.Paused](t, p.events, 1)
		p.stop()
		NewWithT(t).Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(1))
	})
	t.Run("for marks", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		c.topic("a", 1)
		c.produce("a", 0, 10_001)
		p := c.run(t, each("a", consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return nil }), manually))
		await[callbacks.Paused](t, p.events, 1, func(e callbacks.Paused) bool { return e.Reason == callbacks.PausedUnmarked })
		p.stop()
		NewWithT(t).Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(0))
	})
	t.Run("for a slot", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		c.topic("a", 2)
		c.produce("a", 0, 1)
		c.produce("a", 1, 1)
		busy := newGate()
		p := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
			return busy.wait(ctx, m)
		}), func(r *router.Route) { r.Concurrency(1, router.ByPartition) }))
		other := 1 - (<-busy.entered).Record.Partition
		await(t, p.events, 1, func(e callbacks.Fetched) bool { return e.Partition == other })
		stopped := make(chan error, 1)
		go func() { stopped <- p.Stop(t.Context()) }()
		await[callbacks.Stopping](t, p.events, 1)
		busy.release()
		g := NewWithT(t)
		g.Expect(<-stopped).To(Succeed())
		g.Expect(c.committed("g", "a", 1-other)).To(BeEquivalentTo(1))
		if len(busy.entered) == 0 { // else the slot went over before the stop got there
			g.Expect(c.committed("g", "a", other)).To(BeEquivalentTo(0))
		}
	})
	t.Run("for memory", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		c.topic("a", 2)
		for p := range int32(2) {
			for range 100 {
				c.send(record("a", p, string(make([]byte, 100<<10))))
			}
		}
		stuck := newGate()
		p := c.run(t, each("a", consumer.HandlerFunc(stuck.wait)), withConfig(func(cfg *config.Config) { cfg.Fetch.MaxBufferedBytes = 1 << 20 }))
		await(t, p.events, 1, func(e callbacks.Paused) bool { return e.Reason != callbacks.PausedUser })
		stopped := make(chan error, 1)
		go func() { stopped <- p.Stop(t.Context()) }()
		await[callbacks.Stopping](t, p.events, 1)
		stuck.release()
		NewWithT(t).Expect(<-stopped).To(Succeed())
		now, _ := p.buffered("g")
		NewWithT(t).Expect(now).To(BeZero(), "nothing stays charged")
	})
}

// F83: what a handler skips while its partition drains is skipped, and not delivered again.
func TestF83_SkipWhileDraining(t *testing.T) {
	t.Parallel()
	for name, drawn := range map[string]func(fn func(*consumer.Message) error) router.Drawer{
		"each": func(fn func(*consumer.Message) error) router.Drawer {
			return each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error { return fn(m) }))
		},
		"batch": func(fn func(*consumer.Message) error) router.Drawer {
			return inBatches(1, time.Hour, func(_ context.Context, b *consumer.Batch) error { return fn(b.First()) })
		},
		"by key": func(fn func(*consumer.Message) error) router.Drawer {
			return each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error { return fn(m) }), byKey(2))
		},
		"batch by key": func(fn func(*consumer.Message) error) router.Drawer {
			return inBatches(1, time.Hour, func(_ context.Context, b *consumer.Batch) error { return fn(b.First()) }, byKey(2))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			c.produce("a", 0, 1)
			busy := newGate()
			p := c.run(t, drawn(func(m *consumer.Message) error {
				busy.hold(m)
				return consumer.Skip(errPoison)
			}))
			<-busy.entered
			stopped := make(chan error, 1)
			go func() { stopped <- p.Stop(t.Context()) }()
			g := NewWithT(t)
			g.Eventually(func() string { return p.Status()[0].State }, patience).Should(Equal("closing"))
			busy.release()
			g.Expect(<-stopped).To(Succeed())
			g.Expect(of[callbacks.Skipped](p.events)).To(HaveLen(1))
			g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(1))
		})
	}
}

// F83: a broker that answers with errors for ever does not hold up a stop.
func TestF83_StopWhileTheBrokerRefuses(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]kfake.Fault{
		"offset fetch": {Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.GroupAuthorizationFailed, TopLevel: true},
		"start":        {Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "a", Err: kerr.TopicAuthorizationFailed},
		"join":         {Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.CoordinatorNotAvailable, TopLevel: true},
		"fetch":        {Keys: []kmsg.Key{kmsg.Fetch}, Topic: "a", Err: kerr.NotLeaderForPartition},
		"commit":       {Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "a", Err: kerr.CoordinatorLoadInProgress},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			c.produce("a", 0, 10)
			fault.Count = -1
			refusing := c.Fault(fault)
			p := c.run(t, each("a", newJournal().handler("m")))
			g := NewWithT(t)
			g.Eventually(refusing.Hits, patience).Should(BeNumerically(">=", 2))
			g.Expect(p.Stop(t.Context())).To(Succeed())
			refusing.Remove()
			g.Expect(c.committed("g", "a", 0)).To(Or(BeNumerically("<", 0), BeEquivalentTo(0), BeEquivalentTo(10)), "none, or what is true")
		})
	}
}

// F83: a join that does not come to its end is left behind by a forced stop: the broker holds it while another member drains, or sends
// the member back to the start for ever.
func TestF83_ForcedStopWhileJoining(t *testing.T) {
	t.Parallel()
	t.Run("held", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		c.topic("a", 2)
		c.produce("a", 0, 1)
		c.produce("a", 1, 1)
		stuck := newGate()
		defer stuck.release()
		eager := withConfig(func(cfg *config.Config) { cfg.Group.Balancers, cfg.Group.Drain = []string{"range"}, time.Minute })
		first := c.run(t, each("a", consumer.HandlerFunc(stuck.wait)), eager)
		<-stuck.entered
		<-stuck.entered
		joining := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Observe: true, Count: -1})
		second := c.run(t, each("a", newJournal().handler("second")), eager)
		NewWithT(t).Eventually(joining.Hits, patience).Should(BeNumerically(">=", 2))
		NewWithT(t).Eventually(func() bool { return first.Status()[0].State == "closing" }, patience).Should(BeTrue())
		second.kill()
		NewWithT(t).Expect(of[callbacks.Revoked](first.events)).To(BeEmpty(), "the first still drains")
	})
	t.Run("sent back", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		c.topic("a", 1)
		refusing := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.SyncGroup}, Err: kerr.RebalanceInProgress, TopLevel: true, Count: -1})
		p := c.run(t, each("a", newJournal().handler("m")))
		NewWithT(t).Eventually(refusing.Hits, patience).Should(BeNumerically(">=", 2))
		p.kill()
	})
}

// F83: the cluster is gone, and there is work that cannot be committed and outputs that cannot be sent.
func TestF83_StopWithTheClusterGone(t *testing.T) {
	t.Parallel()
	t.Run("to commit", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		c.topic("a", 1)
		c.produce("a", 0, 10)
		p := c.run(t, each("a", newJournal().handler("m")), withConfig(func(cfg *config.Config) { cfg.Commit.Interval = time.Hour }))
		await(t, p.events, 1, func(e callbacks.Handled) bool { return e.Last == 9 })
		c.fake().Close()
		p.stop()
		NewWithT(t).Expect(of[callbacks.CommitFailed](p.events)).NotTo(BeEmpty(), "told")
	})
	t.Run("to send", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		fake := c.fake()
		c.topic("a", 1)
		c.topic("answers", 1)
		c.produce("a", 0, 10)
		j := newJournal()
		var once sync.Once
		p := c.run(t, answering(false, false, j, func(*consumer.Message) error {
			once.Do(fake.Close)
			return nil
		}), withSettings(func(s *engine.Settings) { s.Drain, s.Grace = 50*time.Millisecond, 50*time.Millisecond }))
		j.awaitRecords(t, 1)
		err := p.Stop(t.Context())
		NewWithT(t).Expect(err).To(Or(Succeed(), MatchError(engine.ErrForced)))
		NewWithT(t).Expect(of(p.events, func(e callbacks.Committed) bool { return e.Offset > 0 })).To(BeEmpty())
	})
}

// F84: many stop at once, while it starts; all get the same answer.
func TestF84_ConcurrentStops(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 100)
	for range 20 {
		p := c.prepare(t, each("a", newJournal().handler("m")))
		results := make(chan error, 9)
		go func() { results <- p.Start(t.Context()) }()
		for range 8 {
			go func() { results <- p.Stop(t.Context()) }()
		}
		for range 9 {
			NewWithT(t).Expect(<-results).To(Or(Succeed(), MatchError(engine.ErrStopped)))
		}
		NewWithT(t).Expect(p.Stop(t.Context())).To(Succeed())
		NewWithT(t).Expect(p.Status()).To(BeEmpty())
	}
}

// F85: a hundred rebalances, with records and handlers of every kind under way, leave nothing behind.
func TestF85_HundredRebalances(t *testing.T) {
	c := newCluster(t)
	c.topic("a", 4)
	g := NewWithT(t)
	j := newJournal()
	p := c.run(t, each("a", j.handler("stays"), func(r *router.Route) { r.Timeout(time.Minute) }))
	await[callbacks.Assigned](t, p.events, 4)
	total := 0
	cycle := func(n int) {
		for range n {
			before := len(of[callbacks.Assigned](p.events))
			other := c.prepare(t, each("a", j.handler("comes and goes")))
			g.Expect(other.Start(t.Context())).To(Succeed())
			await[callbacks.Assigned](t, other.events, 2)
			for id := range int32(4) {
				c.produce("a", id, 1)
			}
			total += 4
			j.awaitRecords(t, total)
			other.stop()
			await[callbacks.Assigned](t, p.events, before+2)
		}
	}
	cycle(2)
	before := runtime.NumGoroutine()
	cycle(50) // each is two
	g.Eventually(runtime.NumGoroutine, patience).Should(BeNumerically("<=", before+3))
	now, _ := p.buffered("g")
	g.Expect(now).To(BeZero())
	p.stop()
	for id := range int32(4) {
		g.Expect(j.offsets("a", id)).To(Equal(sequence(total/4)), "nothing lost, nothing twice, in order")
	}
}
