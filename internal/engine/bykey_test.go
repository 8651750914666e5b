package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

// keyed writes n records with keys k0, k1, ... in turn, and values 0, 1, ...
func (c *cluster) keyed(topic string, partition int32, n, keys int) {
	c.t.Helper()
	c.send(keyed(topic, partition, n, keys)...)
}

func keyed(topic string, partition int32, n, keys int) []*kgo.Record {
	recs := make([]*kgo.Record, n)
	for i := range recs {
		recs[i] = &kgo.Record{Topic: topic, Partition: partition, Value: fmt.Append(nil, i)}
		if i%11 != 7 { // now and then there is no key
			recs[i].Key = fmt.Appendf(nil, "k%d", i%keys)
		}
	}
	return recs
}

func byKey(n int) func(*router.Route) {
	return func(r *router.Route) { r.Concurrency(n, router.ByKey) }
}

// expectKeysInOrder expects each record once, and those of a key in the order of their offsets.
func (j *journal) expectKeysInOrder(g *WithT, topic string, partition int32, n, keys int) {
	g.THelper()
	at := j.offsets(topic, partition)
	g.Expect(at).To(HaveLen(n), "each once")
	expectKeysInOrder(g, at, n, keys)
}

// expectKeysInOrder expects of the offsets 0..n-1, each there once, those of a key in order.
func expectKeysInOrder(g *WithT, at []int64, n, keys int) {
	g.THelper()
	last := map[string]int64{}
	for _, o := range at {
		key := strconv.FormatInt(o%int64(keys), 10)
		if o%11 == 7 {
			key = "none"
		}
		if before, ok := last[key]; ok {
			g.Expect(o).To(BeNumerically(">", before), "key %s", key)
		}
		last[key] = o
	}
	slices.Sort(at)
	g.Expect(at).To(Equal(sequence(n)))
}

func TestConformanceSideBySide(t *testing.T) {
	t.Parallel()
	for _, by := range []router.Ordering{router.ByKey, router.Unordered} {
		for _, mode := range []string{"each", "respond", "batch", "batch respond"} {
			for _, manual := range []bool{false, true} {
				for _, fails := range []bool{false, true} {
					for _, limit := range []int{0, 1} {
						t.Run(fmt.Sprintf("%s, %s, manual %t, fails %t, limit %d", by, mode, manual, fails, limit), func(t *testing.T) {
							t.Parallel()
							conformSideBySide(t, by, mode, manual, fails, limit)
						})
					}
				}
			}
		}
	}
}

func conformSideBySide(t *testing.T, by router.Ordering, mode string, manual, fails bool, limit int) {
	t.Helper()
	const parts, n, keys, most = 3, 300, 10, 8
	c := newCluster(t)
	c.topic("a", parts)
	c.topic("out", 1)
	for p := range int32(parts) {
		c.keyed("a", p, n, keys)
	}
	j := newJournal()
	f := &flaky{tried: map[string]bool{}, on: fails}
	var running, peak atomic.Int32
	one := func(m *consumer.Message) error {
		peak.Store(max(peak.Load(), running.Add(1)))
		defer running.Add(-1)
		if m.Offset%50 == 0 {
			runtime.Gosched()
		}
		if err := f.fail(m); err != nil {
			return err
		}
		j.note("m", m)
		if manual {
			return m.Mark()
		}
		return nil
	}
	d := func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			route := g.Topic("a").Concurrency(most, by).OnFailure(router.Retry(3, time.Millisecond), router.Block)
			switch mode {
			case "each":
				route.Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error { return one(m) }))
			case "batch":
				route.Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
					for _, m := range b.All() {
						if err := one(m); err != nil {
							return consumer.FailedAt(m, err)
						}
					}
					return nil
				}), 7, time.Millisecond)
			case "batch respond":
				route.Batch(responder.JSONBatch(func(_ context.Context, w *responder.Writer, b *consumer.TypedBatch[int]) error {
					for _, m := range b.All() {
						if err := one(m.Message); err != nil {
							return consumer.FailedAt(m.Message, err)
						}
						if err := out.Send(w, m.Key, m.Payload); err != nil {
							return err
						}
					}
					return nil
				}, out.Optional()), 7, time.Millisecond)
			default:
				route.Each(responder.JSON(func(_ context.Context, w *responder.Writer, m *consumer.Typed[int]) error {
					if err := out.Send(w, m.Key, m.Payload); err != nil {
						return err
					}
					return one(m.Message)
				}, out.Required()))
			}
			if manual {
				route.ManualOffsets()
			}
		})
	}
	p := c.run(t, d, withSettings(func(s *engine.Settings) { s.Limit = limit }))
	j.awaitRecords(t, parts*n)
	p.stop()
	g := NewWithT(t)
	for id := range int32(parts) {
		if by.Key() == nil {
			g.Expect(j.offsets("a", id)).To(ConsistOf(sequence(n)))
		} else {
			j.expectKeysInOrder(g, "a", id, n, keys)
		}
		g.Expect(c.committed("g", "a", id)).To(BeEquivalentTo(n))
	}
	if mode == "respond" || mode == "batch respond" {
		c.expectOutputs(t, parts*n)
	}
	g.Expect(peak.Load()).To(BeNumerically("<=", most))
	again := c.run(t, d)
	c.produce("a", 0, 1)
	j.await(t, "the record after the restart", func(j *journal) bool { return len(j.all()) == parts*n+1 })
	again.stop()
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(n + 1))
}

