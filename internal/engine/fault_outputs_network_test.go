package engine_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/tools/proxy"
)

// unhurried gives a session and the outputs all the time that a test may take.
func unhurried(cfg *config.Config) {
	cfg.Group.SessionTimeout, cfg.Group.RebalanceTimeout, cfg.Producer.DeliveryTimeout = patience, patience, time.Hour
}

func TestF75_OutputWhoseAnswerIsLostIsThereOnce(t *testing.T) {
	t.Parallel()
	inEveryOrder(t, func(t *testing.T, o ordering) {
		t.Helper()
		c, proxies := behindProxies(t)
		c.topic("a", 1)
		c.topic("answers", 1)
		c.keyed("a", 0, whole, 10)
		begun, goOn := make(chan struct{}), make(chan struct{})
		var once sync.Once
		p := c.run(t, responds(newJournal(), func(m *consumer.Message) string {
			if m.Offset >= whole {
				once.Do(func() { close(begun) })
				<-goOn
			}
			return offsetOf(m)
		}, o.draw...), withConfig(unhurried))
		awaitCommitted(t, p, "a", whole)
		c.keyed("a", 0, whole, 10)
		<-begun
		for _, p := range proxies {
			p.SwallowAnswers()
		}
		close(goOn)
		g := NewWithT(t)
		g.Eventually(func() int64 { return c.fake().PartitionInfo("answers", 0).HighWatermark }, patience).Should(BeNumerically(">", whole))
		for _, p := range proxies {
			p.Reset()
			p.Heal()
		}
		awaitCommitted(t, p, "a", 2*whole)
		p.stop()
		g.Expect(of[callbacks.ProduceFailed](p.events)).To(BeEmpty())
		c.expectAnswers(2*whole, 1)
	})
}

func TestF75_ConnectionsAreResetWhileOutputsAreUnderWay(t *testing.T) {
	t.Parallel()
	inEveryOrder(t, func(t *testing.T, o ordering) {
		t.Helper()
		c, proxies := behindProxies(t)
		resetWhileOutputsAreUnderWay(t, c, o, proxies)
	})
}

// resetWhileOutputsAreUnderWay expects each output once, however often its connection was cut off.
func resetWhileOutputsAreUnderWay(t *testing.T, c *cluster, o ordering, proxies []*proxy.Proxy) {
	t.Helper()
	c.topic("a", 1)
	c.topic("answers", 3)
	j := newJournal()
	p := c.run(t, responds(j, offsetOf, o.draw...), withConfig(unhurried))
	await[callbacks.Positioned](t, p.events, 1)
	const rounds = 10
	for round := range rounds {
		c.keyed("a", 0, whole, 10)
		j.awaitRecords(t, round*whole+1)
		for _, p := range proxies {
			p.Reset()
		}
		j.awaitRecords(t, (round+1)*whole)
	}
	awaitCommitted(t, p, "a", rounds*whole)
	g := NewWithT(t)
	g.Expect(of[callbacks.Revoked](p.events)).To(BeEmpty())
	g.Expect(of[callbacks.ProduceFailed](p.events)).To(BeEmpty())
	p.stop()
	c.expectAnswers(rounds*whole, 1)
}

// outputsElsewhere is a cluster of which one broker has the topic of the outputs, behind the proxy, and the other one everything else: topics
// a and b, and the group.
func outputsElsewhere(t *testing.T) (*cluster, *proxy.Proxy) {
	t.Helper()
	c, proxies := behindProxies(t)
	coordinator := c.fake().CoordinatorFor("g")
	for topic, node := range map[string]int32{"a": coordinator, "b": coordinator, "answers": 1 - coordinator} {
		c.topic(topic, 1)
		c.g.Expect(c.fake().MoveTopicPartition(topic, 0, node)).To(Succeed())
	}
	return c, proxies[1-coordinator]
}

// roomFor is how many outputs a process may have under way that draws beside.
const roomFor = 20

