package engine_test

import (
	"context"
	"runtime"
	"testing"
	"weak"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
)

func TestBatchesAreNotKeptWhileTheNextIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 53) // one fetch: a batch, and a smaller one at once behind it
	var old weak.Pointer[kgo.Record]
	sizes := make(chan int, 10)
	p := c.run(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
				if b.Len() == 50 {
					old = weak.Make(b.Last().Record)
				}
				sizes <- b.Len()
				return nil
			}), 50, 0)
		})
	})
	g := NewWithT(t)
	g.Eventually(sizes, patience).Should(Receive(Equal(50)))
	g.Eventually(sizes, patience).Should(Receive(Equal(3)))
	p.g.Eventually(func() *kgo.Record {
		runtime.GC()
		return old.Value()
	}, patience).Should(BeNil())
	p.stop()
}