func TestByKeyAStuckKeyDelaysNoOther(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	const n, keys = 3000, 20
	c.keyed("a", 0, n, keys)
	stuck := newGate()
	j := newJournal()
	h := consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		if m.Offset == 60 { // of key k0
			if err := stuck.wait(ctx, m); err != nil {
				return err
			}
		}
		j.note("m", m)
		return nil
	})
	p := c.run(t, each("a", h, byKey(8)))
	<-stuck.entered
	behind := 0
	for o := 60; o < n; o += keys {
		if o%11 != 7 {
			behind++
		}
	}
	j.awaitRecords(t, n-behind)
	g := NewWithT(t)
	g.Eventually(func() int64 { return c.committed("g", "a", 0) }, patience).Should(BeEquivalentTo(60))
	g.Eventually(func() time.Duration { return p.Status()[0].Busy }, patience).Should(BeNumerically(">", 0))
	g.Expect(p.Status()[0].Handling).To(BeEquivalentTo(60))
	stuck.release()
	j.awaitRecords(t, n)
	p.stop()
	j.expectKeysInOrder(g, "a", 0, n, keys)
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(n))
}

func TestF49_ByKeyAFailingKeyDelaysNoOther(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	const n, keys = 2000, 10
	c.keyed("a", 0, n, keys)
	j := newJournal()
	var well atomic.Bool
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if m.Offset == 30 && !well.Load() {
			return errPoison
		}
		j.note("m", m)
		return nil
	}), byKey(4), quickly(router.Block)))
	await[callbacks.Blocked](t, p.events, 1)
	behind := 0
	for o := 30; o < n; o += keys {
		if o%11 != 7 {
			behind++
		}
	}
	j.awaitRecords(t, n-behind)
	g := NewWithT(t)
	g.Eventually(func() *engine.RetryStatus { return p.Status()[0].Retrying }, patience).Should(HaveField("Offset", BeEquivalentTo(30)))
	well.Store(true)
	j.awaitRecords(t, n)
	p.stop()
	j.expectKeysInOrder(g, "a", 0, n, keys)
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(n))
}

func TestByKeyOperatorSkipsTheRecordThatBlocks(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.keyed("a", 0, 100, 10)
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if m.Offset == 30 {
			return errPoison
		}
		j.note("m", m)
		return nil
	}), byKey(4), func(r *router.Route) { r.OnFailure(router.Retry(1, time.Millisecond), router.Block) }))
	await[callbacks.Blocked](t, p.events, 1)
	g := NewWithT(t)
	g.Expect(p.Skip(t.Context(), "g", "a", 0, 31)).To(MatchError(engine.ErrNotBlocking))
	g.Eventually(func() error { return p.Skip(t.Context(), "g", "a", 0, 30) }, patience).Should(Succeed())
	j.awaitRecords(t, 99)
	p.stop()
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(100))
}

func TestByKeyDeadLettersAndRetryTopics(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for _, topic := range []string{"a", "a.g.retry.10ms", "dlq"} {
		c.topic(topic, 1)
	}
	const n = 500
	c.keyed("a", 0, n, 10)
	j := newJournal()
	p := c.run(t, each("a", poisoned(j), byKey(8), letters(router.RetryLater(10*time.Millisecond), router.DeadLetter("dlq"))))
	await[callbacks.DeadLettered](t, p.events, n/10)
	j.awaitRecords(t, n-n/10)
	p.stop()
	g := NewWithT(t)
	g.Expect(c.records("dlq")).To(HaveLen(n / 10))
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(n))
	g.Expect(c.committed("g", "a.g.retry.10ms", 0)).To(BeEquivalentTo(n / 10))
}

