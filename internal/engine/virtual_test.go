//go:build synctests

package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// patience is virtual here.
const patience = 1000 * time.Hour

// virtually runs a test in virtual time, with a cluster on a virtual network.
func virtually(t *testing.T, test func(t *testing.T, c *cluster, connect option)) {
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
		c := &cluster{addrs: fake.ListenAddrs(), embedded: fake, t: t, g: g, admin: kadm.NewClient(cl), cl: cl}
		test(t, c, withConnector(func(k *kafka.Cluster) kafka.Connector { return k.WithDialer(network.DialContext) }))
	})
}

// defaults are the real timeouts: in virtual time they cost nothing.
func defaults(cfg *config.Config) {
	brokers := cfg.Kafka.Brokers
	*cfg = config.Default()
	cfg.Kafka.Brokers = brokers
}

func TestVirtualCooperativeRebalance(t *testing.T) {
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		c.topic("a", 4)
		j := newJournal()
		first := c.prepare(t, each("a", j.handler("first")), connect, withConfig(defaults))
		g := NewWithT(t)
		g.Expect(first.Start(t.Context())).To(Succeed())
		await[callbacks.Assigned](t, first.events, 4)
		second := c.prepare(t, each("a", j.handler("second")), connect, withConfig(defaults))
		g.Expect(second.Start(t.Context())).To(Succeed())
		await[callbacks.Assigned](t, second.events, 2)
		for p := range int32(4) {
			c.produce("a", p, 100)
		}
		j.awaitRecords(t, 400)
		g.Expect(first.Stop(t.Context())).To(Succeed())
		await[callbacks.Assigned](t, second.events, 4)
		g.Expect(second.Stop(t.Context())).To(Succeed())
		for p := range int32(4) {
			g.Expect(j.offsets("a", p)).To(Equal(sequence(100)))
			g.Expect(c.committed("g", "a", p)).To(BeEquivalentTo(100))
		}
	})
}

func TestVirtualBackOffIsKeptToTheMillisecond(t *testing.T) {
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		c.topic("a", 1)
		c.produce("a", 0, 1)
		var at []time.Time
		p := c.prepare(t, each("a", consumer.HandlerFunc(func(context.Context, *consumer.Message) error {
			at = append(at, time.Now())
			if len(at) < 6 {
				return errPoison
			}
			return nil
		}), func(r *router.Route) {
			r.OnFailure(router.Retry(9, 10*time.Second, router.MaxBackoff(time.Minute)), router.Block)
		}), connect, withConfig(defaults))
		g := NewWithT(t)
		g.Expect(p.Start(t.Context())).To(Succeed())
		await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 1 })
		retried := of[callbacks.Retried](p.events)
		g.Expect(retried).To(HaveLen(5))
		limit := 10 * time.Second
		for i, e := range retried {
			g.Expect(e.Delay).To(BeNumerically("<=", limit), "full jitter of a pause that doubles")
			g.Expect(at[i+1].Sub(at[i])).To(Equal(e.Delay), "never early, never late")
			limit = min(2*limit, time.Minute)
		}
		g.Expect(p.Stop(t.Context())).To(Succeed())
	})
}

func TestVirtualF16_HandlerOfTenMinutesKeepsItsPartition(t *testing.T) {
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		c.topic("a", 2)
		j := newJournal()
		p := c.prepare(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			if m.Record.Partition == 0 {
				time.Sleep(10 * time.Minute) // virtual
			}
			j.note("m", m)
			return nil
		})), connect, withConfig(defaults))
		g := NewWithT(t)
		g.Expect(p.Start(t.Context())).To(Succeed())
		await[callbacks.Assigned](t, p.events, 2)
		c.produce("a", 0, 1)
		c.produce("a", 1, 50)
		j.awaitRecords(t, 51)
		g.Expect(of[callbacks.Revoked](p.events)).To(BeEmpty())
		g.Expect(j.all()[50].partition).To(BeEquivalentTo(0))
		g.Expect(p.Stop(t.Context())).To(Succeed())
		g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(1))
	})
}

func TestVirtualByKeyHandledIsToldTogetherAndExact(t *testing.T) {
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		const n, keys, short, long = 2000, 100, 2 * time.Millisecond, 20 * time.Millisecond
		c.topic("a", 1)
		c.keyed("a", 0, n, keys)
		p := c.prepare(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			if m.Offset%10 == 0 {
				time.Sleep(long) // virtual
			} else {
				time.Sleep(short) // virtual
			}
			return nil
		}), byKey(40)), connect, withConfig(defaults), withConfig(func(cfg *config.Config) { cfg.Commit.Interval = 20 * time.Millisecond }))
		g := NewWithT(t)
		g.Expect(p.Start(t.Context())).To(Succeed())
		await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == n })
		g.Expect(p.Stop(t.Context())).To(Succeed())
		told := map[int64]bool{}
		commits := 0
		for _, e := range p.events.all() {
			switch e := e.(type) {
			case callbacks.Handled:
				offsets := e.Offsets
				if offsets == nil {
					offsets = sequence(int(e.Last) + 1)[e.First:]
				}
				g.Expect(offsets).To(HaveLen(e.Count))
				for _, o := range offsets {
					g.Expect(told[o]).To(BeFalse(), "offset %d is told of twice", o)
					told[o] = true
					took := short
					if o%10 == 0 {
						took = long
					}
					g.Expect(e.Elapsed).To(Equal(time.Duration(e.Count)*took), "what took longer is told of apart")
				}
			case callbacks.Committed:
				commits++
				for o := range e.Offset {
					g.Expect(told[o]).To(BeTrue(), "offset %d is committed and nobody was told that it is handled", o)
				}
			}
		}
		g.Expect(told).To(HaveLen(n))
		g.Expect(commits).To(BeNumerically(">", 3))
		g.Expect(len(of[callbacks.Handled](p.events))).To(BeNumerically("<", n/4))
	})
}
