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
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

func once(r *router.Route) { r.AtMostOnce() }

func TestAtMostOnceCommitsBeforeItHandsOver(t *testing.T) {
	t.Parallel()
	for name, draw := range map[string]func(g *router.Group, h consumer.Handler) *router.Route{
		"each": func(g *router.Group, h consumer.Handler) *router.Route { return g.Topic("a").Each(h) },
		"batch": func(g *router.Group, h consumer.Handler) *router.Route {
			return g.Topic("a").Batch(consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
				for _, m := range b.All() {
					if err := h.Handle(ctx, m); err != nil {
						return err
					}
				}
				return nil
			}), 100, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 2)
			c.produce("a", 0, 1000)
			c.produce("a", 1, 1000)
			j := newJournal()
			events := newRecorder()
			var early []int64
			p := c.run(t, func(r *router.Router) {
				r.Group("g", func(g *router.Group) {
					draw(g, consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
						if len(of(events, func(e callbacks.Committed) bool { return e.Partition == m.Record.Partition && e.Offset > m.Offset })) == 0 {
							early = append(early, m.Offset)
						}
						j.note("m", m)
						return nil
					})).AtMostOnce().Concurrency(1, router.ByPartition)
				})
			}, withSettings(func(s *engine.Settings) { s.Inline = append(s.Inline, events) }))
			j.awaitRecords(t, 2000)
			p.stop()
			g := NewWithT(t)
			g.Expect(early).To(BeEmpty())
			for part := range int32(2) {
				g.Expect(j.offsets("a", part)).To(Equal(sequence(1000)))
				g.Expect(c.committed("g", "a", part)).To(BeEquivalentTo(1000))
			}
		})
	}
}

func TestAtMostOnceHasNoSecondAttempt(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 100)
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		j.note("m", m)
		switch m.Offset % 10 {
		case 3:
			return errPoison
		case 4:
			panic("poison")
		case 5:
			return consumer.RetryAfter(0, errPoison)
		default:
			return nil
		}
	}), once))
	await(t, p.events, 30, func(callbacks.Skipped) bool { return true })
	j.awaitRecords(t, 100)
	p.stop()
	NewWithT(t).Expect(j.offsets("a", 0)).To(Equal(sequence(100)), "each once")
}

func TestAtMostOnceHandsOverWhatIsCommittedWhenThePartitionMoves(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.produce("a", 0, 500)
	c.produce("a", 1, 500)
	j, held := newJournal(), newGate()
	t.Cleanup(held.release)
	h := func(member string) consumer.Handler {
		return consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			if member == "first" && m.Offset == 5 {
				held.hold(m)
			}
			j.note(member, m)
			return nil
		})
	}
	first := c.run(t, each("a", h("first"), once))
	<-held.entered
	<-held.entered
	second := c.run(t, each("a", h("second"), once))
	g := NewWithT(t)
	g.Eventually(func() int { return len(first.assignedTo("a")) }, patience).Should(Equal(1), "one is going")
	held.release()
	j.awaitRecords(t, 1000)
	first.stop()
	second.stop()
	for part := range int32(2) {
		g.Expect(j.offsets("a", part)).To(Equal(sequence(500)), "nothing lost, nothing twice")
	}
}

func TestAtMostOnceTellsWhatItGivesUp(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 100)
	j, entered := newJournal(), make(chan struct{})
	quick := withConfig(func(cfg *config.Config) { cfg.Shutdown.Drain = 0 })
	p := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		if m.Offset == 10 {
			close(entered)
			<-ctx.Done()
			return ctx.Err()
		}
		j.note("m", m)
		return nil
	}), once), quick)
	<-entered
	p.stop()
	g := NewWithT(t)
	g.Expect(of[callbacks.Skipped](p.events)).To(HaveLen(90))
	again := c.run(t, each("a", j.handler("m"), once))
	c.produce("a", 0, 1)
	j.await(t, "the next one", func(j *journal) bool { return len(j.all()) == 11 })
	again.stop()
	g.Expect(j.offsets("a", 0)).To(Equal(append(sequence(10), 100)))
}

func TestAtMostOnceWaitsForItsCommit(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m"), once))
	await[callbacks.Committed](t, p.events, 1)
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "a", Err: kerr.GroupAuthorizationFailed, Count: -1})
	c.produce("a", 0, 10)
	await[callbacks.CommitFailed](t, p.events, 3)
	g := NewWithT(t)
	g.Expect(j.all()).To(BeEmpty())
	fault.Remove()
	j.awaitRecords(t, 10)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "a", Err: kerr.GroupAuthorizationFailed, Count: -1})
	c.produce("a", 0, 10)
	await[callbacks.CommitFailed](t, p.events, 8)
	g.Expect(p.Stop(t.Context())).To(Succeed(), "a commit that is refused does not hold up the stop")
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(10)))
	g.Expect(of[callbacks.Skipped](p.events)).To(BeEmpty(), "they are not committed, and come again")
}

func TestAtMostOnceTellsOfACommitInDoubt(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m"), once), withConnector(func(k *kafka.Cluster) kafka.Connector { return unconfirmed{k} }))
	await[callbacks.Positioned](t, p.events, 1)
	c.produce("a", 0, 10)
	await[callbacks.CommitFailed](t, p.events, 2)
	p.stop()
	g := NewWithT(t)
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10), "the broker stored it and did not say so")
	g.Expect(j.all()).To(BeEmpty())
	skipped := of[callbacks.Skipped](p.events)
	g.Expect(skipped).To(HaveLen(10))
	g.Expect(skipped[0].Err).To(MatchError(ContainSubstring("it is not handled if the commit was stored")))
}

// unconfirmed is a cluster that stores commits and answers with a timeout.
type unconfirmed struct{ kafka.Connector }

type unconfirmedConsumer struct{ kafka.Consumer }

func (u unconfirmed) Consumer(g kafka.Group, cb kafka.Callbacks) (kafka.Consumer, error) {
	c, err := u.Connector.Consumer(g, cb)
	return unconfirmedConsumer{c}, err
}

func (u unconfirmedConsumer) Commit(ctx context.Context, o kafka.Offsets) (map[kafka.TopicPartition]error, error) {
	failed, err := u.Consumer.Commit(ctx, o)
	for _, at := range o {
		if err == nil && at.Offset > 0 {
			err = kerr.RequestTimedOut
		}
	}
	return failed, err
}

func TestAtMostOnceHandsNothingOverTwiceAfterAKill(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 1000)
	j, killed := newJournal(), newGate()
	t.Cleanup(killed.release)
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		j.note("first", m)
		if m.Offset == 300 {
			killed.hold(m)
		}
		return nil
	}), once))
	<-killed.entered
	p.kill()
	second := c.run(t, each("a", j.handler("second"), once))
	j.await(t, "the last one", func(j *journal) bool { at := j.offsets("a", 0); return at[len(at)-1] == 999 })
	second.stop()
	seen := map[int64]int{}
	for _, at := range j.offsets("a", 0) {
		seen[at]++
	}
	g := NewWithT(t)
	for at, n := range seen {
		g.Expect(n).To(Equal(1), "offset %d", at)
	}
	g.Expect(len(seen)).To(And(BeNumerically(">", 1000-256), BeNumerically("<", 1000)), "what was committed ahead is gone, and no more")
}
