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
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

// exactlyOnce draws a responder that answers every record with its partition as the key and its offset as the value, in transactions.
func exactlyOnce(batch bool, before func(*consumer.Message) error, more ...func(*router.Route)) router.Drawer {
	answer := func(w *responder.Writer, m *consumer.Message) error {
		if err := before(m); err != nil {
			return err
		}
		return answers.Send(w, fmt.Append(nil, m.Record.Partition), strconv.FormatInt(m.Offset, 10))
	}
	return func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.ExactlyOnce()
			route := g.Topic("a")
			if len(more) == 0 {
				route.OnFailure(router.Retry(1000, time.Millisecond, router.MaxBackoff(5*time.Millisecond)), router.Block)
			}
			for _, m := range more {
				m(route)
			}
			if !batch {
				route.Each(responder.Decoded(consumer.BytesCodec, func(_ context.Context, w *responder.Writer, m *consumer.Typed[[]byte]) error {
					return answer(w, m.Message)
				}, answers.Optional()))
				return
			}
			route.Batch(responder.DecodedBatch(consumer.BytesCodec, func(_ context.Context, w *responder.Writer, b *consumer.TypedBatch[[]byte]) error {
				for _, m := range b.All() {
					if err := answer(w, m.Message); err != nil {
						return consumer.FailedAt(m.Message, err)
					}
				}
				return nil
			}, answers.Optional()), 10, 5*time.Millisecond)
		})
	}
}

func inTransactions(id string) option {
	return withConfig(func(cfg *config.Config) {
		cfg.Producer.TransactionalID = id
		cfg.Commit.TransactionInterval = 5 * time.Millisecond
	})
}

func always(*consumer.Message) error { return nil }

// committedAnswers reads what is committed of a topic, until n records and the end of it.
func (c *cluster) committedAnswers(t *testing.T, topic string, n int) map[string][]string {
	t.Helper()
	g := NewWithT(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords())
	g.Expect(err).NotTo(HaveOccurred())
	defer cl.Close()
	ends, err := c.admin.ListCommittedOffsets(t.Context(), topic)
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := map[string][]string{}
	at := map[int32]int64{}
	done := func() bool {
		for id, end := range ends[topic] {
			if at[id] < end.Offset {
				return false
			}
		}
		return true
	}
	for !done() {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			at[r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				got[string(r.Key)] = append(got[string(r.Key)], string(r.Value))
			}
		})
		g.Expect(ctx.Err()).NotTo(HaveOccurred(), "have %v", got)
	}
	return got
}

func (c *cluster) expectAnswersOnce(t *testing.T, parts, n int) {
	t.Helper()
	got := c.committedAnswers(t, "answers", parts*n)
	for id := range parts {
		want := make([]string, n)
		for i := range want {
			want[i] = strconv.Itoa(i)
		}
		NewWithT(t).Expect(got[strconv.Itoa(id)]).To(Equal(want), "partition %d: each once, in order", id)
	}
}

func (c *cluster) awaitCommitted(t *testing.T, parts int, n int64) {
	t.Helper()
	g := NewWithT(t)
	for id := range int32(parts) {
		g.Eventually(func() int64 { return c.committed("g", "a", id) }, patience).Should(BeNumerically(">=", n), "partition %d", id)
	}
}

func eachExactly(t *testing.T, fn func(t *testing.T, batch bool)) {
	t.Helper()
	for _, batch := range []bool{false, true} {
		t.Run(fmt.Sprintf("batch %t", batch), func(t *testing.T) {
			t.Parallel()
			fn(t, batch)
		})
	}
}

func TestConformanceExactlyOnce(t *testing.T) {
	t.Parallel()
	eachExactly(t, func(t *testing.T, batch bool) {
		t.Helper()
		const parts, n = 3, 300
		c := newCluster(t)
		c.topic("a", parts)
		c.topic("answers", 2)
		for p := range int32(parts) {
			c.produce("a", p, n)
		}
		f := &flaky{tried: map[string]bool{}, on: true}
		p := c.run(t, exactlyOnce(batch, f.fail), inTransactions("tx"))
		c.awaitCommitted(t, parts, n)
		p.stop()
		c.expectAnswersOnce(t, parts, n)
		NewWithT(t).Expect(of[callbacks.TransactionAborted](p.events)).To(BeEmpty(), "a handler's failure undoes nothing")
	})
}

func TestF76_ARefusedOutputFailsItsRecordAlone(t *testing.T) {
	t.Parallel()
	eachExactly(t, func(t *testing.T, batch bool) {
		t.Helper()
		const parts, n = 2, 100
		c := newCluster(t)
		c.topic("a", parts)
		c.topic("answers", 1)
		for p := range int32(parts) {
			c.produce("a", p, n)
		}
		refuse := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "answers", Err: kerr.InvalidRecord, Count: 3})
		defer refuse.Remove()
		p := c.run(t, exactlyOnce(batch, always), inTransactions("tx"))
		c.awaitCommitted(t, parts, n)
		p.stop()
		c.expectAnswersOnce(t, parts, n)
		NewWithT(t).Expect(of[callbacks.TransactionAborted](p.events)).NotTo(BeEmpty())
	})
}

