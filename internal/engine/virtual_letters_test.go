//go:build synctests

package engine_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
)

func TestVirtualF71_RetryStormIsMeasured(t *testing.T) {
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		const parts = 100
		c.topic("a", parts)
		c.topic("b", 1)
		for id := range int32(parts) {
			c.send(record("a", id, "x"))
		}
		j := newJournal()
		failing := consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			if m.Topic == "a" {
				return errPoison
			}
			j.note("m", m)
			return nil
		})
		p := c.prepare(t, eachOf([]string{"a", "b"}, failing), connect, withConfig(defaults))
		g := NewWithT(t)
		g.Expect(p.Start(t.Context())).To(Succeed())
		await[callbacks.Failed](t, p.events, parts)
		<-time.After(10 * time.Minute)
		// Pauses grow to 30 s, of which a random part is waited: 15 s on average, so that there are about 45 attempts.
		g.Expect(len(of[callbacks.Failed](p.events))).To(BeNumerically("<", 80*parts))
		g.Expect(len(of[callbacks.Failed](p.events))).To(BeNumerically(">", 20*parts))
		c.send(record("b", 0, "1"))
		j.awaitRecords(t, 1)
		g.Expect(of[callbacks.Revoked](p.events)).To(BeEmpty())
		p.kill()
	})
}