func TestF65_RestartRepeatsOnlyWhatWasInProgress(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"stop", "crash"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			const n, keys = 2000, 50
			c.keyed("a", 0, n, keys)
			stuck := newGate()
			defer stuck.release()
			first := newJournal()
			p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
				if m.Offset == 100 {
					stuck.hold(m) // whatever its context says
				}
				first.note("first", m)
				return nil
			}), byKey(8)), withSettings(func(s *engine.Settings) { s.Drain, s.Grace = 20*time.Millisecond, 20*time.Millisecond }))
			<-stuck.entered
			behind := 0
			for o := 100; o < n; o += keys {
				if o%11 != 7 {
					behind++
				}
			}
			first.awaitRecords(t, n-behind)
			g := NewWithT(t)
			g.Eventually(func() int { return c.doneAbove("g", "a", 0) }, patience).Should(Equal(n-100-behind), "stored by the interval")
			if how == "stop" {
				g.Expect(p.Stop(t.Context())).To(MatchError(engine.ErrForced))
			} else {
				p.kill()
			}
			second := newJournal()
			again := c.run(t, each("a", second.handler("second"), byKey(8)))
			second.awaitRecords(t, behind)
			again.stop()
			g.Expect(second.all()).To(HaveLen(behind), "the stuck one, and those of its key behind it")
			g.Expect(second.offsets("a", 0)[0]).To(BeEquivalentTo(100))
			at := of[callbacks.Positioned](again.events)[0]
			g.Expect(at.Offset).To(BeEquivalentTo(100))
			g.Expect(at.Done).To(BeEquivalentTo(n - 100 - behind))
			g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(n))
		})
	}
}

// doneAbove counts what a commit tells of: it reads it as the next owner would.
func (c *cluster) doneAbove(group, topic string, partition int32) int {
	o, err := c.admin.FetchOffsets(context.Background(), group)
	if err != nil {
		return -1
	}
	r, ok := o.Lookup(topic, partition)
	if !ok {
		return -1
	}
	n, err := engine.DoneIn(r.Metadata, r.At, r.LeaderEpoch)
	if err != nil {
		return -1
	}
	return int(n)
}

func TestByKeyMarksByHand(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.keyed("a", 0, 100, 10)
	var mu sync.Mutex
	kept := map[int64]*consumer.Message{}
	var through atomic.Value
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		mu.Lock()
		defer mu.Unlock()
		if m.Offset == 5 {
			through.Store(m.MarkThrough())
		}
		kept[m.Offset] = m
		return nil
	}), byKey(8), func(r *router.Route) { r.ManualOffsets() }))
	g := NewWithT(t)
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(kept)
	}
	g.Eventually(count, patience).Should(Equal(100), "a key goes on although its records are not marked")
	g.Expect(errors.Is(through.Load().(error), offsets.ErrUnordered)).To(BeTrue())
	for _, o := range slices.Backward(slices.Sorted(maps.Keys(kept))) {
		if o != 10 {
			g.Expect(kept[o].Mark()).To(Succeed())
		}
	}
	g.Eventually(func() int64 { return c.committed("g", "a", 0) }, patience).Should(BeEquivalentTo(10))
	g.Expect(kept[10].Mark()).To(Succeed())
	g.Expect(kept[10].Mark()).To(Succeed(), "twice is harmless")
	g.Eventually(func() int64 { return c.committed("g", "a", 0) }, patience).Should(BeEquivalentTo(100))
	p.stop()
	g.Expect(kept[10].Mark()).To(MatchError(offsets.ErrRevoked))
}

func TestByKeyWindowIsBoundedAndVisible(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	recs := make([]*kgo.Record, 15_000)
	for i := range recs {
		recs[i] = &kgo.Record{Topic: "a", Key: []byte("same"), Value: []byte("x")}
	}
	c.send(recs...)
	stuck := newGate()
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		if m.Offset == 0 {
			return stuck.wait(ctx, m)
		}
		j.note("m", m)
		return nil
	}), byKey(8)))
	await(t, p.events, 1, func(e callbacks.Paused) bool { return e.Reason == callbacks.PausedWindow })
	g := NewWithT(t)
	g.Expect(p.paused("a", 0)).To(ContainElement(callbacks.PausedWindow))
	stuck.release()
	j.awaitRecords(t, len(recs)-1)
	await(t, p.events, 1, func(e callbacks.Resumed) bool { return e.Reason == callbacks.PausedWindow })
	p.stop()
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(15_000)[1:]))
}

