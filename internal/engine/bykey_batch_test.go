package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

func inBatches(size int, wait time.Duration, fn func(ctx context.Context, b *consumer.Batch) error, more ...func(*router.Route)) router.Drawer {
	return func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			route := g.Topic("a").Batch(consumer.BatchHandlerFunc(fn), size, wait)
			for _, m := range more {
				m(route)
			}
		})
	}
}

func offsetsOf(b *consumer.Batch) []int64 {
	var at []int64
	for _, m := range b.All() {
		at = append(at, m.Offset)
	}
	return at
}

func TestByKeyBatchesNeverShareAKey(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	const n, keys, size = 3000, 30, 25
	c.keyed("a", 0, n, keys)
	j := newJournal()
	var mu sync.Mutex
	inUse, peak, largest := map[string]bool{}, 0, 0
	var wrong atomic.Value
	var now atomic.Int32
	p := c.run(t, inBatches(size, time.Millisecond, func(_ context.Context, b *consumer.Batch) error {
		mine := map[string]bool{}
		for _, m := range b.All() {
			mine[string(m.Key)] = true
		}
		mu.Lock()
		for key := range mine {
			if inUse[key] {
				wrong.Store(fmt.Sprintf("key %q is in two batches", key))
			}
			inUse[key] = true
		}
		peak, largest = max(peak, int(now.Add(1))), max(largest, b.Len())
		mu.Unlock()
		if !slices.IsSorted(offsetsOf(b)) {
			wrong.Store(fmt.Sprintf("%v is not in order", offsetsOf(b)))
		}
		for _, m := range b.All() {
			j.note("m", m)
		}
		mu.Lock()
		defer mu.Unlock()
		now.Add(-1)
		for key := range mine {
			delete(inUse, key)
		}
		return nil
	}, byKey(4)))
	j.awaitRecords(t, n)
	p.stop()
	g := NewWithT(t)
	g.Expect(wrong.Load()).To(BeNil())
	g.Expect(peak).To(BeNumerically("<=", 4))
	g.Expect(largest).To(Equal(size))
	j.expectKeysInOrder(g, "a", 0, n, keys)
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(n))
	for _, e := range of[callbacks.Handled](p.events) {
		g.Expect(e.Batch).To(BeTrue())
		g.Expect(e.Count).To(BeNumerically("<=", size))
	}
}

func TestByKeyABatchWaitsUntilItIsFull(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.keyed("a", 0, 7, 3)
	var mu sync.Mutex
	var sizes []int
	j := newJournal()
	p := c.run(t, inBatches(10, patience, func(_ context.Context, b *consumer.Batch) error {
		mu.Lock()
		sizes = append(sizes, b.Len())
		mu.Unlock()
		for _, m := range b.All() {
			j.note("m", m)
		}
		return nil
	}, byKey(4)))
	g := NewWithT(t)
	g.Eventually(p.Status, patience).Should(
		ConsistOf(And(HaveField("HighWatermark", BeEquivalentTo(7)), HaveField("Queued", 0))))
	g.Expect(j.all()).To(BeEmpty())
	c.keyed("a", 0, 3, 3)
	j.awaitRecords(t, 10)
	p.stop()
	g.Expect(sizes).To(Equal([]int{10}), "the keys' followers are in it")
}

func TestByKeyABatchThatFailsIsRetriedTogetherThenAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.topic("dlq", 1)
	const n, keys = 40, 4
	c.keyed("a", 0, n, keys)
	var mu sync.Mutex
	var with [][]int64 // batches that record 8 was in
	j := newJournal()
	p := c.run(t, inBatches(10, 0, func(_ context.Context, b *consumer.Batch) error {
		if at := offsetsOf(b); slices.Contains(at, 8) {
			mu.Lock()
			with = append(with, at)
			mu.Unlock()
			return errPoison
		}
		for _, m := range b.All() {
			j.note("m", m)
		}
		return nil
	}, byKey(3), func(r *router.Route) { r.OnFailure(router.Retry(2, time.Millisecond), router.DeadLetter("dlq")) }))
	await[callbacks.DeadLettered](t, p.events, 1)
	j.awaitRecords(t, n-1)
	p.stop()
	g := NewWithT(t)
	j.expectOthersInOrder(g, n, keys, 8)
	g.Expect(with).To(HaveLen(3+3), "three times together, three times alone")
	g.Expect(with[1]).To(Equal(with[0]))
	g.Expect(with[2]).To(Equal(with[0]))
	g.Expect(with[3:]).To(HaveEach(Equal([]int64{8})))
	g.Expect(c.records("dlq")).To(HaveLen(1))
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(n))
	failed := of[callbacks.Failed](p.events)
	g.Expect(failed[0].First).To(Equal(with[0][0]))
	g.Expect(failed[0].Last).To(Equal(with[0][len(with[0])-1]))
}

// expectOthersInOrder expects all but one record once, those of a key in order.
func (j *journal) expectOthersInOrder(g *WithT, n, keys int, but int64) {
	g.THelper()
	at := j.offsets("a", 0)
	g.Expect(at).To(HaveLen(n - 1))
	g.Expect(at).NotTo(ContainElement(but))
	last := map[string]int64{}
	for _, o := range at {
		key := strconv.FormatInt(o%int64(keys), 10)
		if o%11 == 7 {
			key = "none"
		}
		g.Expect(o).To(BeNumerically(">=", last[key]), "key %s", key)
		last[key] = o
	}
}

