//go:build synctests

package engine_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
)

// A batch handler that turns slow in the last batch of a fetch has what is queued cloned, to free the fetch's response. The batch in
// progress is a part of it.
func TestVirtualBatchHandlerThatTurnsSlowSeesEachRecordOnce(t *testing.T) {
	const size, batches = 10, 3
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		g := NewWithT(t)
		c.topic("a", 2) // one response for two partitions is what makes a clone worth it
		for p := range int32(2) {
			for range size * batches {
				c.send(record("a", p, string(bytes.Repeat([]byte("x"), 4<<10))))
			}
		}
		j := newJournal()
		p := c.prepare(t, func(r *router.Router) {
			r.Group("g", func(g *router.Group) {
				g.Topic("a").Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
					for _, m := range b.All() {
						j.note("m", m)
					}
					if b.Last().Offset == size*batches-1 {
						time.Sleep(time.Minute)
					}
					return nil
				}), size, 0)
			})
		}, connect, withConfig(defaults))
		g.Expect(p.Start(t.Context())).To(Succeed())
		await(t, p.events, 2, func(e callbacks.Committed) bool { return e.Offset == size*batches })
		g.Expect(p.Stop(t.Context())).To(Succeed())
		for p := range int32(2) {
			g.Expect(j.offsets("a", p)).To(Equal(sequence(size * batches)))
		}
	})
}