func TestF76_DeadLettersGoWithTheTransaction(t *testing.T) {
	t.Parallel()
	const parts, n = 2, 100
	c := newCluster(t)
	c.topic("a", parts)
	c.topic("answers", 1)
	c.topic("dlq", parts)
	for p := range int32(parts) {
		c.produce("a", p, n)
	}
	p := c.run(t, exactlyOnce(false, func(m *consumer.Message) error {
		if m.Offset%10 == 3 {
			return errPoison
		}
		return nil
	}, func(r *router.Route) { r.OnFailure(router.Retry(1, time.Millisecond), router.DeadLetter("dlq")) }), inTransactions("tx"))
	c.awaitCommitted(t, parts, n)
	p.stop()
	g := NewWithT(t)
	for id := range parts {
		g.Expect(c.committedAnswers(t, "answers", 0)[strconv.Itoa(id)]).To(HaveLen(n - n/10))
	}
	letters := 0
	for _, values := range c.committedAnswers(t, "dlq", 0) {
		letters += len(values)
	}
	g.Expect(letters).To(Equal(parts * n / 10))
}

func TestF76_F82_ACrashIsNotSeen(t *testing.T) {
	t.Parallel()
	eachExactly(t, func(t *testing.T, batch bool) {
		t.Helper()
		const parts, crashes, more = 2, 4, 100
		c := newCluster(t)
		c.topic("a", parts)
		c.topic("answers", 2)
		for range crashes {
			for p := range int32(parts) {
				c.produce("a", p, more)
			}
			var handled atomic.Int32
			enough := make(chan struct{})
			p := c.run(t, exactlyOnce(batch, func(*consumer.Message) error {
				if handled.Add(1) == more/2 {
					close(enough)
				}
				return nil
			}), inTransactions("tx"))
			<-enough
			p.kill()
		}
		p := c.run(t, exactlyOnce(batch, always), inTransactions("tx"))
		c.awaitCommitted(t, parts, crashes*more)
		p.stop()
		c.expectAnswersOnce(t, parts, crashes*more)
	})
}

func TestF69_LostBetweenTheLetterAndTheCommit(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.topic("dlq", 1)
	c.topic("answers", 1)
	c.produce("a", 0, 1)
	p := c.run(t, exactlyOnce(false, func(*consumer.Message) error { return errPoison },
		func(r *router.Route) { r.OnFailure(router.DeadLetter("dlq")) }),
		inTransactions("tx"), withConfig(func(cfg *config.Config) { cfg.Commit.TransactionInterval = time.Hour }))
	await[callbacks.DeadLettered](t, p.events, 1)
	lost := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, Count: 1})
	defer lost.Remove()
	await(t, p.events, 1, func(e callbacks.Revoked) bool { return e.Lost })
	await[callbacks.DeadLettered](t, p.events, 2)
	p.stop()
	letters := c.committedAnswers(t, "dlq", 0)
	g := NewWithT(t)
	g.Expect(letters).To(HaveLen(1))
	for _, values := range letters {
		g.Expect(values).To(HaveLen(1), "the one whose partition was lost is not committed")
	}
	g.Expect(of[callbacks.TransactionAborted](p.events)).To(HaveLen(1))
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(1))
}

func TestF78_RebalancesAbortLittleAndLoseNothing(t *testing.T) {
	t.Parallel()
	eachExactly(t, func(t *testing.T, batch bool) {
		t.Helper()
		const parts, n = 4, 500
		c := newCluster(t)
		c.topic("a", parts)
		c.topic("answers", 2)
		for p := range int32(parts) {
			c.produce("a", p, n)
		}
		var mu sync.Mutex
		handled, change := 0, make(chan struct{}, 1)
		slow := func(*consumer.Message) error {
			<-time.After(100 * time.Microsecond)
			mu.Lock()
			handled++
			mu.Unlock()
			select {
			case change <- struct{}{}:
			default:
			}
			return nil
		}
		steady := c.run(t, exactlyOnce(batch, slow), inTransactions("steady"))
		for i := range 3 {
			guest := c.run(t, exactlyOnce(batch, slow), inTransactions("guest"+strconv.Itoa(i)))
			count := func() int {
				mu.Lock()
				defer mu.Unlock()
				return handled
			}
			for until := min(count()+300, parts*n); count() < until; {
				select {
				case <-change:
				case <-time.After(patience):
					t.Fatal("nothing is handled any more")
				}
			}
			guest.stop()
		}
		c.awaitCommitted(t, parts, n)
		steady.stop()
		c.expectAnswersOnce(t, parts, n)
	})
}

