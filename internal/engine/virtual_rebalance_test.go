//go:build synctests

package engine_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// realTimeouts are the defaults, but for the client's name.
func realTimeouts(cfg *config.Config) {
	id := cfg.Kafka.ClientID
	defaults(cfg)
	cfg.Kafka.ClientID = id
}

func notKicked(t *testing.T, p *process) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(of(p.events, func(e callbacks.Revoked) bool { return e.Lost })).To(BeEmpty())
	g.Expect(of[callbacks.FetchFailed](p.events)).To(BeEmpty())
	g.Expect(of[callbacks.CommitFailed](p.events)).To(BeEmpty())
}

func TestVirtualF04_RevokeIsHeldForTheDrainBudgetAndNoLonger(t *testing.T) {
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		c.topic("a", 4)
		l := c.newLedger("a")
		stuck := newGate()
		defer stuck.release()
		for p := range int32(4) {
			c.produce("a", p, 1)
		}
		first := l.join(t, c, "first", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			stuck.hold(m) // ignores its context
			return errHandler
		}), connect, withConfig(realTimeouts))
		for range 4 {
			<-stuck.entered
		}
		joined := time.Now()
		second := l.join(t, c, "second", nil, connect, withConfig(realTimeouts))
		await[callbacks.Revoked](t, first.events, 2)
		held := time.Since(joined)
		g := NewWithT(t)
		cfg := config.Default().Group
		g.Expect(held).To(BeNumerically(">=", cfg.Drain))
		g.Expect(held).To(BeNumerically("<", cfg.RebalanceTimeout))
		await[callbacks.Assigned](t, second.events, 2)
		notKicked(t, first)
		stuck.release()
		await[callbacks.Stale](t, first.events, 2)
		second.stop()
		first.stop()
	})
}

func TestVirtualF10_BackOffSurvivesARebalanceToTheMillisecond(t *testing.T) {
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		c.topic("a", 2)
		l := c.newLedger("a")
		c.produce("a", 0, 3)
		c.produce("a", 1, 3)
		var mu sync.Mutex
		at := map[int32][]time.Time{}
		const wait = 10 * time.Minute
		first := l.join(t, c, "first", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			if m.Offset > 0 {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			at[m.Record.Partition] = append(at[m.Record.Partition], time.Now())
			if m.Attempt() < 3 {
				return consumer.RetryAfter(wait, errHandler)
			}
			return nil
		}), connect, withConfig(realTimeouts))
		await[callbacks.Retried](t, first.events, 2)
		time.Sleep(wait / 3) // virtual
		second := l.join(t, c, "second", nil, connect, withConfig(realTimeouts))
		moved := await[callbacks.Revoked](t, first.events, 1)[0].Partition
		kept := 1 - moved
		await(t, second.events, 1, func(e callbacks.Handled) bool { return e.Last == 2 })
		await(t, first.events, 1, func(e callbacks.Handled) bool { return e.Last == 2 })
		g := NewWithT(t)
		mu.Lock()
		g.Expect(at[kept]).To(HaveLen(3))
		g.Expect(at[kept][1].Sub(at[kept][0])).To(Equal(wait), "the rebalance fell into this pause")
		g.Expect(at[kept][2].Sub(at[kept][1])).To(Equal(wait))
		g.Expect(at[moved]).To(HaveLen(1), "the pause of the moved one ended with its assignment")
		mu.Unlock()
		first.stop()
		second.stop()
		g.Expect(l.expectClean(t)).To(BeZero())
	})
}

// clinging is a handler of one partition that does not let go of it.
type clinging struct{ hold chan struct{} }

func (clinging) Handle(context.Context, *consumer.Message) error { return nil }

func (h clinging) OnRevoked(context.Context) error {
	<-h.hold // ignores its context
	return nil
}

func (h clinging) BeforeStop(context.Context) error {
	<-h.hold
	return nil
}

func TestVirtualF15_HooksOfManyPartitionsAreBoundedTogether(t *testing.T) {
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		const parts = 40
		c.topic("a", parts)
		hold := make(chan struct{})
		defer close(hold)
		first := c.run(t, func(r *router.Router) {
			r.Group("g", func(g *router.Group) {
				g.Topic("a").EachPartition(func(consumer.Partition) consumer.Handler { return clinging{hold} })
			})
		}, connect, withConfig(realTimeouts), withSettings(func(s *engine.Settings) {
			s.Hooks = append(s.Hooks, callbacks.Hooks{OnRevoked: func(context.Context, string, callbacks.Partitions) error {
				<-hold
				return nil
			}})
		}))
		await[callbacks.Positioned](t, first.events, parts)
		joined := time.Now()
		second := c.run(t, each("a", newJournal().handler("second")), connect,
			withConfig(func(cfg *config.Config) { realTimeouts(cfg); cfg.Group.Balancers = []string{config.CooperativeSticky} }))
		await[callbacks.Assigned](t, second.events, parts/2)
		g := NewWithT(t)
		g.Expect(time.Since(joined)).To(BeNumerically("<", config.Default().Group.RebalanceTimeout))
		g.Expect(of(first.events, func(e callbacks.HookFailed) bool { return e.Hook == "OnRevoked" })).To(HaveLen(parts/2+1), "visible")
		notKicked(t, first)
		stopping := time.Now()
		second.stop()
		first.stop()
		g.Expect(time.Since(stopping)).To(BeNumerically("<", time.Minute))
	})
}

