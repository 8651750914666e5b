//go:build synctests

package engine_test

import (
	"context"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
)

// Fewer handlers than partitions: they take turns, of about 10 ms, and none is ever far behind the others.
func TestVirtualPartitionsTakeTurnsUnderALimit(t *testing.T) {
	const parts, n, limit = 6, 200, 2
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		g := NewWithT(t)
		c.topic("a", parts)
		for p := range int32(parts) {
			c.produce("a", p, n)
		}
		var mu sync.Mutex
		running, most, furthest := 0, 0, 0
		done := map[int32]int{}
		p := c.prepare(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(2 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			running--
			done[m.Record.Partition]++
			ahead, behind := 0, n
			for p := range int32(parts) {
				ahead, behind = max(ahead, done[p]), min(behind, done[p])
			}
			furthest = max(furthest, ahead-behind)
			return nil
		}), func(r *router.Route) { r.Concurrency(limit, router.ByPartition) }), connect, withConfig(defaults))
		g.Expect(p.Start(t.Context())).To(Succeed())
		await(t, p.events, parts, func(e callbacks.Committed) bool { return e.Offset == n })
		g.Expect(p.Stop(t.Context())).To(Succeed())
		g.Expect(most).To(Equal(limit))
		g.Expect(furthest).To(BeNumerically("<=", 4*parts), "turns of about 5 records")
	})
}
