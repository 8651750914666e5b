package engine_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/router"
)

func TestPauseHoldsOnePartitionUntilResume(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.produce("a", 0, 100)
	c.produce("a", 1, 100)
	j := newJournal()
	paused := make(chan consumer.Partition, 1)
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		j.note("m", m)
		if m.Record.Partition == 0 && m.Offset == 30 {
			m.Assigned().Pause()
			m.Assigned().Pause() // once is enough
			paused <- m.Assigned()
		}
		return nil
	})))
	part := <-paused
	j.awaitRecords(t, 131)
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Partition == 0 && e.Offset == 31 })
	g := NewWithT(t)
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(31)), "nothing after the one in progress")
	g.Expect(p.Status()[0].Paused).To(ContainElement("user"))
	part.Resume()
	j.awaitRecords(t, 200)
	p.stop()
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(100)))
	user := func(reason string) bool { return reason == callbacks.PausedUser }
	g.Expect(of(p.events, func(e callbacks.Paused) bool { return user(e.Reason) })).To(HaveLen(1))
	g.Expect(of(p.events, func(e callbacks.Resumed) bool { return user(e.Reason) })).To(HaveLen(1))
}

func TestSeekFencesMarksOfTheEarlierEpoch(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	j := newJournal()
	first := make(chan *consumer.Message, 10)
	var contexts sync.Map
	p := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		j.note("m", m)
		contexts.LoadOrStore(m.Assigned().Epoch(), ctx)
		if m.Assigned().Epoch() == 1 {
			first <- m
			return nil // not marked
		}
		return m.Mark()
	}), manually))
	var old []*consumer.Message
	for range 10 {
		old = append(old, <-first)
	}
	g := NewWithT(t)
	g.Expect(old[9].Assigned().Seek(t.Context(), -1)).To(HaveOccurred())
	g.Expect(old[9].Assigned().Seek(t.Context(), 4)).To(Succeed())
	g.Expect(old[8].Mark()).To(MatchError(offsets.ErrRevoked))
	g.Expect(old[9].MarkThrough()).To(MatchError(offsets.ErrRevoked))
	g.Expect(old[9].CommitThrough(t.Context())).To(MatchError(offsets.ErrRevoked))
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 10 })
	g.Expect(j.offsets("a", 0)).To(Equal(append(sequence(10), 4, 5, 6, 7, 8, 9)))
	ctx, _ := contexts.Load(1)
	g.Eventually(ctx.(context.Context).Done(), patience).Should(BeClosed(), "the earlier epoch's context is freed")
	p.stop()
}

// A handler of EachPartition keeps the Partition it was made with: that is good until the revoke, over any number of seeks.
func TestPartitionOfAFactoryOutlivesSeeks(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 5)
	made := make(chan consumer.Partition, 2)
	j := newJournal()
	p := c.run(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").EachPartition(func(p consumer.Partition) consumer.Handler {
				made <- p
				return j.handler("m")
			})
		})
	})
	part := <-made
	j.awaitRecords(t, 5)
	g := NewWithT(t)
	for n := 1; n <= 2; n++ {
		g.Expect(part.Seek(t.Context(), 3)).To(Succeed())
		j.await(t, "the end again", func(j *journal) bool { return len(j.all()) == 5+2*n })
	}
	part.Pause()
	g.Expect(p.Status()[0].Paused).To(ContainElement("user"))
	p.stop()
	g.Expect(made).To(BeEmpty(), "one handler per assignment")
}

func TestMiddlewareRunsPerAttemptInTheOrderDrawn(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 1)
	var mu sync.Mutex
	var calls []string
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, s)
	}
	named := func(name string) consumer.Middleware {
		return func(next consumer.BatchHandler) consumer.BatchHandler {
			return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
				note(name)
				defer note("/" + name)
				return next.HandleBatch(ctx, b)
			})
		}
	}
	p := c.run(t, func(r *router.Router) {
		r.Use(named("router"))
		r.Group("g", func(g *router.Group) {
			g.Use(named("group"))
			g.Topic("a").Use(named("route 1"), named("route 2")).Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
				note("handler")
				if m.Attempt() == 1 {
					return errPoison
				}
				return nil
			})).OnFailure(router.Retry(1, time.Millisecond), router.Block)
		})
	})
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 1 })
	p.stop()
	once := []string{"router", "group", "route 1", "route 2", "handler", "/route 2", "/route 1", "/group", "/router"}
	NewWithT(t).Expect(calls).To(Equal(slices.Concat(once, once)))
}
