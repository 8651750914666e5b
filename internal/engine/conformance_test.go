package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

// The conformance suite: whatever is combined, every record is handled, in order, its outputs are there, and what is committed is the
// end; also when handlers fail now and then.

type flaky struct {
	mu    sync.Mutex
	tried map[string]bool
	on    bool
}

// fail fails every seventh record once.
func (f *flaky) fail(m *consumer.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := fmt.Sprint(m.Record.Partition, m.Offset)
	if !f.on || m.Offset%7 != 3 || f.tried[key] {
		return nil
	}
	f.tried[key] = true
	return errPoison
}

var out = responder.JSONTopic[int]("out")

// consuming draws a consuming mode whose handlers note, mark on manual routes, and answer.
func consuming(mode string, manual bool, j *journal, f *flaky) func(*router.Route) {
	mark := func(m *consumer.Message) error {
		if manual {
			return m.MarkThrough()
		}
		return nil
	}
	one := func(m *consumer.Message) error {
		if err := f.fail(m); err != nil {
			return err
		}
		j.note("m", m)
		return mark(m)
	}
	switch mode {
	case "each":
		return func(r *router.Route) {
			r.Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error { return one(m) }))
		}
	case "batch":
		return func(r *router.Route) {
			r.Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
				for _, m := range b.All() {
					if err := one(m); err != nil {
						return consumer.FailedAt(m, err)
					}
				}
				return nil
			}), 10, 5*time.Millisecond)
		}
	case "respond":
		return func(r *router.Route) {
			r.Each(responder.JSON(func(_ context.Context, w *responder.Writer, m *consumer.Typed[int]) error {
				if err := out.Send(w, m.Key, m.Payload); err != nil {
					return err
				}
				return one(m.Message)
			}, out.Required()))
		}
	default:
		return func(r *router.Route) {
			r.Batch(responder.JSONBatch(func(_ context.Context, w *responder.Writer, b *consumer.TypedBatch[int]) error {
				for _, m := range b.All() {
					if err := one(m.Message); err != nil {
						return consumer.FailedAt(m.Message, err)
					}
					if err := out.Send(w, m.Key, m.Payload); err != nil {
						return err
					}
				}
				return nil
			}, out.Required()), 10, 5*time.Millisecond)
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"each", "batch", "respond", "respond batch"} {
		for _, manual := range []bool{false, true} {
			for _, limit := range []string{"serial", "limited", "process"} {
				for _, fails := range []bool{false, true} {
					name := fmt.Sprintf("%s, manual %t, %s, fails %t", mode, manual, limit, fails)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						conform(t, mode, manual, limit, fails)
					})
				}
			}
		}
	}
}

func conform(t *testing.T, mode string, manual bool, limit string, fails bool) {
	t.Helper()
	const parts, n = 3, 200
	c := newCluster(t)
	c.topic("a", parts)
	c.topic("out", 1)
	for p := range int32(parts) {
		c.produce("a", p, n)
	}
	j := newJournal()
	f := &flaky{tried: map[string]bool{}, on: fails}
	d := func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			route := g.Topic("a")
			consuming(mode, manual, j, f)(route)
			route.OnFailure(router.Retry(3, time.Millisecond), router.Block)
			if manual {
				route.ManualOffsets()
			}
			if limit == "limited" {
				route.Concurrency(2, router.ByPartition)
			}
		})
	}
	one := withSettings(func(s *engine.Settings) {
		if limit == "process" {
			s.Limit = 1
		}
	})
	p := c.run(t, d, one)
	j.awaitRecords(t, parts*n)
	p.stop()
	g := NewWithT(t)
	for id := range int32(parts) {
		g.Expect(j.offsets("a", id)).To(Equal(sequence(n)), "each once, in order")
		g.Expect(c.committed("g", "a", id)).To(BeEquivalentTo(n))
	}
	if mode == "respond" || mode == "respond batch" {
		c.expectOutputs(t, parts*n)
	}
	// A restart finds nothing to do, and goes on from there.
	again := c.run(t, d, one)
	c.produce("a", 0, 1)
	j.await(t, "the record after the restart", func(j *journal) bool { return len(j.all()) == parts*n+1 })
	again.stop()
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(n + 1))
}

// expectOutputs reads the output topic: each input's answer once, and in the order of its partition (keys repeat per partition).
func (c *cluster) expectOutputs(t *testing.T, n int) {
	t.Helper()
	g := NewWithT(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics("out"))
	g.Expect(err).NotTo(HaveOccurred())
	defer cl.Close()
	counts := map[string]int{}
	for got := 0; got < n; {
		cl.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
			counts[string(r.Value)]++
			got++
		})
	}
	for value, times := range counts {
		g.Expect(times).To(Equal(3), "answer %s, one for each partition", value)
	}
}

func TestTimeoutEndsOnlyTheSlowAttempt(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 50)
	j := newJournal()
	slow := true
	p := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		if _, ok := ctx.Deadline(); !ok {
			return consumer.Permanent(errPoison)
		}
		if m.Offset == 20 && slow {
			slow = false
			<-ctx.Done()
			return ctx.Err()
		}
		if ctx.Err() != nil {
			return consumer.Permanent(errPoison)
		}
		j.note("m", m)
		return nil
	}), func(r *router.Route) { r.Timeout(30 * time.Millisecond) }, quickly(router.Skip)))
	j.awaitRecords(t, 50)
	p.stop()
	g := NewWithT(t)
	failed := of[callbacks.Failed](p.events)
	g.Expect(failed).To(HaveLen(1))
	g.Expect(failed[0].Err).To(MatchError(context.DeadlineExceeded))
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(50)))
}

