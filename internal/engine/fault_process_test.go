package engine_test

import (
	"context"
	"math/rand/v2"
	"net"
	"runtime"
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
	"github.com/karafgo/karafgo/router"
)

func TestF59_MemoryIsBounded(t *testing.T) {
	c := newCluster(t)
	const parts, perPart, size = 50, 40, 100 << 10 // 200 MB
	c.topic("a", parts)
	value := make([]byte, size)
	for i := range value { // what is compressed would take more memory than it takes of a fetch
		value[i] = byte(rand.IntN(256))
	}
	for p := range int32(parts) {
		recs := make([]*kgo.Record, perPart)
		for i := range recs {
			recs[i] = &kgo.Record{Topic: "a", Partition: p, Value: value}
		}
		c.send(recs...)
	}
	g := NewWithT(t)
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	slow := newGate()
	defer slow.release()
	const limit = 32 << 20
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if m.Offset == 0 {
			slow.hold(m)
		}
		j.note("m", &consumer.Message{Record: &kgo.Record{Topic: "a", Partition: m.Record.Partition, Offset: m.Offset}})
		return nil
	})), withConfig(func(cfg *config.Config) { cfg.Fetch.MaxBufferedBytes = limit }))
	// All handlers are stuck and the backlog is many times the limit: fetching must come to a rest.
	for range 10 {
		<-slow.entered
	}
	g.Eventually(func() bool {
		now, _ := p.buffered("g")
		return now > limit/2
	}, patience).Should(BeTrue())
	_, peak := p.buffered("g")
	g.Expect(peak).To(BeNumerically("<=", limit), "queues and one fetch")
	g.Expect(heap()-before).To(BeNumerically("<", 3*limit), "what is alive")
	go func() { // late entries
		for range slow.entered {
		}
	}()
	slow.release()
	j.awaitRecords(t, parts*perPart)
	_, peak = p.buffered("g")
	g.Expect(peak).To(BeNumerically("<=", limit))
	p.stop()
	close(slow.entered)
}

func TestF79_StopDrainsAndDuplicatesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.produce("a", 0, 2000)
	c.produce("a", 1, 2000)
	j := newJournal()
	middle := newGate()
	p := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		if m.Offset == 700 {
			if err := middle.wait(ctx, m); err != nil {
				return err
			}
		}
		j.note("first", m)
		return nil
	})))
	<-middle.entered
	<-middle.entered
	stopped := make(chan error, 1)
	go func() { stopped <- p.Stop(t.Context()) }()
	await[callbacks.Stopping](t, p.events, 1)
	middle.release()
	g := NewWithT(t)
	g.Expect(<-stopped).To(Succeed())
	again := c.run(t, each("a", j.handler("second")))
	j.awaitRecords(t, 4000)
	again.stop()
	for part := range int32(2) {
		g.Expect(j.offsets("a", part)).To(Equal(sequence(2000)), "nothing lost, nothing twice")
	}
	g.Expect(again.Stop(t.Context())).To(Succeed())
}

func TestF80_ForcedStopCommitsWhatIsDone(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	stuck := newGate()
	defer stuck.release()
	p := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		if m.Offset == 7 {
			return stuck.wait(ctx, m)
		}
		return nil
	})), withConfig(func(cfg *config.Config) { cfg.Commit.Interval = time.Hour }))
	<-stuck.entered
	p.kill() // the second signal
	NewWithT(t).Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(7))
	NewWithT(t).Expect(of[callbacks.Failed](p.events)).To(BeEmpty(), "a cancelled handler has not failed")
}

func TestF81_HangingHandlerIsAbandoned(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	stuck := newGate()
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if m.Offset == 5 {
			stuck.hold(m)
		}
		return nil
	})), withSettings(func(s *engine.Settings) { s.Drain, s.Grace = 20*time.Millisecond, 20*time.Millisecond }))
	<-stuck.entered
	g := NewWithT(t)
	g.Expect(p.Stop(t.Context())).To(MatchError(engine.ErrForced))
	at := c.committed("g", "a", 0)
	g.Expect(at).To(BeNumerically("<=", 5), "the record that hangs is not committed; what ran in the same millisecond may come again")
	stuck.release()
	await[callbacks.Stale](t, p.events, 1)
	g.Expect(c.committed("g", "a", 0)).To(Equal(at), "its result is dropped")
}

