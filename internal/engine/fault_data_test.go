package engine_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/router"
)

var errPoison = errors.New("poison")

func quickly(end router.End) func(*router.Route) {
	return func(r *router.Route) { r.OnFailure(router.Retry(2, time.Millisecond), end) }
}

func TestF50_UndecodablePayloadIsPermanent(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.send(record("a", 0, `"one"`), record("a", 0, `{broken`), record("a", 0, `"three"`))
	seen := make(chan string, 10)
	p := c.run(t, each("a", consumer.Value(func(_ context.Context, s string) error {
		seen <- s
		return nil
	}), quickly(router.Skip)))
	skipped := await[callbacks.Skipped](t, p.events, 1)[0]
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 3 })
	g := NewWithT(t)
	g.Expect(skipped.Offset).To(BeEquivalentTo(1))
	var bad *consumer.DecodeError
	g.Expect(errors.As(skipped.Err, &bad)).To(BeTrue())
	g.Expect(of[callbacks.Retried](p.events)).To(BeEmpty(), "never retried")
	g.Expect([]string{<-seen, <-seen}).To(Equal([]string{"one", "three"}))
}

func TestF50_UndecodablePayloadDoesNotTakeTheBatchWithIt(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.send(record("a", 0, `1`), record("a", 0, `2`), record("a", 0, `{broken`), record("a", 0, `4`))
	seen := make(chan []int, 10)
	p := c.run(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Batch(consumer.JSONBatch(func(_ context.Context, b *consumer.TypedBatch[int]) error {
				seen <- slices.Collect(b.Payloads())
				return nil
			}), 4, 50*time.Millisecond).OnFailure(router.Skip)
		})
	})
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 4 })
	NewWithT(t).Expect(append(<-seen, <-seen...)).To(Equal([]int{1, 2, 4}))
	NewWithT(t).Expect(of[callbacks.Skipped](p.events)).To(HaveLen(1))
}

func TestF51_PanicsAreFailures(t *testing.T) {
	t.Parallel()
	blow := map[string]func(){
		"panic":      func() { panic("boom") },
		"panic(nil)": func() { panic(nil) },
		"Goexit":     func() { runtime.Goexit() },
		"runtime":    func() { var m map[string]int; m["x"] = 1 }, //nolint:staticcheck // the point
	}
	for name, bang := range blow {
		for _, where := range []string{"handler", "batch", "middleware"} {
			t.Run(name+" in "+where, func(t *testing.T) {
				t.Parallel()
				c := newCluster(t)
				c.topic("a", 1)
				c.produce("a", 0, 10)
				j := newJournal()
				var bombs atomic.Int32
				once := func(m *consumer.Message) {
					if m.Offset == 4 && bombs.Add(1) <= 2 {
						bang()
					}
				}
				p := c.run(t, func(r *router.Router) {
					if where == "middleware" {
						r.Use(func(next consumer.BatchHandler) consumer.BatchHandler {
							return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
								once(b.First())
								return next.HandleBatch(ctx, b)
							})
						})
					}
					r.Group("g", func(g *router.Group) {
						route := g.Topic("a")
						if where == "batch" {
							route.Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
								for _, m := range b.All() {
									once(m)
								}
								for _, m := range b.All() {
									j.note("m", m)
								}
								return nil
							}), 3, time.Millisecond)
						} else {
							route.Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
								if where == "handler" {
									once(m)
								}
								j.note("m", m)
								return nil
							}))
						}
						route.OnFailure(router.Retry(5, time.Millisecond), router.Block)
					})
				})
				j.awaitRecords(t, 10)
				p.stop()
				g := NewWithT(t)
				g.Expect(j.offsets("a", 0)).To(Equal(sequence(10)))
				failed := of[callbacks.Failed](p.events)
				g.Expect(failed).To(HaveLen(2))
				var panicked *consumer.PanicError
				g.Expect(errors.As(failed[0].Err, &panicked)).To(BeTrue())
				g.Expect(failed[0].Panic).To(BeTrue())
				g.Expect(string(panicked.Stack)).To(ContainSubstring("fault_data_test.go"))
				g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10))
			})
		}
	}
}

