package engine_test

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

var errRefused = errors.New("refused by the test")

// acks stands between the engine and the broker: outputs arrive, and what the engine hears of it is up to the test.
type acks struct {
	*kafka.Cluster

	mu     sync.Mutex
	open   bool
	held   []func()
	refuse map[int64]bool // by offset of the source, once
}

func withAcks(h *acks) option {
	return withConnector(func(k *kafka.Cluster) kafka.Connector {
		h.Cluster = k
		return h
	})
}

func (h *acks) Producer() (kafka.Producer, error) {
	p, err := h.Cluster.Producer()
	return ackProducer{p, h}, err
}

type ackProducer struct {
	kafka.Producer

	h *acks
}

func (p ackProducer) Produce(ctx context.Context, from kafka.Source, r *kgo.Record, promise func(*kgo.Record, error)) {
	p.h.mu.Lock()
	refuse := p.h.refuse[from.Offset]
	delete(p.h.refuse, from.Offset)
	p.h.mu.Unlock()
	p.Producer.Produce(ctx, from, r, func(r *kgo.Record, err error) {
		if refuse {
			err = errRefused
		}
		p.h.mu.Lock()
		if !p.h.open {
			p.h.held = append(p.h.held, func() { promise(r, err) })
			p.h.mu.Unlock()
			return
		}
		p.h.mu.Unlock()
		promise(r, err)
	})
}

// release answers what is held, and all that follows.
func (h *acks) release() {
	h.mu.Lock()
	held := h.held
	h.open, h.held = true, nil
	h.mu.Unlock()
	for _, answer := range held {
		answer()
	}
}

// feeding writes records one by one, each when the one before was handled: so that each is a fetch of its own.
func (c *cluster) feeding(t *testing.T, j *journal, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		c.produce("a", 0, 1)
		j.await(t, "record "+strconv.Itoa(i), func(j *journal) bool { return j.unique() == i+1 })
	}
}

func TestF75_NextRecordsDoNotWaitForTheAnswers(t *testing.T) {
	t.Parallel()
	for _, batch := range []bool{false, true} {
		t.Run("batch "+strconv.FormatBool(batch), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			c.topic("answers", 1)
			h, j := &acks{}, newJournal()
			p := c.run(t, answering(batch, false, j, func(*consumer.Message) error { return nil }), withAcks(h))
			c.feeding(t, j, 0, 5)
			g := NewWithT(t)
			g.Expect(p.Status()[0].Position).To(BeZero(), "nothing is done")
			h.release()
			g.Eventually(func() int64 { return p.Status()[0].Position }, patience).Should(BeEquivalentTo(5))
			p.stop()
			g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(5))
		})
	}
}

func TestF73_RefusedOutputIsTakenBackFromWhatIsHeld(t *testing.T) {
	t.Parallel()
	for _, batch := range []bool{false, true} {
		t.Run("batch "+strconv.FormatBool(batch), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			c.topic("answers", 1)
			h, j := &acks{refuse: map[int64]bool{2: true}}, newJournal()
			var attempts sync.Map
			p := c.run(t, answering(batch, false, j, func(m *consumer.Message) error {
				attempts.Store(m.Offset, m.Attempt())
				return nil
			}), withAcks(h))
			c.feeding(t, j, 0, 5)
			h.release()
			g := NewWithT(t)
			g.Eventually(func() int64 { return p.Status()[0].Position }, patience).Should(BeEquivalentTo(5))
			p.stop()
			g.Expect(j.offsets("a", 0)).To(Equal([]int64{0, 1, 2, 3, 4, 2, 3, 4}))
			at, _ := attempts.Load(int64(2))
			g.Expect(at).To(Equal(2), "the one that was refused is tried again")
			at, _ = attempts.Load(int64(3))
			g.Expect(at).To(Equal(1), "what came after it did not fail")
			g.Expect(of[callbacks.Fetched](p.events)).To(HaveLen(5), "nothing is fetched again")
			g.Expect(of[callbacks.ProduceFailed](p.events)).To(HaveExactElements(HaveField("Offset", BeEquivalentTo(2))))
			failed := of[callbacks.Failed](p.events)
			g.Expect(failed).To(HaveExactElements(And(HaveField("First", BeEquivalentTo(2)), HaveField("Err", MatchError(errRefused)))))
			g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(5))
		})
	}
}

func TestF74_AnswersThatDoNotComeHoldUpTheirPartitionAtABound(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.topic("answers", 1)
	h, j := &acks{}, newJournal()
	p := c.run(t, answering(false, false, j, func(*consumer.Message) error { return nil }), withAcks(h))
	c.feeding(t, j, 0, 8)
	const most = 10_000
	c.produce("a", 0, most-8) // 8 fetches are not too many, if they are small
	j.awaitRecords(t, most)
	c.produce("a", 0, 1)
	g := NewWithT(t)
	g.Eventually(p.Status, patience).Should(ConsistOf(HaveField("Queued", 1)))
	g.Expect(j.unique()).To(Equal(most), "as many as may wait for their outputs")
	g.Expect(p.Status()[0].Position).To(BeZero())
	h.release()
	j.awaitRecords(t, most+1)
	p.stop()
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(most + 1)))
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(most + 1))
}

