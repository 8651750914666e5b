package engine_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/router"
)

func manually(r *router.Route) { r.ManualOffsets() }

// F54: handlers that return at once and leave the marks to other goroutines, in any order and more than once.
func TestF54_MarksFromOtherGoroutines(t *testing.T) {
	t.Parallel()
	const parts, n = 2, 1000
	c := newCluster(t)
	c.topic("a", parts)
	for p := range int32(parts) {
		c.produce("a", p, n)
	}
	watch := c.watchCommits("a")
	msgs := make(chan *consumer.Message, parts*n)
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		msgs <- m
		return nil
	}), manually))
	late := make([]*consumer.Message, 0, parts*n)
	for range parts * n {
		late = append(late, <-msgs)
	}
	rand.Shuffle(len(late), func(i, k int) { late[i], late[k] = late[k], late[i] })
	g := NewWithT(t)
	var marking sync.WaitGroup
	for w := range 4 {
		marking.Go(func() {
			for i := w; i < len(late); i += 3 { // every worker starts elsewhere: some records are marked twice
				if err := late[i].Mark(); err != nil {
					t.Errorf("mark %d: %v", late[i].Offset, err)
				}
			}
		})
	}
	marking.Wait()
	p.stop()
	for id := range int32(parts) {
		g.Expect(c.committed("g", "a", id)).To(BeEquivalentTo(n))
	}
	g.Expect(watch.backward()).To(BeEmpty())
}

// F54: one record is never marked. What follows it is not committed either, and comes again after a restart.
func TestF54_NeverMarkedIsDeliveredAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	j := newJournal()
	marking := func(forgets bool) consumer.Handler {
		return consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			j.note("m", m)
			if forgets && m.Offset == 3 {
				return nil
			}
			return m.Mark()
		})
	}
	p := c.run(t, each("a", marking(true), manually))
	j.awaitRecords(t, 10)
	p.stop()
	g := NewWithT(t)
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(3))
	again := c.run(t, each("a", marking(false), manually))
	await(t, again.events, 1, func(e callbacks.Committed) bool { return e.Offset == 10 })
	again.stop()
	g.Expect(j.offsets("a", 0)[10:]).To(Equal([]int64{3, 4, 5, 6, 7, 8, 9}))
}

func TestF54_MarkedThenFailedTheMarkWins(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		j.note("m", m)
		if err := m.Mark(); err != nil {
			return err
		}
		if m.Offset == 4 {
			return errPoison
		}
		return nil
	}), manually, quickly(router.Stop)))
	j.awaitRecords(t, 10)
	p.stop()
	g := NewWithT(t)
	g.Expect(p.Err()).NotTo(HaveOccurred())
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(10)), "not handed over again")
	g.Expect(of[callbacks.Failed](p.events)).To(HaveLen(1), "told all the same")
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10))
}

func TestF54_MarksOnAnAutomaticRouteAreRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 1)
	errs := make(chan error, 3)
	c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		errs <- m.Mark()
		errs <- m.MarkThrough()
		errs <- m.CommitThrough(ctx)
		return nil
	})))
	for range 3 {
		NewWithT(t).Expect(<-errs).To(MatchError(offsets.ErrAutomatic))
	}
}

// F55: a batch handler that marks a part of its batch now and the rest later.
func TestF55_PartOfABatchIsMarked(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	kept := make(chan *consumer.Message, 1)
	p := c.run(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").ManualOffsets().Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
				for _, m := range b.All() {
					if m.Offset == 3 {
						if err := m.MarkThrough(); err != nil {
							return err
						}
					}
					if m.Offset == 9 {
						kept <- m
					}
				}
				return nil
			}), 10, 20*time.Millisecond)
		})
	})
	last := <-kept
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 4 })
	g := NewWithT(t)
	g.Expect(last.CommitThrough(t.Context())).To(Succeed())
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10))
}

// F55: what middleware took out of a batch before the record that failed is done, as what the handler did before it is.
func TestF55_SkippedBeforeTheFailureIsDone(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]func(*router.Route){"automatic": func(*router.Route) {}, "manual": manually} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			c.produce("a", 0, 10)
			j := newJournal()
			failed := false
			odd := func(next consumer.BatchHandler) consumer.BatchHandler {
				return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
					return next.HandleBatch(ctx, b.Skip(func(m *consumer.Message) bool { return m.Offset%2 == 1 }))
				})
			}
			p := c.run(t, func(r *router.Router) {
				r.Group("g", func(g *router.Group) {
					route := g.Topic("a").Use(odd).OnFailure(router.Retry(3, time.Millisecond), router.Block)
					route.Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
						for _, m := range b.All() {
							if m.Offset == 6 && !failed {
								failed = true
								return consumer.FailedAt(m, errPoison)
							}
							j.note("m", m)
							if name == "manual" {
								if err := m.Mark(); err != nil {
									return err
								}
							}
						}
						return nil
					}), 10, 20*time.Millisecond)
					more(route)
				})
			})
			j.awaitRecords(t, 5)
			p.stop()
			g := NewWithT(t)
			g.Expect(j.offsets("a", 0)).To(Equal([]int64{0, 2, 4, 6, 8}))
			g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10))
		})
	}
}

// The commit threshold asks for a commit long before the interval is over.
func TestCommitThreshold(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 1)
	p := c.run(t, each("a", newJournal().handler("m")), withConfig(func(cfg *config.Config) {
		cfg.Commit.Interval, cfg.Commit.Threshold = time.Hour, 100
	}))
	await(t, p.events, 1, func(e callbacks.Handled) bool { return e.Last == 0 })
	c.produce("a", 0, 150)
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset >= 100 })
}