func TestF77_FaultsOfTheTransactionAreUndoneAndRepeated(t *testing.T) {
	t.Parallel()
	for _, fault := range []struct {
		name  string
		fault kfake.Fault
	}{
		{"generation is over", kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.IllegalGeneration, Count: 2}},
		{"coordinator moves at the offsets", kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.NotCoordinator, Count: 2}},
		{"coordinator moves at the end", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.NotCoordinator, Count: 2}},
		{"concurrent transactions", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn, kmsg.AddOffsetsToTxn}, Err: kerr.ConcurrentTransactions, Count: 3}},
		{"epoch is over", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.InvalidProducerEpoch, Count: 1}},
		{"fenced", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.ProducerFenced, Count: 1}},
		{"outcome unknown", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.UnknownServerError, Count: 1}},
		{"out of order", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "answers", Err: kerr.OutOfOrderSequenceNumber, Count: 1}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			const parts, n = 2, 200
			c := newCluster(t)
			c.topic("a", parts)
			c.topic("answers", 1)
			f := c.Fault(fault.fault)
			defer f.Remove()
			p := c.run(t, exactlyOnce(false, always), inTransactions("tx"))
			for p := range int32(parts) {
				c.produce("a", p, n)
			}
			c.awaitCommitted(t, parts, n)
			p.stop()
			c.expectAnswersOnce(t, parts, n)
		})
	}
}

func TestF77_SecondProducerWithTheSameIDStopsTheProcess(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.topic("answers", 1)
	c.produce("a", 0, 10)
	fenced := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.ProducerFenced, Count: -1})
	defer fenced.Remove()
	fatal := make(chan error, 1)
	c.run(t, exactlyOnce(false, always), inTransactions("tx"), withSettings(func(s *engine.Settings) {
		s.OnFatal = func(err error) { fatal <- err }
	}))
	g := NewWithT(t)
	var err error
	g.Eventually(fatal, patience).Should(Receive(&err))
	g.Expect(err).To(MatchError(ContainSubstring("another process has the same transactional id")))
	g.Expect(c.committed("g", "a", 0)).To(BeNumerically("<=", 0))
}

// Middleware fails, or panics, when the handler has succeeded and its outputs are there: those of the attempt are forgotten, those of the
// records before are not.
func TestF76_OutputsOfAFailedAttemptAreForgotten(t *testing.T) {
	t.Parallel()
	eachExactly(t, func(t *testing.T, batch bool) {
		t.Helper()
		const parts, n = 2, 300
		c := newCluster(t)
		c.topic("a", parts)
		c.topic("answers", 2)
		for p := range int32(parts) {
			c.produce("a", p, n)
		}
		f := &flaky{tried: map[string]bool{}, on: true}
		late := func(next consumer.BatchHandler) consumer.BatchHandler {
			return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
				if err := next.HandleBatch(ctx, b); err != nil {
					return err
				}
				for _, m := range b.All() {
					if err := f.fail(m); err != nil && m.Offset%2 == 0 {
						panic(err)
					} else if err != nil {
						return err
					}
				}
				return nil
			})
		}
		p := c.run(t, exactlyOnce(batch, always, func(r *router.Route) {
			r.Use(late).OnFailure(router.Retry(1000, time.Millisecond, router.MaxBackoff(5*time.Millisecond)), router.Block)
		}), inTransactions("tx"))
		c.awaitCommitted(t, parts, n)
		p.stop()
		c.expectAnswersOnce(t, parts, n)
		NewWithT(t).Expect(of[callbacks.TransactionAborted](p.events)).To(BeEmpty(), "a failure undoes nothing")
	})
}

// A handler that has succeeded is not undone by one that hangs after it, once a millisecond has passed.
func TestF76_OutputsDoNotWaitForASlowRecord(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.topic("answers", 1)
	c.produce("a", 0, 2)
	release := make(chan struct{})
	p := c.run(t, exactlyOnce(false, func(m *consumer.Message) error {
		if m.Offset == 0 {
			<-time.After(5 * time.Millisecond)
			return nil
		}
		<-release
		return nil
	}), inTransactions("tx"))
	c.awaitCommitted(t, 1, 1)
	// Apache Kafka marks the outputs as committed a moment after the offsets.
	NewWithT(t).Eventually(func() map[string][]string { return c.committedAnswers(t, "answers", 1) }, patience).
		Should(HaveKeyWithValue("0", []string{"0"}))
	close(release)
	c.awaitCommitted(t, 1, 2)
	p.stop()
	c.expectAnswersOnce(t, 1, 2)
}

// What has succeeded before a seek is finished, although quick records are finished some together: nothing would hand it over again.
func TestExactlyOnceSeekLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.topic("answers", 1)
	c.produce("a", 0, 30)
	var once atomic.Bool
	p := c.run(t, exactlyOnce(false, func(m *consumer.Message) error {
		if m.Offset == 10 && once.CompareAndSwap(false, true) {
			return m.Assigned().Seek(t.Context(), 20)
		}
		return nil
	}), inTransactions("tx"))
	c.awaitCommitted(t, 1, 30)
	p.stop()
	var got []int
	for _, all := range c.committedAnswers(t, "answers", 0) {
		for _, text := range all {
			at, err := strconv.Atoi(text)
			c.g.Expect(err).NotTo(HaveOccurred())
			got = append(got, at)
		}
	}
	slices.Sort(got)
	c.g.Expect(got).To(Equal([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29}))
}