func TestVirtualF17_KickedMemberCannotCommitAndRejoins(t *testing.T) {
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		c.topic("a", 2)
		watch := c.watchCommits("a")
		stuck := newGate()
		defer stuck.release()
		j := newJournal()
		// A drain longer than the rebalance gets a member kicked.
		greedy := func(name string) option {
			return withConfig(func(cfg *config.Config) {
				realTimeouts(cfg)
				cfg.Kafka.ClientID = name
				cfg.Group.Balancers = []string{config.Range}
				cfg.Group.Drain = time.Hour
			})
		}
		c.produce("a", 0, 1)
		c.produce("a", 1, 1)
		first := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			if m.Offset == 0 {
				stuck.hold(m)
			}
			j.note("first", m)
			return nil
		})), connect, greedy("first"))
		<-stuck.entered
		<-stuck.entered
		joined := time.Now()
		second := c.run(t, each("a", j.handler("second")), connect, greedy("second"))
		await[callbacks.Assigned](t, second.events, 2) // the broker does not wait for the first for ever
		g := NewWithT(t)
		g.Expect(time.Since(joined)).To(BeNumerically("~", config.Default().Group.RebalanceTimeout, 10*time.Second))
		c.produce("a", 0, 4)
		c.produce("a", 1, 4)
		stored := func() bool { return c.committed("g", "a", 0) == 5 && c.committed("g", "a", 1) == 5 }
		g.Eventually(stored, patience).Should(BeTrue())
		g.Expect(first.events.all()).NotTo(ContainElement(BeAssignableToTypeOf(callbacks.Revoked{})), "it does not know")
		stuck.release()
		failed := await[callbacks.CommitFailed](t, first.events, 2)
		g.Expect(failed[0].Err).To(Or(MatchError(kerr.UnknownMemberID), MatchError(kerr.IllegalGeneration)))
		await[callbacks.Assigned](t, first.events, 3)
		g.Expect(stored()).To(BeTrue())
		c.produce("a", 0, 5)
		c.produce("a", 1, 5)
		j.await(t, "all records", func(j *journal) bool { return j.unique() == 20 })
		first.stop()
		second.stop()
		g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10))
		g.Expect(c.committed("g", "a", 1)).To(BeEquivalentTo(10))
		g.Expect(j.all()).To(HaveLen(22), "twice is what was in progress, and nothing else")
		for _, o := range watch.backward() {
			g.Expect(o).To(BeEquivalentTo(1), "only the late commits that the broker refused")
		}
	})
}

// mortal is a process's network that can end.
type mortal struct {
	dial kafka.Dial

	mu    sync.Mutex
	dead  bool
	conns []net.Conn
}

func (m *mortal) connect(ctx context.Context, network, host string) (net.Conn, error) {
	m.mu.Lock()
	dead := m.dead
	m.mu.Unlock()
	if dead {
		return nil, errors.New("network is down")
	}
	conn, err := m.dial(ctx, network, host)
	if err == nil {
		m.mu.Lock()
		m.conns = append(m.conns, conn)
		m.mu.Unlock()
	}
	return conn, err
}

func (m *mortal) die() {
	m.mu.Lock()
	m.dead = true
	conns := slices.Clone(m.conns)
	m.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

func TestVirtualF21_IdleMemberTakesOverFromADeadOne(t *testing.T) {
	virtuallyDialed(t, func(t *testing.T, c *cluster, dial kafka.Dial) {
		c.topic("a", 1)
		j := newJournal()
		m := &mortal{dial: dial}
		first := c.run(t, each("a", j.handler("first")), withConfig(realTimeouts),
			withConnector(func(k *kafka.Cluster) kafka.Connector { return k.WithDialer(m.connect) }))
		await[callbacks.Positioned](t, first.events, 1)
		c.produce("a", 0, 10)
		j.awaitRecords(t, 10)
		g := NewWithT(t)
		g.Eventually(func() int64 { return c.committed("g", "a", 0) }, patience).Should(BeEquivalentTo(10))
		second := c.run(t, each("a", j.handler("second")), withConfig(realTimeouts),
			withConnector(func(k *kafka.Cluster) kafka.Connector { return k.WithDialer(dial) }))
		await(t, second.events, 1, func(e callbacks.Joined) bool { return e.Partitions == 0 })
		g.Expect(of[callbacks.Assigned](second.events)).To(BeEmpty())
		died := time.Now()
		m.die()
		await[callbacks.Positioned](t, second.events, 1)
		session := config.Default().Group.SessionTimeout
		g.Expect(time.Since(died)).To(BeNumerically("<", session+10*time.Second))
		c.produce("a", 0, 10)
		j.awaitRecords(t, 20)
		g.Expect(j.all()).To(HaveLen(20))
		g.Expect(j.all()[19].member).To(Equal("second"))
		g.Expect(await[callbacks.Revoked](t, first.events, 1)[0].Lost).To(BeTrue(), "the dead one notices on its own")
		g.Expect(of(first.events, func(e callbacks.Committed) bool { return e.Offset > 10 })).To(BeEmpty())
		first.kill()
		second.stop()
		g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(20))
	})
}