// beside draws a responder on topic a, beside a route without outputs on topic b.
func beside(j *journal, o ordering, answer func(*consumer.Message) string) router.Drawer {
	return func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			route := g.Topic("a").Each(answerer(j, answer))
			for _, d := range o.draw {
				d(route)
			}
			g.Topic("b").Each(consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return nil }))
		})
	}
}

func committedBeyond(p *process, topic string, offset int64) []callbacks.Committed {
	return of(p.events, func(e callbacks.Committed) bool { return e.Topic == topic && e.Offset > offset })
}

func narrow(cfg *config.Config) {
	unhurried(cfg)
	cfg.Producer.MaxBufferedRecords, cfg.Kafka.RequestTimeout = roomFor, time.Second
}

// The broker of the outputs says nothing for a while, or says it slowly: no more is handed over than may wait, nothing is done before its
// outputs are safe, what has no outputs goes on, and so does all else when the broker does.
func TestF74_BrokerOfTheOutputsIsSilentOrSlow(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(*proxy.Proxy){
		"silent": (*proxy.Proxy).Swallow,
		"mute":   (*proxy.Proxy).SwallowAnswers,
		"slow":   func(p *proxy.Proxy) { p.Delay(50 * time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEveryOrder(t, func(t *testing.T, o ordering) {
				t.Helper()
				const n, lanes = 3 * whole, 8
				c, p := outputsElsewhere(t)
				j := newJournal()
				var mu sync.Mutex
				var handed atomic.Int64
				most := int64(0)
				m := c.run(t, beside(j, o, func(m *consumer.Message) string {
					open := handed.Add(1) - c.fake().PartitionInfo("answers", 0).HighWatermark
					mu.Lock()
					most = max(most, open)
					mu.Unlock()
					return offsetOf(m)
				}), withConfig(narrow))
				c.keyed("a", 0, whole, 10)
				c.produce("b", 0, 1)
				awaitCommitted(t, m, "a", whole)
				awaitCommitted(t, m, "b", 1)
				disturb(p)
				c.keyed("a", 0, n-whole, 10)
				g := NewWithT(t)
				if name != "slow" {
					j.awaitRecords(t, whole+lanes)
					c.produce("b", 0, whole)
					awaitCommitted(t, m, "b", 1+whole)
					g.Expect(committedBeyond(m, "a", whole)).To(BeEmpty())
					g.Expect(j.unique()).To(BeNumerically("<=", whole+roomFor+lanes))
					p.Heal()
				}
				awaitCommitted(t, m, "a", n)
				m.stop()
				g.Expect(most).To(BeNumerically("<=", roomFor+2*lanes), "what is buffered, and what waits for room")
				g.Expect(of[callbacks.ProduceFailed](m.events)).To(BeEmpty())
				c.expectAnswers(n, 1)
			})
		})
	}
}

func TestF83_StopWhileTheBrokerOfTheOutputsIsSilent(t *testing.T) {
	t.Parallel()
	inEveryOrder(t, func(t *testing.T, o ordering) {
		t.Helper()
		c, p := outputsElsewhere(t)
		j := newJournal()
		m := c.run(t, beside(j, o, offsetOf), withConfig(narrow),
			withSettings(func(s *engine.Settings) { s.Drain, s.Grace = 50*time.Millisecond, time.Second }))
		c.keyed("a", 0, whole, 10)
		awaitCommitted(t, m, "a", whole)
		p.Swallow()
		c.keyed("a", 0, whole, 10)
		j.awaitRecords(t, whole+1)
		_ = m.Stop(t.Context()) // by force or not, but it returns
		g := NewWithT(t)
		g.Expect(committedBeyond(m, "a", whole)).To(BeEmpty())
		p.Heal()
		m = c.run(t, beside(newJournal(), o, offsetOf), withConfig(narrow))
		awaitCommitted(t, m, "a", 2*whole)
		m.stop()
		g.Expect(c.answered()).To(HaveLen(2 * whole))
	})
}
