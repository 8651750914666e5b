package engine_test

import (
	"context"
	"errors"
	"io"
	"net"
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
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

var errHandler = errors.New("handler failed")

func drain(d time.Duration) option {
	return withConfig(func(cfg *config.Config) { cfg.Group.Drain = d })
}

func TestF04_ErrorAfterTheDrainBudgetIsNoFailure(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.produce("a", 0, 1)
	c.produce("a", 1, 1)
	l := c.newLedger("a")
	entered := newGate()
	defer entered.release()
	first := l.joinRoute(t, c, "first", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		_ = entered.wait(ctx, m)
		return errHandler
	}), func(r *router.Route) { r.OnFailure(router.Skip) }, drain(0)) // a failure would be skipped and committed
	<-entered.entered
	<-entered.entered
	second := l.join(t, c, "second", nil)
	p := await[callbacks.Revoked](t, first.events, 1)[0].Partition
	mine := func(w callbacks.Where) bool { return w.Partition == p }
	await(t, first.events, 1, func(e callbacks.Stale) bool { return mine(e.Where) && errors.Is(e.Err, errHandler) })
	g := NewWithT(t)
	g.Eventually(func() int64 { return c.committed("g", "a", p) }, patience).Should(BeEquivalentTo(1), "the new owner handled it")
	g.Expect(of(first.events, func(e callbacks.Failed) bool { return mine(e.Where) })).To(BeEmpty())
	g.Expect(of(first.events, func(e callbacks.Retried) bool { return mine(e.Where) })).To(BeEmpty())
	g.Expect(of(first.events, func(e callbacks.Skipped) bool { return mine(e.Where) })).To(BeEmpty())
	second.stop()
	g.Expect(l.expectClean(t)).To(BeZero())
}

func TestF06_DoneRecordsOfALostPartitionAreNotCommitted(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	l := c.newLedger("a")
	p := l.join(t, c, "first", nil, withConfig(func(cfg *config.Config) { cfg.Commit.Interval = time.Hour }))
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 0 }) // the start position
	c.produce("a", 0, 10)
	g := NewWithT(t)
	g.Eventually(l.done(1, 10), patience).Should(BeTrue())
	commits := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Count: -1, Observe: true})
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID})
	g.Expect(await[callbacks.Revoked](t, p.events, 1)[0].Lost).To(BeTrue())
	await[callbacks.Positioned](t, p.events, 2)
	g.Eventually(func() int { l.mu.Lock(); defer l.mu.Unlock(); return l.repeated }, patience).Should(Equal(10))
	g.Expect(commits.Hits()).To(BeZero())
	p.stop()
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10))
	l.expectClean(t)
}

func TestF07_FailedCommitOfARevokeIsNotRepeated(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	l := c.newLedger("a")
	quiet := withConfig(func(cfg *config.Config) { cfg.Commit.Interval = time.Hour })
	first := l.join(t, c, "first", nil, quiet)
	await(t, first.events, 2, func(e callbacks.Committed) bool { return e.Offset == 0 })
	c.produce("a", 0, 10)
	c.produce("a", 1, 10)
	g := NewWithT(t)
	g.Eventually(l.done(2, 10), patience).Should(BeTrue())
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "a", Err: kerr.RebalanceInProgress, Count: 1})
	second := l.join(t, c, "second", nil, quiet)
	moved := await[callbacks.Revoked](t, first.events, 1)[0].Partition
	failed := await[callbacks.CommitFailed](t, first.events, 1)
	g.Expect(failed[0].Partition).To(Equal(moved))
	g.Expect(failed[0].Err).To(MatchError(kerr.RebalanceInProgress))
	g.Eventually(func() int { l.mu.Lock(); defer l.mu.Unlock(); return l.repeated }, patience).Should(Equal(10),
		"the new owner starts at what is committed")
	c.produce("a", 1-moved, 5)
	g.Eventually(l.done(2, 10), patience).Should(BeTrue())
	first.stop()
	g.Expect(of(first.events, func(e callbacks.Committed) bool { return e.Partition == moved && e.Offset > 0 })).To(BeEmpty())
	second.stop()
	g.Expect(c.committed("g", "a", moved)).To(BeEquivalentTo(10))
	l.expectClean(t)
}

// deaf is a network on which answers to the next OffsetCommit requests are lost: the connection breaks when they arrive.
type deaf struct {
	lose atomic.Int32
	lost atomic.Int32
}

