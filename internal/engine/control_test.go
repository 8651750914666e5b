package engine_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/router"
)

func TestF11_PausedTopicStaysPausedOverARebalance(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.topic("b", 1)
	j := newJournal()
	p := c.run(t, eachOf([]string{"a", "b"}, j.handler("m")))
	await[callbacks.Positioned](t, p.events, 3)
	g := NewWithT(t)
	g.Expect(p.PauseTopic("g", "a")).To(Succeed())
	await(t, p.events, 2, func(e callbacks.Paused) bool { return e.Topic == "a" && e.Reason == callbacks.PausedTopic })
	c.produce("a", 0, 5)
	c.produce("b", 0, 5)
	j.awaitRecords(t, 5)

	guest := c.run(t, eachOf([]string{"a", "b"}, newJournal().handler("guest")))
	await(t, guest.events, 1, func(e callbacks.Assigned) bool { return e.Topic == "a" })
	guest.kill()
	await(t, p.events, 2+1, func(e callbacks.Paused) bool { return e.Topic == "a" && e.Reason == callbacks.PausedTopic })
	c.produce("b", 0, 5)
	j.awaitRecords(t, 10)
	g.Expect(j.offsets("a", 0)).To(BeEmpty())
	for _, s := range p.Status() {
		if s.Topic == "a" {
			g.Expect(s.Paused).To(ContainElement(callbacks.PausedTopic))
		}
	}
	c.produce("a", 1, 5)
	g.Expect(p.ResumeTopic("g", "a")).To(Succeed())
	j.await(t, "what was paused", func(j *journal) bool { return len(j.offsets("a", 1)) > 0 })
	p.stop()
	g.Expect(p.PauseTopic("g", "x")).To(MatchError(engine.ErrUnknownTopic))
	g.Expect(p.PauseTopic("h", "a")).To(MatchError(engine.ErrUnknownTopic))
}

func TestQuietKeepsItsPlaceAndTakesNoWork(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 4)
	j, stuck := newJournal(), newGate()
	t.Cleanup(stuck.release)
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if m.Record.Partition == 0 {
			stuck.hold(m)
		}
		j.note("m", m)
		return nil
	})))
	await[callbacks.Positioned](t, p.events, 4)
	c.produce("a", 0, 10)
	<-stuck.entered
	p.Quiet()
	p.Quiet() // once is enough
	g := NewWithT(t)
	g.Expect(of(p.events, func(e callbacks.Paused) bool { return e.Reason == callbacks.PausedQuiet })).To(HaveLen(1))
	stuck.release()
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Partition == 0 && e.Offset == 1 })
	c.produce("a", 1, 10)
	await(t, p.events, 1, func(e callbacks.Fetched) bool { return e.Partition == 1 })

	second := c.run(t, each("a", j.handler("second")))
	await[callbacks.Positioned](t, second.events, 2)
	g.Expect(p.assignedTo("a")).To(HaveLen(2), "it is a member as before")
	second.stop()
	await(t, p.events, 6, func(callbacks.Assigned) bool { return true })
	for _, s := range p.Status() {
		g.Expect(s.Paused).To(ContainElement(callbacks.PausedQuiet), "new ones too")
	}
	p.Wake()
	j.awaitRecords(t, 20)
	p.stop()
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(10)))
}