func TestF83_StopInEveryState(t *testing.T) {
	t.Parallel()
	failing := consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return errPoison })
	t.Run("back-off", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		c.topic("a", 1)
		c.produce("a", 0, 3)
		p := c.run(t, each("a", failing, func(r *router.Route) {
			r.OnFailure(router.Retry(9, time.Hour, router.MaxBackoff(time.Hour)), router.Skip)
		}))
		await[callbacks.Retried](t, p.events, 1)
		p.stop()
		NewWithT(t).Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(0), "the start position, and nothing skipped")
	})
	t.Run("rebalance", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		c.topic("a", 2)
		c.produce("a", 0, 1)
		c.produce("a", 1, 1)
		stuck := newGate()
		first := c.run(t, each("a", consumer.HandlerFunc(stuck.wait)))
		<-stuck.entered
		<-stuck.entered
		c.run(t, each("a", newJournal().handler("second")))
		NewWithT(t).Eventually(func() bool { return len(first.assignedTo("a")) < 2 }, patience).Should(BeTrue())
		stopped := make(chan error, 1)
		go func() { stopped <- first.Stop(t.Context()) }()
		await[callbacks.Stopping](t, first.events, 1)
		stuck.release()
		NewWithT(t).Expect(<-stopped).To(Succeed())
	})
	t.Run("broker down", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		c.topic("a", 1)
		c.produce("a", 0, 3)
		j := newJournal()
		p := c.run(t, each("a", j.handler("m")))
		j.awaitRecords(t, 3)
		c.fake().Close()
		p.kill()
	})
	t.Run("boot", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		c.topic("a", 1)
		p := c.prepare(t, each("a", failing))
		ctx, cancel := context.WithCancel(t.Context())
		c.fake().ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
			cancel()
			return nil, nil, false //nolint:nilnil // not handled here
		})
		_ = p.Start(ctx) // either it made it or it did not
		p.kill()
	})
}

func TestF84_LifeCycleMisuse(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	d := each("a", newJournal().handler("m"))
	g := NewWithT(t)
	background := t.Context()

	p := c.prepare(t, d)
	g.Expect(p.Start(background)).To(Succeed())
	g.Expect(p.Start(background)).To(MatchError(engine.ErrStarted))
	g.Expect(p.Stop(background)).To(Succeed())
	g.Expect(p.Stop(background)).To(Succeed())
	g.Expect(p.Start(background)).To(MatchError(engine.ErrStopped))

	p = c.prepare(t, d)
	g.Expect(p.Stop(background)).To(Succeed())
	g.Expect(p.Start(background)).To(MatchError(engine.ErrStopped))

	cancelled, cancel := context.WithCancel(background)
	cancel()
	p = c.prepare(t, d)
	g.Expect(p.Start(cancelled)).To(MatchError(context.Canceled))
	g.Expect(p.Stop(background)).To(Succeed())
}

func TestF85_NothingGrowsOverRebalances(t *testing.T) {
	c := newCluster(t)
	c.topic("a", 4)
	p := c.run(t, each("a", newJournal().handler("m")))
	await[callbacks.Assigned](t, p.events, 4)
	g := NewWithT(t)
	cycle := func(n int) {
		for range n {
			before := len(of[callbacks.Assigned](p.events))
			other := c.prepare(t, each("a", newJournal().handler("other")))
			g.Expect(other.Start(t.Context())).To(Succeed())
			await[callbacks.Assigned](t, other.events, 2)
			other.kill()
			await[callbacks.Assigned](t, p.events, before+2)
		}
	}
	cycle(3)
	before := runtime.NumGoroutine()
	cycle(25)
	g.Eventually(runtime.NumGoroutine, patience).Should(BeNumerically("<=", before+5))
}

func TestF87_WrongBrokerAddressFailsAtBoot(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	address := l.Addr().String()
	g.Expect(l.Close()).To(Succeed())
	c := newCluster(t)
	for _, broker := range []string{address, "no-such-host.invalid:9092"} {
		p := c.prepare(t, each("a", newJournal().handler("m")), withConfig(func(cfg *config.Config) {
			cfg.Kafka.Brokers, cfg.Kafka.BootTimeout = []string{broker}, 2*time.Second
		}))
		err := p.Start(t.Context())
		g.Expect(err).To(MatchError(ContainSubstring(broker)))
		g.Expect(p.Stop(t.Context())).To(Succeed())
	}
}

func TestF88_MissingTopic(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	j := newJournal()
	g := NewWithT(t)
	p := c.prepare(t, each("a", j.handler("m")))
	g.Expect(p.Start(t.Context())).To(MatchError(ContainSubstring("topics do not exist: a")))

	p = c.run(t, each("a", j.handler("m")), withSettings(func(s *engine.Settings) { s.MissingTopics = engine.MissingWarn }))
	await(t, p.events, 1, func(e callbacks.TopicMissing) bool { return e.Topic == "a" })
	c.topic("a", 1)
	c.produce("a", 0, 5)
	j.awaitRecords(t, 5)
}

func TestFencedMemberStopsTheProcess(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 5)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "a", Err: kerr.FencedInstanceID, Count: -1})
	var told atomic.Bool
	p := c.run(t, each("a", newJournal().handler("m")), withSettings(func(s *engine.Settings) { s.OnFatal = func(error) { told.Store(true) } }))
	<-p.Failed()
	g := NewWithT(t)
	g.Expect(p.Err()).To(MatchError(ContainSubstring("group.instance_id")))
	g.Eventually(told.Load, patience).Should(BeTrue())
}
