package engine_test

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/router"
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

// ordering is what a route keeps in order: partitions when it has no keys, else so many keys in each.
type ordering struct {
	draw []func(*router.Route)
	keys int
}

// inEveryOrder runs a test with each.
func inEveryOrder(t *testing.T, test func(t *testing.T, o ordering)) {
	t.Helper()
	for name, o := range map[string]ordering{"by partition": {}, "by key": {[]func(*router.Route){byKey(8)}, 10}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, o)
		})
	}
}

// whole is a multiple of the keys, and of where keyed leaves them out: so many records may be written more than once.
const whole = 110

// nothingIsLeftOut waits for n records of every partition, which may come again, and expects them in order.
func (o ordering) nothingIsLeftOut(t *testing.T, j *journal, partitions int32, n int) {
	t.Helper()
	if o.keys == 0 {
		nothingIsLeftOut(t, j, partitions, int64(n))
		return
	}
	j.awaitRecords(t, int(partitions)*n)
	for id := range partitions {
		seen := map[int64]bool{}
		expectKeysInOrder(NewWithT(t), slices.DeleteFunc(j.offsets("a", id), func(at int64) bool {
			again := seen[at]
			seen[at] = true
			return again
		}), n, o.keys)
	}
}

func TestF32_BlackHoleForLongerThanASession(t *testing.T) {
	t.Parallel()
	inEveryOrder(t, func(t *testing.T, o ordering) {
		t.Helper()
		loseTheSession(t, o, (*proxy.Proxy).Swallow)
	})
}

func TestF33_AnswersAreLostForLongerThanASession(t *testing.T) {
	t.Parallel()
	inEveryOrder(t, func(t *testing.T, o ordering) {
		t.Helper()
		p := loseTheSession(t, o, (*proxy.Proxy).SwallowAnswers)
		for id := range int32(4) {
			last := int64(0)
			for _, e := range of(p.events, func(e callbacks.Committed) bool { return e.Partition == id }) {
				NewWithT(t).Expect(e.Offset).To(BeNumerically(">=", last), "a commit whose answer was lost is not taken back")
				last = e.Offset
			}
		}
	})
}

// loseTheSession disturbs the network until the partitions are lost, heals it, and expects that everything was handled, and committed by
// the stop.
func loseTheSession(t *testing.T, o ordering, disturb func(*proxy.Proxy)) *process {
	t.Helper()
	c, proxies := behindProxies(t)
	c.topic("a", 4)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m"), o.draw...), withConfig(func(cfg *config.Config) {
		cfg.Group.SessionTimeout, cfg.Group.HeartbeatInterval, cfg.Kafka.RequestTimeout = time.Second, 100*time.Millisecond, time.Second
		cfg.Commit.Interval = 10 * time.Millisecond
	}))
	await[callbacks.Positioned](t, p.events, 4)
	for id := range int32(4) {
		c.keyed("a", id, whole, 10)
	}
	j.awaitRecords(t, 4*whole)
	for _, p := range proxies {
		disturb(p)
	}
	await(t, p.events, 4, func(e callbacks.Revoked) bool { return e.Lost })
	for _, p := range proxies {
		p.Heal()
	}
	await[callbacks.Positioned](t, p.events, 8)
	for id := range int32(4) {
		c.keyed("a", id, whole, 10)
	}
	o.nothingIsLeftOut(t, j, 4, 2*whole)
	p.stop()
	for id := range int32(4) {
		NewWithT(t).Expect(c.committed("g", "a", id)).To(BeEquivalentTo(2 * whole))
	}
	return p
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
	for name, slow := range map[string]func(i int, p *proxy.Proxy){
		"latency":   func(i int, p *proxy.Proxy) { p.Delay(time.Duration(50+100*i) * time.Millisecond) },
		"bandwidth": func(_ int, p *proxy.Proxy) { p.Limit(1_000_000 / 8) }, // 1 Mbit/s
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEveryOrder(t, func(t *testing.T, o ordering) {
				t.Helper()
				undisturbed(t, o, slow)
			})
		})
	}
}

func TestF35_BytesComeInSlices(t *testing.T) {
	t.Parallel()
	inEveryOrder(t, func(t *testing.T, o ordering) {
		t.Helper()
		undisturbed(t, o, func(i int, p *proxy.Proxy) { p.Slice(7 + 1000*i) })
	})
}

// undisturbed expects that a network, however slow it is, changes nothing: every record once, in order, and no error.
func undisturbed(t *testing.T, o ordering, slow func(i int, p *proxy.Proxy)) {
	t.Helper()
	const n = 100
	c, proxies := behindProxies(t)
	c.topic("a", 2)
	for id := range int32(2) {
		recs := keyed("a", id, n, 10)
		for _, r := range recs {
			r.Value = make([]byte, 2000)
			_, _ = rand.Read(r.Value) // nothing that could be compressed
		}
		c.send(recs...)
	}
	for i, p := range proxies {
		slow(i, p)
	}
	j := newJournal()
	p := c.run(t, each("a", j.handler("m"), o.draw...))
	j.awaitRecords(t, 2*n)
	p.stop()
	g := NewWithT(t)
	g.Expect(of[callbacks.Revoked](p.events)).To(HaveLen(2), "by the stop alone")
	g.Expect(of[callbacks.FetchFailed](p.events)).To(BeEmpty())
	g.Expect(of[callbacks.CommitFailed](p.events)).To(BeEmpty())
	o.nothingIsLeftOut(t, j, 2, n)
	for id := range int32(2) {
		g.Expect(j.offsets("a", id)).To(HaveLen(n), "each once")
		g.Expect(c.committed("g", "a", id)).To(BeEquivalentTo(n))
	}
}

func TestF35_ConnectionsAreResetOverAndOver(t *testing.T) {
	t.Parallel()
	inEveryOrder(t, func(t *testing.T, o ordering) {
		t.Helper()
		c, proxies := behindProxies(t)
		c.topic("a", 4)
		j := newJournal()
		p := c.run(t, each("a", j.handler("m"), o.draw...))
		await[callbacks.Positioned](t, p.events, 4)
		const rounds = 10
		for round := range rounds {
			for id := range int32(4) {
				c.keyed("a", id, whole, 10)
			}
			for _, p := range proxies {
				p.Reset()
			}
			o.nothingIsLeftOut(t, j, 4, (round+1)*whole)
		}
		p.stop()
		NewWithT(t).Expect(p.Err()).NotTo(HaveOccurred())
	})
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
