package engine_test

import (
	"context"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

func TestF92_OldBrokersDoNotDistribute(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.MaxVersions(kversion.V3_6_0()))
	c.topic("a", 1)
	p := c.prepare(t, each("a", newJournal().handler("m")), nextGeneration())
	NewWithT(t).Expect(p.Start(t.Context())).To(MatchError(ContainSubstring("group.protocol consumer (KIP-848) needs Kafka 4.0 or newer")))
}

func TestF92_OldBrokers(t *testing.T) {
	t.Parallel()
	for name, versions := range map[string]*kversion.Versions{
		"2.1": kversion.V2_1_0(), "2.4": kversion.V2_4_0(), "2.8": kversion.V2_8_0(), "3.3": kversion.V3_3_0(), "3.9": kversion.V3_9_0(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, kfake.MaxVersions(versions))
			c.topic("a", 2)
			c.topic("out", 1)
			c.produce("a", 0, 10)
			c.commit("g", "a", 1, 0)
			j := newJournal()
			draw := func(r *router.Router) {
				r.Group("g", func(g *router.Group) {
					g.Topic("a").Each(responder.Map(out, func(_ context.Context, n int) (int, error) { return n, nil }))
				})
				r.Group("h", func(g *router.Group) { g.Topic("a").Each(j.handler("m")) })
			}
			p := c.run(t, draw)
			await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Group == "g" && e.Offset == 10 })
			j.awaitRecords(t, 10)
			p.stop()
			again := c.run(t, draw)
			at := await(t, again.events, 4, func(callbacks.Positioned) bool { return true })
			g := NewWithT(t)
			for _, e := range at {
				g.Expect(e.Committed).To(BeTrue(), fmt.Sprint(e))
			}
			again.stop()
			g.Expect(j.all()).To(HaveLen(10))
		})
	}
}