func (d *deaf) dial(ctx context.Context, network, host string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, host)
	if err != nil {
		return nil, err
	}
	return &deafConn{Conn: conn, d: d}, nil
}

type deafConn struct {
	net.Conn

	d    *deaf
	deaf atomic.Bool
}

// Write looks at the request's key, after its four bytes of length. The client writes a request at once.
func (c *deafConn) Write(b []byte) (int, error) {
	if len(b) > 6 && int(b[4])<<8|int(b[5]) == int(kmsg.OffsetCommit) && c.d.lose.Add(-1) >= 0 {
		c.deaf.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *deafConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.deaf.Load() {
		c.d.lost.Add(1)
		_ = c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func TestF09_CommitAppliedAndItsAnswerLost(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	l := c.newLedger("a")
	d := &deaf{}
	p := l.join(t, c, "first", nil, withConnector(func(k *kafka.Cluster) kafka.Connector { return k.WithDialer(d.dial) }))
	await(t, p.events, 2, func(e callbacks.Committed) bool { return e.Offset == 0 })
	d.lose.Store(3)
	g := NewWithT(t)
	for range 20 {
		c.produce("a", 0, 10)
		c.produce("a", 1, 10)
	}
	g.Eventually(func() int64 { return c.committed("g", "a", 0) }, patience).Should(BeEquivalentTo(200))
	g.Eventually(func() int64 { return c.committed("g", "a", 1) }, patience).Should(BeEquivalentTo(200))
	g.Eventually(d.lost.Load, patience).Should(BeNumerically(">=", 1))
	p.stop()
	g.Expect(l.expectClean(t)).To(BeZero())
}

func TestF10_BackOffEndsWithTheAssignment(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	l := c.newLedger("a")
	c.produce("a", 0, 10)
	c.produce("a", 1, 10)
	var healed atomic.Bool
	j := newJournal()
	h := consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		j.note("first", m)
		if m.Offset == 4 && !healed.Load() {
			return consumer.RetryAfter(time.Hour, errHandler)
		}
		return nil
	})
	first := l.join(t, c, "first", h)
	await[callbacks.Retried](t, first.events, 2)
	second := l.join(t, c, "second", consumer.HandlerFunc(func(context.Context, *consumer.Message) error {
		return consumer.RetryAfter(time.Hour, errHandler)
	}))
	moved := await[callbacks.Revoked](t, first.events, 1)[0] // not held up by an hour of back-off
	g := NewWithT(t)
	g.Expect(moved.Drained).To(BeTrue())
	await[callbacks.Retried](t, second.events, 1)
	healed.Store(true)
	second.stop()
	await[callbacks.Assigned](t, first.events, 3)
	j.await(t, "the rest of the partition", func(j *journal) bool {
		o := j.offsets("a", moved.Partition)
		return o[len(o)-1] == 9
	})
	g.Expect(j.offsets("a", moved.Partition)).To(Equal([]int64{0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9}), "from what is committed, nothing lost")
	for _, e := range j.all() {
		if e.partition == moved.Partition {
			g.Expect(e.attempt).To(Equal(1))
		}
	}
	for _, s := range first.Status() {
		g.Expect(s.Retrying != nil).To(Equal(s.Partition != moved.Partition), "the kept partition still waits, visibly")
	}
	l.expectClean(t)
}

func TestF12_NoEarlyEndAfterReassignment(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.produce("a", 0, 1)
	c.produce("a", 1, 1)
	var stay atomic.Bool
	var mu sync.Mutex
	attempts := map[int32][]int{}
	h := func(note bool) consumer.Handler {
		return consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			if note {
				mu.Lock()
				attempts[m.Record.Partition] = append(attempts[m.Record.Partition], m.Attempt())
				mu.Unlock()
			}
			if m.Attempt() == 3 && !stay.Load() {
				return consumer.RetryAfter(time.Hour, errHandler) // one attempt before its end
			}
			return errHandler
		})
	}
	steps := func(r *router.Route) { r.OnFailure(router.Retry(3, time.Millisecond), router.Skip) }
	first := c.run(t, each("a", h(true), steps))
	third := func(e callbacks.Retried) bool { return e.Attempt == 4 }
	await(t, first.events, 2, third)
	second := c.run(t, each("a", h(false), steps))
	moved := await[callbacks.Revoked](t, first.events, 1)[0].Partition
	await(t, second.events, 1, third)
	stay.Store(true)
	second.stop()
	await(t, first.events, 1, func(e callbacks.Skipped) bool { return e.Partition == moved })
	mu.Lock()
	defer mu.Unlock()
	NewWithT(t).Expect(attempts[moved]).To(Equal([]int{1, 2, 3, 1, 2, 3, 4}), "each epoch has all its attempts")
	NewWithT(t).Expect(of[callbacks.Skipped](second.events)).To(BeEmpty())
}