func TestF53_ByKeyAHandlerThatNeverReturnsIsAbandoned(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.keyed("a", 0, 100, 10)
	c.keyed("a", 1, 100, 10)
	stuck := newGate()
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if m.Offset == 50 && m.Record.Partition == 0 {
			stuck.hold(m)
		}
		j.note("m", m)
		return nil
	}), byKey(4)), withConfig(func(cfg *config.Config) { cfg.Group.Drain = 100 * time.Millisecond }),
		withSettings(func(s *engine.Settings) { s.Drain, s.Grace = 50*time.Millisecond, 50*time.Millisecond }))
	<-stuck.entered
	g := NewWithT(t)
	g.Expect(p.Stop(t.Context())).To(MatchError(engine.ErrForced))
	at := c.committed("g", "a", 0)
	g.Expect(at).To(BeNumerically("<=", 50))
	stuck.release()
	await[callbacks.Stale](t, p.events, 1)
	g.Expect(c.committed("g", "a", 0)).To(Equal(at), "its result is dropped")
}

func TestF51_ByKeyPanicsAreFailures(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.keyed("a", 0, 300, 10)
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if m.Attempt() == 1 {
			switch m.Offset % 30 {
			case 1:
				panic("boom")
			case 2:
				runtime.Goexit()
			case 3:
				panic(nil)
			}
		}
		j.note("m", m)
		return nil
	}), byKey(4), quickly(router.Block)))
	j.awaitRecords(t, 300)
	p.stop()
	g := NewWithT(t)
	j.expectKeysInOrder(g, "a", 0, 300, 10)
	g.Expect(of(p.events, func(e callbacks.Failed) bool { return e.Panic })).To(HaveLen(30))
}

func TestF04_ByKeyRebalancesKeepEveryInvariant(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	const parts, n, keys = 6, 2000, 25
	c.topic("a", parts)
	for id := range int32(parts) {
		c.keyed("a", id, n, keys)
	}
	j := newJournal()
	var failed sync.Map
	h := func(member string) consumer.Handler {
		return consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			if m.Offset%100 == 17 {
				if _, before := failed.LoadOrStore(fmt.Sprint(m.Record.Partition, m.Offset), true); !before {
					return errPoison
				}
			}
			if m.Offset%10 == 0 {
				<-time.After(time.Millisecond)
			}
			j.note(member, m)
			return nil
		})
	}
	steady := c.run(t, each("a", h("steady"), byKey(8), quickly(router.Block)))
	for i := range 4 {
		guest := c.run(t, each("a", h("guest"+strconv.Itoa(i)), byKey(8), quickly(router.Block)))
		before := len(j.all())
		j.await(t, "the guest to take part", func(j *journal) bool { return len(j.all()) > before+500 || j.unique() == parts*n })
		guest.stop()
	}
	j.awaitRecords(t, parts*n)
	steady.stop()
	g := NewWithT(t)
	for id := range int32(parts) {
		j.expectKeysInOrder(g, "a", id, n, keys) // drained in time: nothing twice
		g.Expect(c.committed("g", "a", id)).To(BeEquivalentTo(n))
	}
}

func TestByKeyPauseAndTimeout(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.keyed("a", 0, 200, 10)
	j := newJournal()
	var paused atomic.Bool
	var part atomic.Value
	p := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		if m.Offset == 50 && m.Attempt() == 1 {
			<-ctx.Done()
			return ctx.Err()
		}
		if m.Offset == 20 && paused.CompareAndSwap(false, true) {
			part.Store(m.Assigned())
			m.Assigned().Pause()
		}
		if ctx.Err() != nil {
			return errors.New("a context of another record")
		}
		j.note("m", m)
		return nil
	}), byKey(1), func(r *router.Route) { r.Timeout(30 * time.Millisecond) }, quickly(router.Block)))
	g := NewWithT(t)
	await(t, p.events, 1, func(e callbacks.Paused) bool { return e.Reason == callbacks.PausedUser })
	g.Eventually(func() []string { return p.paused("a", 0) }, patience).Should(ContainElement("user"))
	g.Consistently(func() int { return len(j.all()) }, 50*time.Millisecond).Should(BeNumerically("<", 200))
	part.Load().(consumer.Partition).Resume()
	j.awaitRecords(t, 200)
	p.stop()
	g.Expect(of(p.events, func(e callbacks.Failed) bool { return errors.Is(e.Err, context.DeadlineExceeded) })).NotTo(BeEmpty())
	j.expectKeysInOrder(g, "a", 0, 200, 10)
}