func TestF53_StuckHandlerHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.produce("a", 0, 1)
	c.produce("a", 1, 500)
	stuck := newGate()
	defer stuck.release()
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if m.Record.Partition == 0 {
			stuck.hold(m)
		}
		j.note("m", m)
		return nil
	})), withSettings(func(s *engine.Settings) { s.Drain, s.Grace = 50*time.Millisecond, 50*time.Millisecond }))
	<-stuck.entered
	j.awaitRecords(t, 500)
	g := NewWithT(t)
	g.Expect(p.Status()[0].Busy).To(BeNumerically(">", 0), "visible")
	g.Expect(p.Stop(t.Context())).To(MatchError(engine.ErrForced))
	g.Expect(c.committed("g", "a", 0)).To(BeNumerically("<=", 0))
	g.Expect(c.committed("g", "a", 1)).To(BeEquivalentTo(500))
}

func TestF54_MarksLateTwiceAndOutOfOrder(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	msgs := make(chan *consumer.Message, 10)
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		msgs <- m
		return nil
	}), func(r *router.Route) { r.ManualOffsets() }))
	var all []*consumer.Message
	for range 10 {
		all = append(all, <-msgs)
	}
	g := NewWithT(t)
	for _, i := range []int{5, 2, 1, 1, 9} {
		g.Expect(all[i].Mark()).To(Succeed())
	}
	g.Expect(all[0].CommitThrough(t.Context())).To(Succeed())
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(3), "the unbroken run 0, 1, 2, and on the broker when the call returns")
	g.Expect(all[8].MarkThrough()).To(Succeed())
	p.stop()
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10))
}

func TestF54_UnmarkedRecordsAreBoundedAndVisible(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10_500)
	var last atomic.Pointer[consumer.Message]
	var handled atomic.Int64
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		last.Store(m)
		handled.Add(1)
		return nil
	}), func(r *router.Route) { r.ManualOffsets() }))
	await(t, p.events, 1, func(e callbacks.Paused) bool { return e.Reason == callbacks.PausedUnmarked })
	g := NewWithT(t)
	g.Expect(handled.Load()).To(BeEquivalentTo(10_000))
	g.Expect(last.Load().MarkThrough()).To(Succeed())
	g.Eventually(handled.Load, patience).Should(BeEquivalentTo(10_500))
}

func batches(h consumer.BatchHandlerFunc, size int, steps ...router.Step) router.Drawer {
	return func(r *router.Router) {
		r.Group("g", func(g *router.Group) { g.Topic("a").Batch(h, size, 20*time.Millisecond).OnFailure(steps...) })
	}
}

func TestF55_FailedAtCountsWhatCameBefore(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	j := newJournal()
	var tries atomic.Int32
	p := c.run(t, batches(func(_ context.Context, b *consumer.Batch) error {
		for _, m := range b.All() {
			if m.Offset == 6 && tries.Add(1) <= 2 {
				return consumer.FailedAt(m, errPoison)
			}
			j.note("m", m)
		}
		return nil
	}, 10, router.Retry(5, time.Millisecond), router.Block))
	j.awaitRecords(t, 10)
	p.stop()
	g := NewWithT(t)
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(10)), "nothing before the failure twice, nothing after it skipped")
	g.Expect(of[callbacks.Failed](p.events)).To(HaveLen(2))
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10))
}

func TestF55_WholeBatchFailureIsNarrowedDown(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	j := newJournal()
	p := c.run(t, batches(func(_ context.Context, b *consumer.Batch) error {
		for _, m := range b.All() {
			if m.Offset == 6 {
				return errPoison
			}
		}
		for _, m := range b.All() {
			j.note("m", m)
		}
		return nil
	}, 10, router.Retry(2, time.Millisecond), router.Skip))
	j.awaitRecords(t, 9)
	p.stop()
	g := NewWithT(t)
	g.Expect(j.offsets("a", 0)).To(Equal([]int64{0, 1, 2, 3, 4, 5, 7, 8, 9}))
	skipped := of[callbacks.Skipped](p.events)
	g.Expect(skipped).To(HaveLen(1), "only what fails meets the end")
	g.Expect(skipped[0].Offset).To(BeEquivalentTo(6))
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10))
}