func TestSkipGivesUpTheRecordThatBlocks(t *testing.T) {
	t.Parallel()
	for name, draw := range map[string]func(g *router.Group, h consumer.Handler){
		"each": func(g *router.Group, h consumer.Handler) { g.Topic("a").Each(h) },
		"batch": func(g *router.Group, h consumer.Handler) {
			g.Topic("a").Batch(consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
				for _, m := range b.All() {
					if err := h.Handle(ctx, m); err != nil {
						return consumer.FailedAt(m, err)
					}
				}
				return nil
			}), 100, 0)
		},
		"manual": func(g *router.Group, h consumer.Handler) { g.Topic("a").Each(h).ManualOffsets() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			c.produce("a", 0, 10)
			j := newJournal()
			h := consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
				if m.Offset == 4 {
					return errPoison
				}
				j.note("m", m)
				return m.MarkThrough()
			})
			if name != "manual" {
				h = func(_ context.Context, m *consumer.Message) error {
					if m.Offset == 4 {
						return errPoison
					}
					j.note("m", m)
					return nil
				}
			}
			p := c.run(t, func(r *router.Router) { r.Group("g", func(g *router.Group) { draw(g, h) }) })
			g := NewWithT(t)
			g.Expect(p.Skip(t.Context(), "g", "a", 3, 4)).To(MatchError(engine.ErrNotAssigned))
			await(t, p.events, 1, func(e callbacks.Retried) bool { return e.Offset == 4 })
			g.Expect(p.Skip(t.Context(), "g", "a", 0, 5)).To(MatchError(engine.ErrNotBlocking))
			g.Expect(p.Skip(t.Context(), "g", "a", 0, 4)).To(Succeed())
			skipped := await[callbacks.Skipped](t, p.events, 1)[0]
			g.Expect(skipped.Offset).To(BeEquivalentTo(4))
			g.Expect(skipped.Err).To(MatchError(ContainSubstring("skipped by an operator")))
			g.Expect(skipped.Err).To(MatchError(errPoison))
			await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 10 })
			g.Expect(p.Skip(t.Context(), "g", "a", 0, 4)).To(MatchError(engine.ErrNotBlocking), "it has gone on")
			p.stop()
			g.Expect(j.offsets("a", 0)).To(Equal([]int64{0, 1, 2, 3, 5, 6, 7, 8, 9}))
		})
	}
}

func TestSkipReachesARecordThatWaitsInAPausedTopic(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 2)
	p := c.run(t, each("a", consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return errPoison }), func(r *router.Route) {
		r.OnFailure(router.Retry(1, 1), router.Block)
	}))
	await[callbacks.Blocked](t, p.events, 1)
	g := NewWithT(t)
	g.Expect(p.PauseTopic("g", "a")).To(Succeed())
	g.Expect(p.Skip(t.Context(), "g", "a", 0, 0)).To(Succeed())
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 1 })
	p.stop()
}

func TestSkipFindsTheRecordOfABatchThatFailedAsAWhole(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	j := newJournal()
	p := c.run(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
				for _, m := range b.All() {
					if m.Offset == 5 {
						return errPoison
					}
				}
				for _, m := range b.All() {
					j.note("m", m)
				}
				return nil
			}), 100, 0).OnFailure(router.Retry(10, time.Hour, router.MaxBackoff(time.Hour)), router.Block)
		})
	})
	await[callbacks.Retried](t, p.events, 1)
	g := NewWithT(t)
	g.Eventually(func() *engine.RetryStatus { return p.Status()[0].Retrying }).Should(HaveField("Last", BeEquivalentTo(9)))
	g.Expect(p.Skip(t.Context(), "g", "a", 0, 10)).To(MatchError(engine.ErrNotBlocking), "it is not in the batch")
	g.Expect(p.Skip(t.Context(), "g", "a", 0, 3)).To(MatchError(engine.ErrNotBlocking), "it succeeds when it is alone")
	await(t, p.events, 1, func(e callbacks.Blocked) bool { return e.Offset == 5 })
	g.Expect(p.Skip(t.Context(), "g", "a", 0, 0)).To(MatchError(engine.ErrNotBlocking))
	g.Expect(p.Skip(t.Context(), "g", "a", 0, 5)).To(Succeed())
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 10 })
	p.stop()
	g.Expect(j.offsets("a", 0)).To(Equal([]int64{0, 1, 2, 3, 4, 6, 7, 8, 9}), "no good one is lost")
	g.Expect(of[callbacks.Skipped](p.events)).To(HaveLen(1))
}