// TestF14_EpochsInBetweenDoNotUnchain takes a partition away twice while the handler of its first epoch still runs: the
// third epoch waits for the first one's handler, although the second never had one.
func TestF14_EpochsInBetweenDoNotUnchain(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 3)
	stuck := newGate()
	defer stuck.release()
	var held, together atomic.Bool
	var running atomic.Int32
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if running.Add(1) > 1 {
			together.Store(true)
		}
		defer running.Add(-1)
		j.note("m", m)
		if held.CompareAndSwap(false, true) {
			stuck.hold(m) // ignores its context
		}
		return nil
	})))
	<-stuck.entered
	for epoch := 1; epoch <= 3; epoch++ {
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID})
		await[callbacks.Revoked](t, p.events, epoch)
		await(t, p.events, 1, func(e callbacks.Positioned) bool {
			return e.Partition == 0 && len(of[callbacks.Positioned](p.events)) > epoch
		})
	}
	await(t, p.events, 4, func(e callbacks.Fetched) bool { return e.Last == 2 }) // the fourth epoch has its records queued
	g := NewWithT(t)
	stuck.release()
	g.Eventually(func() int64 { return c.committed("g", "a", 0) }, patience).Should(BeEquivalentTo(3))
	g.Expect(together.Load()).To(BeFalse(), "one handler at a time, over all epochs")
	g.Expect(j.offsets("a", 0)).To(Equal([]int64{0, 0, 1, 2}))
	stale := of[callbacks.Stale](p.events)
	g.Expect(stale).To(HaveLen(1))
	g.Expect(stale[0].Epoch).To(Equal(1))
}

func TestF38_OnlyTheUnreadablePartitionWaits(t *testing.T) {
	t.Parallel()
	for _, code := range []*kerr.Error{kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.UnknownServerError} {
		t.Run(code.Message, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 2)
			l := c.newLedger("a")
			before := l.join(t, c, "first", nil)
			c.produce("a", 0, 20)
			c.produce("a", 1, 20)
			g := NewWithT(t)
			g.Eventually(l.done(2, 20), patience).Should(BeTrue())
			before.stop()
			c.produce("a", 0, 5)
			c.produce("a", 1, 5)
			denied := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Topic: "a", Partitions: []int32{0}, Err: code, Count: -1})
			p := l.join(t, c, "second", nil)
			await(t, p.events, 1, func(e callbacks.Handled) bool { return e.Partition == 1 && e.Last == 24 })
			await(t, p.events, 1, func(e callbacks.FetchFailed) bool { return errors.Is(e.Err, code) })
			g.Expect(denied.Wait(t.Context(), denied.Hits()+1)).To(Succeed(), "asked again")
			g.Expect(of(p.events, func(e callbacks.Positioned) bool { return e.Partition == 0 })).To(BeEmpty())
			denied.Remove()
			g.Eventually(l.done(2, 25), patience).Should(BeTrue(), "heals alone")
			p.stop()
			g.Expect(l.expectClean(t)).To(BeZero())
			g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(25))
		})
	}
}

func TestF38_UnreadablePartitionMovesOn(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	l := c.newLedger("a")
	before := l.join(t, c, "first", nil)
	c.produce("a", 0, 20)
	g := NewWithT(t)
	g.Eventually(l.done(1, 20), patience).Should(BeTrue())
	before.stop()
	denied := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Topic: "a", Err: kerr.TopicAuthorizationFailed, Count: -1})
	second := l.join(t, c, "second", nil)
	await(t, second.events, 1, func(e callbacks.FetchFailed) bool { return e.Topic == "a" })
	second.stop() // with a partition whose position is not known: nothing may be committed for it
	g.Expect(c.committed("g", "a", 0)).To(BeNumerically("<", 21))
	denied.Remove()
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(20))
	third := l.join(t, c, "third", nil)
	c.produce("a", 0, 5)
	g.Eventually(l.done(1, 25), patience).Should(BeTrue())
	third.stop()
	g.Expect(l.expectClean(t)).To(BeZero())
}