func TestByKeyABatchThatFailsAtARecordGoesOnWithoutIt(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	const n, keys = 200, 8
	c.keyed("a", 0, n, keys)
	j := newJournal()
	var well atomic.Bool
	p := c.run(t, inBatches(10, 0, func(_ context.Context, b *consumer.Batch) error {
		for _, m := range b.All() {
			if m.Offset == 40 && !well.Load() {
				return consumer.FailedAt(m, errPoison)
			}
			j.note("m", m)
		}
		return nil
	}, byKey(3), quickly(router.Block)))
	await[callbacks.Blocked](t, p.events, 1)
	behind := 0
	for o := 40; o < n; o += keys {
		if o%11 != 7 {
			behind++
		}
	}
	j.awaitRecords(t, n-behind)
	well.Store(true)
	j.awaitRecords(t, n)
	p.stop()
	g := NewWithT(t)
	j.expectKeysInOrder(g, "a", 0, n, keys)
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(n))
}

func TestByKeyOperatorSkipsARecordOfABatchThatFailed(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.keyed("a", 0, 30, 5)
	j := newJournal()
	p := c.run(t, inBatches(10, 0, func(_ context.Context, b *consumer.Batch) error {
		for _, m := range b.All() {
			if m.Offset == 12 {
				return errPoison // the batch as a whole
			}
		}
		for _, m := range b.All() {
			j.note("m", m)
		}
		return nil
	}, byKey(2), func(r *router.Route) {
		r.OnFailure(router.Retry(5, time.Hour, router.MaxBackoff(time.Hour)), router.Block)
	}),
		withSettings(func(s *engine.Settings) { s.Jitter = func(d time.Duration) time.Duration { return d } }))
	retried := await[callbacks.Retried](t, p.events, 1)[0]
	g := NewWithT(t)
	g.Eventually(func() *engine.RetryStatus { return p.Status()[0].Retrying }, patience).Should(HaveField("Offset", retried.Offset))
	g.Expect(p.Skip(t.Context(), "g", "a", 0, 12)).To(Succeed(), "alone it fails again, and is skipped")
	j.awaitRecords(t, 29)
	p.stop()
	j.expectOthersInOrder(g, 30, 5, 12)
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(30))
}

func TestF51_ByKeyAPanicFailsTheBatch(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	const n, keys = 300, 10
	c.keyed("a", 0, n, keys)
	j := newJournal()
	var calls atomic.Int32
	p := c.run(t, inBatches(10, 0, func(_ context.Context, b *consumer.Batch) error {
		if b.First().Attempt() == 1 && calls.Add(1)%3 == 0 {
			panic("boom")
		}
		for _, m := range b.All() {
			j.note("m", m)
		}
		return nil
	}, byKey(3), quickly(router.Block)))
	j.awaitRecords(t, n)
	p.stop()
	g := NewWithT(t)
	j.expectKeysInOrder(g, "a", 0, n, keys)
	g.Expect(of(p.events, func(e callbacks.Failed) bool { return e.Panic })).NotTo(BeEmpty())
}

func TestF73_ByKeyARefusedOutputFailsItsBatch(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.topic("out", 1)
	const n, keys = 100, 10
	c.keyed("a", 0, n, keys)
	refuse := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "out", Err: kerr.TopicAuthorizationFailed, Count: 1})
	defer refuse.Remove()
	j := newJournal()
	p := c.run(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Batch(responder.JSONBatch(func(_ context.Context, w *responder.Writer, b *consumer.TypedBatch[int]) error {
				for _, m := range b.All() {
					if err := out.Send(w, m.Key, m.Payload); err != nil {
						return err
					}
					j.note("m", m.Message)
				}
				return nil
			}, out.Required()), 10, 0).Concurrency(2, router.ByKey).OnFailure(router.Retry(5, time.Millisecond), router.Block)
		})
	})
	await[callbacks.ProduceFailed](t, p.events, 1)
	g := NewWithT(t)
	g.Eventually(func() int64 { return c.committed("g", "a", 0) }, patience).Should(BeEquivalentTo(n))
	p.stop()
	got := map[string]bool{}
	for _, r := range c.records("out") {
		got[string(r.Value)] = true
	}
	g.Expect(got).To(HaveLen(n), "none is missing")
}

func TestF04_ByKeyBatchesOfAPartitionThatGoes(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	const parts, n, keys = 4, 1000, 20
	c.topic("a", parts)
	for id := range int32(parts) {
		c.keyed("a", id, n, keys)
	}
	j := newJournal()
	var failed sync.Map
	h := func(member string) router.Drawer {
		return inBatches(10, time.Millisecond, func(_ context.Context, b *consumer.Batch) error {
			first := b.First()
			if _, before := failed.LoadOrStore(fmt.Sprint(first.Record.Partition, first.Offset), true); first.Offset%7 == 0 && !before {
				return errPoison
			}
			<-time.After(time.Millisecond)
			for _, m := range b.All() {
				j.note(member, m)
			}
			return nil
		}, byKey(4), quickly(router.Block))
	}
	steady := c.run(t, h("steady"))
	for i := range 3 {
		guest := c.run(t, h("guest"+strconv.Itoa(i)))
		before := len(j.all())
		j.await(t, "the guest to take part", func(j *journal) bool { return len(j.all()) > before+300 || j.unique() == parts*n })
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