func TestF56_KeysAndValuesThatAreNilOrEmpty(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.send(&kgo.Record{Topic: "a"}, &kgo.Record{Topic: "a", Key: []byte{}, Value: []byte{}}, &kgo.Record{Topic: "a", Key: []byte("k"), Value: nil})
	seen := make(chan string, 3)
	c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		seen <- fmt.Sprintf("key nil %t, tombstone %t", m.Key == nil, m.Tombstone())
		return nil
	})))
	g := NewWithT(t)
	g.Expect(<-seen).To(Equal("key nil true, tombstone true"))
	g.Expect(<-seen).To(Equal("key nil false, tombstone false"))
	g.Expect(<-seen).To(Equal("key nil false, tombstone true"))
}

func TestF58_RecordLargerThanTheFetchSizes(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ProducerBatchCompression(kgo.NoCompression()))
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	defer cl.Close()
	big := strings.Repeat("x", 900<<10)
	g.Expect(cl.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Value: []byte(big)}, &kgo.Record{Topic: "a", Value: []byte("small")}).FirstErr()).To(Succeed())
	sizes := make(chan int, 2)
	c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		sizes <- len(m.Value)
		return nil
	})), withConfig(func(cfg *config.Config) {
		cfg.Fetch.MaxPartitionBytes, cfg.Fetch.MaxBufferedBytes = 64<<10, 1<<20
	}))
	g.Expect(<-sizes).To(Equal(900 << 10))
	g.Expect(<-sizes).To(Equal(5))
}

func TestF62_WatermarkPassesMarkersAndAbortedRecords(t *testing.T) {
	t.Parallel()
	modes := map[string]func(*router.Route, *journal){
		"each": func(r *router.Route, j *journal) { r.Each(j.handler("m")) },
		"batch": func(r *router.Route, j *journal) {
			r.Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
				for _, m := range b.All() {
					j.note("m", m)
				}
				return nil
			}), 3, time.Millisecond)
		},
		"manual": func(r *router.Route, j *journal) {
			r.ManualOffsets().Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
				j.note("m", m)
				return m.Mark()
			}))
		},
	}
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			g := NewWithT(t)
			cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.TransactionalID("tx"), kgo.DefaultProduceTopic("a"))
			g.Expect(err).NotTo(HaveOccurred())
			defer cl.Close()
			for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
				g.Expect(cl.BeginTransaction()).To(Succeed())
				for range 5 {
					g.Expect(cl.ProduceSync(t.Context(), kgo.StringRecord(strconv.Itoa(i))).FirstErr()).To(Succeed())
				}
				g.Expect(cl.EndTransaction(t.Context(), end)).To(Succeed())
			}
			const end = 3 * (5 + 1) // records and markers; a real broker writes the last marker a moment later
			g.Eventually(func(g Gomega) {
				ends, err := c.admin.ListEndOffsets(t.Context(), "a")
				g.Expect(err).NotTo(HaveOccurred())
				at, _ := ends.Lookup("a", 0)
				g.Expect(at.Offset).To(BeEquivalentTo(end))
			}, patience).Should(Succeed())
			j := newJournal()
			p := c.run(t, func(r *router.Router) {
				r.Group("g", func(g *router.Group) { mode(g.Topic("a"), j) })
			}, withConfig(func(cfg *config.Config) { cfg.Fetch.Isolation = config.ReadCommitted }))
			j.awaitRecords(t, 10)
			for _, e := range j.all() {
				g.Expect(e.value).NotTo(Equal("1"), "aborted")
			}
			g.Eventually(func() int64 { return c.committed("g", "a", 0) }, patience).Should(BeEquivalentTo(end), "lag 0")
			p.stop()
		})
	}
}