func TestF73_AFailureIsDecidedWhenNothingBeforeItIsUnderWay(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.topic("answers", 1)
	h, j := &acks{refuse: map[int64]bool{1: true}}, newJournal()
	var fails atomic.Int32
	p := c.run(t, answering(false, false, j, func(m *consumer.Message) error {
		if m.Offset == 3 && fails.Add(1) == 1 {
			go h.release()
			return errPoison
		}
		return nil
	}), withAcks(h))
	c.feeding(t, j, 0, 3)
	c.produce("a", 0, 1)
	j.await(t, "the last record", func(j *journal) bool { return j.unique() == 4 })
	p.stop()
	g := NewWithT(t)
	g.Expect(j.offsets("a", 0)).To(Equal([]int64{0, 1, 2, 1, 2, 3}))
	failed := of[callbacks.Failed](p.events)
	g.Expect(failed).To(HaveExactElements(HaveField("Err", MatchError(errRefused))), "the one before goes first")
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(4))
}

func TestF79_StopWaitsForTheAnswers(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.topic("answers", 1)
	h, j := &acks{}, newJournal()
	p := c.run(t, answering(false, false, j, func(*consumer.Message) error { return nil }), withAcks(h))
	c.feeding(t, j, 0, 3)
	go func() {
		await[callbacks.Stopping](t, p.events, 1)
		h.release()
	}()
	p.stop()
	NewWithT(t).Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(3))
}

func TestF74_AHandlerThatGivesUpOnASyncOutputFailsNoOther(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.topic("b", 1)
	c.topic("answers", 1)
	slow := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "answers", Err: kerr.NotEnoughReplicas, Count: -1})
	p := c.run(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Each(responder.Decoded(consumer.BytesCodec, func(_ context.Context, w *responder.Writer, _ *consumer.Typed[[]byte]) error {
				return answers.Send(w, nil, "sync")
			}, answers.Sync())).Timeout(200*time.Millisecond).OnFailure(router.Retry(1000, time.Millisecond), router.Block)
			g.Topic("b").Each(responder.Decoded(consumer.BytesCodec, func(_ context.Context, w *responder.Writer, _ *consumer.Typed[[]byte]) error {
				return answers.Send(w, nil, "other")
			}, answers.Required()))
		})
	})
	c.send(record("a", 0, "1"))
	g := NewWithT(t)
	g.Eventually(slow.Hits, patience).Should(BeNumerically(">", 0))
	c.send(record("b", 0, "1")) // behind the other, in the client
	await(t, p.events, 1, func(e callbacks.Handled) bool { return e.Topic == "b" })
	await(t, p.events, 3, func(e callbacks.Failed) bool { return e.Topic == "a" && errors.Is(e.Err, context.DeadlineExceeded) })
	slow.Remove()
	await(t, p.events, 1, func(e callbacks.Produced) bool { return e.Topic == "b" })
	p.stop()
	g.Expect(of(p.events, func(e callbacks.ProduceFailed) bool { return e.Topic == "b" })).To(BeEmpty())
	g.Expect(c.committed("g", "b", 0)).To(BeEquivalentTo(1))
}

// Partitions of one process write to the same partition of a topic, by the same client. One is taken away while its outputs are not
// acknowledged, and is not waited for: the outputs of the others are none of its business.
func TestF74_APartitionThatIsCutFailsNoOther(t *testing.T) {
	t.Parallel()
	for _, o := range []struct {
		name string
		draw []func(*router.Route)
	}{{"serial", nil}, {"by key", []func(*router.Route){byKey(2)}}} {
		for head := range int32(2) { // the client looks at the first of a batch only, and one of both is of the partition that goes
			t.Run(fmt.Sprintf("%s, behind %d", o.name, head), func(t *testing.T) {
				t.Parallel()
				cutOne(t, head, o.draw...)
			})
		}
	}
}

func cutOne(t *testing.T, head int32, draw ...func(*router.Route)) {
	t.Helper()
	c := newCluster(t)
	c.topic("a", 2)
	c.topic("answers", 1)
	slow := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "answers", Err: kerr.NotEnoughReplicas, Count: -1})
	drained := withConfig(func(cfg *config.Config) { cfg.Group.Drain = 50 * time.Millisecond })
	at := func(m *consumer.Message) string { return fmt.Sprintf("%d@%d", m.Partition, m.Offset) }
	j := newJournal()
	first := c.run(t, responds(j, at, draw...), drained)
	c.produce("a", head, 1)
	g := NewWithT(t)
	g.Eventually(slow.Hits, patience).Should(BeNumerically(">", 0))
	c.produce("a", 1-head, 1)
	j.awaitRecords(t, 2)
	second := c.run(t, responds(newJournal(), at, draw...), drained)
	await[callbacks.Revoked](t, first.events, 1)
	await[callbacks.Assigned](t, second.events, 1)
	g.Expect(first.assignedTo("a")).To(HaveLen(1))
	kept := first.assignedTo("a")[0]
	tries := slow.Hits()
	g.Eventually(slow.Hits, patience).Should(BeNumerically(">", tries+1), "the client has looked at it again")
	slow.Remove()
	await(t, first.events, 1, func(e callbacks.Produced) bool { return e.Partition == kept })
	g.Expect(of[callbacks.ProduceFailed](first.events)).To(BeEmpty())
	g.Eventually(func() int64 { return c.committed("g", "a", kept) }, patience).Should(BeEquivalentTo(1))
	g.Eventually(func() int64 { return c.committed("g", "a", 1-kept) }, patience).Should(BeEquivalentTo(1), "by its next owner")
	first.stop()
	second.stop()
	g.Expect(c.answered()).To(HaveKeyWithValue(fmt.Sprintf("%d@0", kept), 1))
}