func TestPoisonRecordBlocksOnlyItsPartition(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 3)
	for p := range int32(3) {
		c.produce("a", p, 500)
	}
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if m.Record.Partition == 0 && m.Offset == 100 {
			return errPoison
		}
		j.note("m", m)
		return nil
	}), quickly(router.Block)))
	j.awaitRecords(t, 1100)
	blocked := await[callbacks.Blocked](t, p.events, 1)[0]
	g := NewWithT(t)
	g.Expect(blocked.Offset).To(BeEquivalentTo(100))
	g.Expect(p.Status()[0].Retrying.Offset).To(BeEquivalentTo(100))
	g.Eventually(func() int64 { return c.committed("g", "a", 0) }, patience).Should(BeEquivalentTo(100))
	g.Expect(of[callbacks.Blocked](p.events)).To(HaveLen(1), "told once")
}

func TestStopEndsTheProcessWithTheReason(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if m.Offset == 4 {
			return errPoison
		}
		return nil
	}), quickly(router.Stop)))
	<-p.Failed()
	p.stop()
	g := NewWithT(t)
	g.Expect(p.Err()).To(MatchError(And(ContainSubstring("a/0@4"), ContainSubstring("3 attempts"), ContainSubstring("poison"))))
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(4))
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 4)
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		switch {
		case m.Offset == 0:
			return consumer.Skip(errPoison)
		case m.Offset == 1:
			return consumer.Permanent(errPoison)
		case m.Offset == 2 && m.Attempt() == 1:
			return consumer.RetryAfter(7*time.Millisecond, errPoison)
		}
		return nil
	}), quickly(router.Skip)))
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 4 })
	g := NewWithT(t)
	g.Expect(of[callbacks.Skipped](p.events)).To(HaveLen(2))
	retried := of[callbacks.Retried](p.events)
	g.Expect(retried).To(HaveLen(1))
	g.Expect(retried[0].Delay).To(Equal(7 * time.Millisecond))
	g.Expect(retried[0].Attempt).To(Equal(2))
}

// stateful is a handler per partition.
type stateful struct {
	p     consumer.Partition
	sum   int
	ended chan<- string
}

func (s *stateful) Handle(context.Context, *consumer.Message) error { s.sum++; return nil }
func (s *stateful) OnRevoked(context.Context) error {
	s.ended <- fmt.Sprintf("revoked %d", s.p.ID())
	return nil
}

func (s *stateful) BeforeStop(context.Context) error {
	s.ended <- fmt.Sprintf("stop with %d", s.sum)
	return nil
}

func TestEachPartitionHasItsOwnHandler(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.produce("a", 0, 5)
	c.produce("a", 1, 5)
	ended := make(chan string, 4)
	p := c.run(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").EachPartition(func(p consumer.Partition) consumer.Handler { return &stateful{p: p, ended: ended} })
		})
	})
	await(t, p.events, 2, func(e callbacks.Committed) bool { return e.Offset == 5 })
	c.run(t, each("a", newJournal().handler("other")))
	g := NewWithT(t)
	g.Expect(<-ended).To(HavePrefix("revoked"))
	p.stop()
	g.Expect(<-ended).To(Equal("stop with 5"))
}

func TestSeekGoesBackAndFencesTheEarlierEpoch(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	j := newJournal()
	sought := make(chan error, 1)
	p := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		j.note("m", m)
		if m.Offset == 7 && m.Assigned().Epoch() == 1 {
			sought <- m.Assigned().Seek(ctx, 3)
		}
		return nil
	})))
	j.await(t, "the end after the seek", func(j *journal) bool { return len(j.all()) == 15 })
	g := NewWithT(t)
	g.Expect(<-sought).To(Succeed())
	p.stop()
	g.Expect(j.offsets("a", 0)).To(Equal([]int64{0, 1, 2, 3, 4, 5, 6, 7, 3, 4, 5, 6, 7, 8, 9}))
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10))
	g.Expect(of[callbacks.Stale](p.events)).NotTo(BeEmpty(), "the handler that sought belonged to the earlier epoch")
}

func TestMiddlewareSkipsAreMarkedAndCounted(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	j := newJournal()
	odd := func(next consumer.BatchHandler) consumer.BatchHandler {
		return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
			return next.HandleBatch(ctx, b.Skip(func(m *consumer.Message) bool { return m.Offset%2 == 1 }))
		})
	}
	p := c.run(t, each("a", j.handler("m"), func(r *router.Route) { r.Use(odd) }))
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 10 })
	p.stop()
	skipped := 0
	for _, e := range of[callbacks.Handled](p.events) {
		skipped += e.Skipped
	}
	NewWithT(t).Expect(skipped).To(Equal(5))
	NewWithT(t).Expect(j.offsets("a", 0)).To(Equal([]int64{0, 2, 4, 6, 8}))
}