func TestVirtualF07_RefusedCommitsAreRepeatedInMeasure(t *testing.T) {
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		c.topic("a", 1)
		l := c.newLedger("a")
		p := l.join(t, c, "first", nil, connect, withConfig(realTimeouts))
		await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 0 })
		refused := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "a", Err: kerr.RebalanceInProgress, Count: -1})
		c.produce("a", 0, 100)
		const down = 10 * time.Minute
		time.Sleep(down) // virtual
		g := NewWithT(t)
		g.Expect(refused.Hits()).To(BeNumerically("<=", int(down/time.Second)+1), "no busy loop")
		g.Expect(refused.Hits()).To(BeNumerically(">", 10))
		g.Expect(len(of[callbacks.CommitFailed](p.events))).To(BeNumerically("~", refused.Hits(), 1), "visible")
		g.Expect(l.done(1, 100)()).To(BeTrue(), "handling goes on")
		refused.Remove()
		healed := time.Now()
		await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 100 })
		g.Expect(time.Since(healed)).To(BeNumerically("<=", 5*time.Second))
		p.stop()
		g.Expect(l.expectClean(t)).To(BeZero())
	})
}

func TestVirtualF38_UnreadableOffsetIsAskedForInMeasure(t *testing.T) {
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		c.topic("a", 1)
		l := c.newLedger("a")
		before := l.join(t, c, "first", nil, connect, withConfig(realTimeouts))
		await[callbacks.Positioned](t, before.events, 1)
		c.produce("a", 0, 100)
		g := NewWithT(t)
		g.Eventually(l.done(1, 100), patience).Should(BeTrue())
		before.stop()
		for _, fault := range []kfake.Fault{
			{Topic: "a", Err: kerr.TopicAuthorizationFailed},
			{Topic: "a", Err: kerr.UnknownServerError},
			{Topic: "a", Err: kerr.UnstableOffsetCommit},
			{TopLevel: true, Err: kerr.CoordinatorLoadInProgress},
			{TopLevel: true, Err: kerr.GroupAuthorizationFailed},
		} {
			what := fault.Err.Message
			fault.Keys, fault.Count = []kmsg.Key{kmsg.OffsetFetch}, -1
			fetched := c.Fault(fault)
			p := l.join(t, c, "second", nil, connect, withConfig(realTimeouts))
			const down = 10 * time.Minute
			time.Sleep(down) // virtual
			g.Expect(fetched.Hits()).To(BeNumerically(">", 10), what)
			g.Expect(fetched.Hits()).To(BeNumerically("<=", 2*int(down/time.Second)), "no busy loop: %s", what)
			g.Expect(of[callbacks.Positioned](p.events)).To(BeEmpty(), "no position was made up: %s", what)
			g.Expect(of[callbacks.FetchFailed](p.events)).NotTo(BeEmpty(), "told: %s", what)
			for _, s := range p.Status() {
				g.Expect(s.State).To(Equal("assigned"), "visible: %s", what)
			}
			fetched.Remove()
			healed := time.Now()
			at := await[callbacks.Positioned](t, p.events, 1)[0]
			g.Expect(at.Committed).To(BeTrue())
			g.Expect(at.Offset).To(BeEquivalentTo(100))
			g.Expect(time.Since(healed)).To(BeNumerically("<=", 10*time.Second), "heals alone: %s", what)
			p.stop()
		}
		g.Expect(l.expectClean(t)).To(BeZero())
	})
}

// virtuallyDialed is virtually for tests that give each process a network of its own.
func virtuallyDialed(t *testing.T, test func(t *testing.T, c *cluster, dial kafka.Dial)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		network := new(kfake.VirtualNetwork)
		fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(network.Listen))
		g.Expect(err).NotTo(HaveOccurred())
		defer fake.Close()
		cl, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.Dialer(network.DialContext), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		g.Expect(err).NotTo(HaveOccurred())
		defer cl.Close()
		test(t, &cluster{addrs: fake.ListenAddrs(), embedded: fake, t: t, g: g, admin: kadm.NewClient(cl), cl: cl}, network.DialContext)
	})
}
