package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

var answers = responder.NewTopic[string]("answers", consumer.StringCodec)

// answering draws a responder that answers every record with its partition as the key and its offset as the value. before may fail it.
func answering(batch, manual bool, j *journal, before func(*consumer.Message) error) router.Drawer {
	answer := func(w *responder.Writer, m *consumer.Message) error {
		if err := before(m); err != nil {
			return err
		}
		if err := answers.Send(w, fmt.Append(nil, m.Record.Partition), strconv.FormatInt(m.Offset, 10)); err != nil {
			return err
		}
		j.note("m", m)
		if manual {
			return m.Mark()
		}
		return nil
	}
	return func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			route := g.Topic("a").OnFailure(router.Retry(1000, time.Millisecond, router.MaxBackoff(5*time.Millisecond)), router.Block)
			if manual {
				route.ManualOffsets()
			}
			if !batch {
				route.Each(responder.Decoded(consumer.BytesCodec, func(_ context.Context, w *responder.Writer, m *consumer.Typed[[]byte]) error {
					return answer(w, m.Message)
				}, answers.Required()))
				return
			}
			route.Batch(responder.DecodedBatch(consumer.BytesCodec, func(_ context.Context, w *responder.Writer, b *consumer.TypedBatch[[]byte]) error {
				for _, m := range b.All() {
					if err := answer(w, m.Message); err != nil {
						return consumer.FailedAt(m.Message, err)
					}
				}
				return nil
			}, answers.Required()), 10, 5*time.Millisecond)
		})
	}
}

// answersOf reads n answers, and returns them by source partition in the order in which the broker has them.
func (c *cluster) answersOf(t *testing.T, done func(map[string][]string) bool) map[string][]string {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics("answers"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := map[string][]string{}
	for !done(got) {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) { got[string(r.Key)] = append(got[string(r.Key)], string(r.Value)) })
		NewWithT(t).Expect(ctx.Err()).NotTo(HaveOccurred(), "have %v", got)
	}
	return got
}

func eachAnswering(t *testing.T, fn func(t *testing.T, batch, manual bool)) {
	t.Helper()
	for _, batch := range []bool{false, true} {
		for _, manual := range []bool{false, true} {
			t.Run(fmt.Sprintf("batch %t, manual %t", batch, manual), func(t *testing.T) {
				t.Parallel()
				fn(t, batch, manual)
			})
		}
	}
}

func TestConformanceOutputsAreCompleteAndInOrder(t *testing.T) {
	t.Parallel()
	eachAnswering(t, func(t *testing.T, batch, manual bool) {
		t.Helper()
		const parts, n = 3, 300
		c := newCluster(t)
		c.topic("a", parts)
		c.topic("answers", 2)
		for p := range int32(parts) {
			c.produce("a", p, n)
		}
		f := &flaky{tried: map[string]bool{}, on: true}
		j := newJournal()
		p := c.run(t, answering(batch, manual, j, f.fail))
		j.awaitRecords(t, parts*n)
		p.stop()
		want := make([]string, n)
		for i := range want {
			want[i] = strconv.Itoa(i)
		}
		got := c.answersOf(t, func(got map[string][]string) bool {
			return len(got["0"])+len(got["1"])+len(got["2"]) >= parts*n
		})
		g := NewWithT(t)
		for id := range int32(parts) {
			g.Expect(got[strconv.Itoa(int(id))]).To(Equal(want), "nothing that failed has left, nothing twice")
			g.Expect(c.committed("g", "a", id)).To(BeEquivalentTo(n))
		}
	})
}

// An output that the broker refuses keeps its record uncommitted for as long as it does.
func TestConformanceRefusedOutputsHoldTheOffset(t *testing.T) {
	t.Parallel()
	eachAnswering(t, func(t *testing.T, batch, manual bool) {
		t.Helper()
		const n = 100
		c := newCluster(t)
		c.topic("a", 1)
		c.topic("answers", 1)
		watch := c.watchCommits("a")
		c.produce("a", 0, n)
		var refused *kfake.FaultHandle
		var broken atomic.Bool
		j := newJournal()
		p := c.run(t, answering(batch, manual, j, func(m *consumer.Message) error {
			if m.Offset == 50 && broken.CompareAndSwap(false, true) {
				refused = c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "answers", Err: kerr.TopicAuthorizationFailed, Count: -1})
			}
			return nil
		}))
		failed := await[callbacks.ProduceFailed](t, p.events, 3)
		lowest := slices.MinFunc(failed, func(a, b callbacks.ProduceFailed) int { return int(a.Offset - b.Offset) }).Offset
		g := NewWithT(t)
		g.Expect(c.committed("g", "a", 0)).To(BeNumerically("<=", lowest))
		g.Expect(p.Status()[0].Position).To(BeEquivalentTo(lowest), "not past what has no answer")
		refused.Remove()
		await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == n })
		p.stop()
		seen := map[string]bool{}
		c.answersOf(t, func(got map[string][]string) bool {
			for _, v := range got["0"] {
				seen[v] = true
			}
			return len(seen) == n
		})
		g.Expect(watch.backward()).To(BeEmpty())
	})
}

// A batch that fails as a whole is delivered again as a whole: order is that of first successes, and nothing is lost.
func TestConformanceWholeBatchesFail(t *testing.T) {
	t.Parallel()
	for _, manual := range []bool{false, true} {
		t.Run(fmt.Sprint("manual ", manual), func(t *testing.T) {
			t.Parallel()
			const n = 300
			c := newCluster(t)
			c.topic("a", 2)
			c.produce("a", 0, n)
			c.produce("a", 1, n)
			f := &flaky{tried: map[string]bool{}, on: true}
			j := newJournal()
			p := c.run(t, func(r *router.Router) {
				r.Group("g", func(g *router.Group) {
					route := g.Topic("a").OnFailure(router.Retry(10, time.Millisecond), router.Block)
					if manual {
						route.ManualOffsets()
					}
					route.Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
						for _, m := range b.All() {
							if err := f.fail(m); err != nil {
								return err
							}
						}
						for _, m := range b.All() {
							j.note("m", m)
						}
						if manual {
							return b.Last().MarkThrough()
						}
						return nil
					}), 20, time.Millisecond)
				})
			})
			j.awaitRecords(t, 2*n)
			p.stop()
			for id := range int32(2) {
				NewWithT(t).Expect(j.offsets("a", id)).To(Equal(sequence(n)))
				NewWithT(t).Expect(c.committed("g", "a", id)).To(BeEquivalentTo(n))
			}
		})
	}
}
