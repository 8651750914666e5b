package engine_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/tools/proxy"
)

// behindProxies is a cluster whose brokers are reached through proxies.
func behindProxies(t *testing.T) (*cluster, []*proxy.Proxy) {
	t.Helper()
	var mu sync.Mutex
	var proxies []*proxy.Proxy
	c := newCluster(t, kfake.NumBrokers(2), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := (&net.ListenConfig{}).Listen(context.WithoutCancel(t.Context()), network, address)
		if err != nil {
			return nil, err
		}
		p, err := proxy.New(l.Addr().String())
		if err != nil {
			return nil, err
		}
		t.Cleanup(p.Close)
		mu.Lock()
		defer mu.Unlock()
		proxies = append(proxies, p)
		told, err := net.ResolveTCPAddr("tcp", p.Addr())
		return fronted{l, told}, err
	}))
	return c, proxies
}

// fronted is a listener that tells clients another address.
type fronted struct {
	net.Listener

	told net.Addr
}

func (f fronted) Addr() net.Addr { return f.told }

func TestF32_BlackHoleForLongerThanASession(t *testing.T) {
	t.Parallel()
	c, proxies := behindProxies(t)
	c.topic("a", 4)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), withConfig(func(cfg *config.Config) {
		cfg.Group.SessionTimeout, cfg.Group.HeartbeatInterval, cfg.Kafka.RequestTimeout = time.Second, 100*time.Millisecond, time.Second
	}))
	await[callbacks.Positioned](t, p.events, 4)
	for id := range int32(4) {
		c.produce("a", id, 100)
	}
	j.awaitRecords(t, 400)
	for _, p := range proxies {
		p.Swallow()
	}
	await(t, p.events, 4, func(e callbacks.Revoked) bool { return e.Lost })
	for _, p := range proxies {
		p.Heal()
	}
	await[callbacks.Positioned](t, p.events, 8)
	for id := range int32(4) {
		c.produce("a", id, 100)
	}
	nothingIsLeftOut(t, j, 4, 200)
	p.stop()
}

func TestF33_AnswersAreLostForLongerThanASession(t *testing.T) {
	t.Parallel()
	c, proxies := behindProxies(t)
	c.topic("a", 4)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), withConfig(func(cfg *config.Config) {
		cfg.Group.SessionTimeout, cfg.Group.HeartbeatInterval, cfg.Kafka.RequestTimeout = time.Second, 100*time.Millisecond, time.Second
		cfg.Commit.Interval = 10 * time.Millisecond
	}))
	await[callbacks.Positioned](t, p.events, 4)
	for id := range int32(4) {
		c.produce("a", id, 100)
	}
	j.awaitRecords(t, 400)
	for _, p := range proxies {
		p.SwallowAnswers()
	}
	await(t, p.events, 4, func(e callbacks.Revoked) bool { return e.Lost })
	for _, p := range proxies {
		p.Heal()
	}
	await[callbacks.Positioned](t, p.events, 8)
	for id := range int32(4) {
		c.produce("a", id, 100)
	}
	nothingIsLeftOut(t, j, 4, 200)
	p.stop()
	for id := range int32(4) {
		NewWithT(t).Expect(c.committed("g", "a", id)).To(BeEquivalentTo(200))
		last := int64(0)
		for _, e := range of(p.events, func(e callbacks.Committed) bool { return e.Partition == id }) {
			NewWithT(t).Expect(e.Offset).To(BeNumerically(">=", last), "a commit whose answer was lost is not taken back")
			last = e.Offset
		}
	}
}

func TestF37_AllBrokersMoveToOtherAddresses(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.NumBrokers(2))
	c.topic("a", 4)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")))
	await[callbacks.Positioned](t, p.events, 4)
	g := NewWithT(t)
	was := c.fake().ListenAddrs()
	for round := range 2 {
		g.Expect(c.fake().RemoveNode(int32(round))).To(Succeed())
		_, _, err := c.fake().AddNode(int32(round), 0)
		g.Expect(err).NotTo(HaveOccurred())
		for id := range int32(4) {
			c.produce("a", id, 50)
		}
		nothingIsLeftOut(t, j, 4, int64(round+1)*50)
	}
	for _, addr := range c.fake().ListenAddrs() {
		g.Expect(was).NotTo(ContainElement(addr))
	}
	p.stop()
	for id := range int32(4) {
		g.Expect(c.committed("g", "a", id)).To(BeEquivalentTo(100))
	}
}

// nothingIsLeftOut waits for the last record of every partition.
func nothingIsLeftOut(t *testing.T, j *journal, partitions int32, n int64) {
	t.Helper()
	for id := range partitions {
		j.await(t, "the last record", func(j *journal) bool {
			at := j.offsets("a", id)
			return len(at) > 0 && at[len(at)-1] == n-1
		})
		next := int64(0)
		for _, at := range j.offsets("a", id) {
			NewWithT(t).Expect(at).To(BeNumerically("<=", next), "partition %d", id)
			next = max(next, at+1)
		}
	}
}

func TestF34_SlowNetwork(t *testing.T) {
	t.Parallel()
	c, proxies := behindProxies(t)
	c.topic("a", 2)
	c.produce("a", 0, 100)
	c.produce("a", 1, 100)
	for i, p := range proxies {
		p.Delay(time.Duration(50+100*i) * time.Millisecond)
	}
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")))
	j.awaitRecords(t, 200)
	p.stop()
	g := NewWithT(t)
	g.Expect(of[callbacks.Revoked](p.events)).To(HaveLen(2), "by the stop alone")
	g.Expect(of[callbacks.FetchFailed](p.events)).To(BeEmpty())
	g.Expect(of[callbacks.CommitFailed](p.events)).To(BeEmpty())
	for id := range int32(2) {
		g.Expect(j.offsets("a", id)).To(Equal(sequence(100)))
		g.Expect(c.committed("g", "a", id)).To(BeEquivalentTo(100))
	}
}

func TestF35_ConnectionsAreResetOverAndOver(t *testing.T) {
	t.Parallel()
	c, proxies := behindProxies(t)
	c.topic("a", 4)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")))
	await[callbacks.Positioned](t, p.events, 4)
	const rounds, n = 10, 50
	for round := range rounds {
		for id := range int32(4) {
			c.produce("a", id, n)
		}
		for _, p := range proxies {
			p.Reset()
		}
		nothingIsLeftOut(t, j, 4, int64(round+1)*n)
	}
	p.stop()
	NewWithT(t).Expect(p.Err()).NotTo(HaveOccurred())
}

func TestF30_BrokerThatGoesAwayWhileAProcessBootsIsAskedAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.NumBrokers(2))
	c.topic("a", 1)
	c.produce("a", 0, 10)
	var asked atomic.Int32
	c.fake().ControlKey(int16(kmsg.ApiVersions), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.fake().KeepControl()
		if n := asked.Add(1); n > 1 && n < 12 { // after the first connection of the process has found a broker
			return nil, io.EOF, true
		}
		return nil, nil, false //nolint:nilnil // not answered here
	})
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), withConfig(func(cfg *config.Config) { cfg.Kafka.BootTimeout = patience }))
	j.awaitRecords(t, 10)
	p.stop()
	NewWithT(t).Expect(asked.Load()).To(BeNumerically(">", 2))
}