func TestF49_BatchThatIsRetriedForEverShowsTheRecordThatBlocks(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 4)
	j := newJournal()
	p := c.run(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
				for _, m := range b.All() {
					if m.Offset == 2 {
						return errPoison
					}
					j.note("m", m)
				}
				return nil
			}), 100, 0)
		})
	})
	blocked := await[callbacks.Blocked](t, p.events, 1)[0]
	g := NewWithT(t)
	g.Expect(blocked.Offset).To(BeEquivalentTo(2))
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 2 })
	p.kill()
}

func TestQuietAndWakeAtOnceEndAwake(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	j, slow := newJournal(), newGate()
	t.Cleanup(slow.release)
	p := c.run(t, each("a", j.handler("m")), withSettings(func(s *engine.Settings) {
		s.Inline = append(s.Inline, callbacks.On(func(context.Context, callbacks.Paused) { slow.hold(nil) }))
	}))
	await[callbacks.Positioned](t, p.events, 2)
	quiet, wake := make(chan struct{}), make(chan struct{})
	go func() { p.Quiet(); close(quiet) }()
	<-slow.entered // between the flag and the partitions
	go func() { p.Wake(); close(wake) }()
	slow.release()
	<-quiet
	<-wake
	NewWithT(t).Expect(p.paused("a", 0)).To(BeEmpty())
	c.produce("a", 0, 1)
	j.awaitRecords(t, 1)
	p.stop()
}

func TestStatusTellsOfAHandlerThatWasLeftBehind(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.produce("a", 0, 5)
	c.produce("a", 1, 5)
	stuck := newGate()
	t.Cleanup(stuck.release)
	short := withConfig(func(cfg *config.Config) { cfg.Group.Drain = 10 * time.Millisecond })
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		stuck.hold(m)
		return nil
	})), short)
	<-stuck.entered
	<-stuck.entered
	guest := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, _ *consumer.Message) error {
		<-ctx.Done()
		return ctx.Err()
	})), short)
	gone := await[callbacks.Revoked](t, p.events, 1)[0].Partition
	of := func() engine.PartitionStatus { return p.Status()[gone] }
	g := NewWithT(t)
	g.Eventually(of).Should(And(HaveField("State", "closed"), HaveField("Handling", BeEquivalentTo(0)), HaveField("Busy", BeNumerically(">", 0))))
	await(t, guest.events, 1, func(e callbacks.Assigned) bool { return e.Partition == gone })
	guest.kill()
	await(t, p.events, 3, func(callbacks.Positioned) bool { return true })
	g.Eventually(of).Should(And(HaveField("State", "fetching"), HaveField("WaitsFor", 1), HaveField("Epoch", 2),
		HaveField("Busy", BeNumerically(">", 0))))
	stuck.release()
	g.Eventually(of).Should(HaveField("WaitsFor", 0))
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Partition == gone && e.Offset == 5 })
	p.stop()
}

func TestStatusNamesTheRecordInProgress(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]func(*router.Route){
		"automatic": func(*router.Route) {},
		"manual":    func(r *router.Route) { r.ManualOffsets() },
		"once":      func(r *router.Route) { r.AtMostOnce() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			c.produce("a", 0, 100)
			stuck, running := newGate(), make(chan *process, 1)
			t.Cleanup(stuck.release)
			p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
				if m.Offset == 9 { // until the clock has seen it running
					for p := <-running; p.Clock() < p.BusySince("g", "a", 0)+2*time.Millisecond; {
						runtime.Gosched()
					}
				}
				if m.Offset == 10 {
					stuck.hold(m)
				}
				return nil
			}), more))
			running <- p
			<-stuck.entered
			NewWithT(t).Expect(p.Status()[0]).To(And(HaveField("Handling", BeEquivalentTo(10)), HaveField("Busy", BeNumerically(">", 0))))
			stuck.release()
			p.stop()
		})
	}
}
