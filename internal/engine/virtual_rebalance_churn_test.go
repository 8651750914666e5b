//go:build synctests

package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/router"
)

// TestVirtualF14_MembersComeAndGo lets members of one group come and go at random for some virtual hours, under handlers that
// are slow and fail at times, but are done within the drain: nothing is lost, reordered, delivered twice after a success,
// or committed by somebody else.
func TestVirtualF14_MembersComeAndGo(t *testing.T) {
	for seed := range uint64(4) {
		balancer := []string{config.CooperativeSticky, config.Range}[seed%2]
		t.Run(fmt.Sprint(balancer, " ", seed), func(t *testing.T) {
			virtually(t, func(t *testing.T, c *cluster, connect option) {
				const parts, members, steps = 5, 4, 25
				random := rand.New(rand.NewPCG(seed, 0))
				c.topic("a", parts)
				l := c.newLedger("a")
				h := consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
					n := m.Offset*parts + int64(m.Record.Partition)
					time.Sleep(time.Duration(n*7%20) * time.Second) // virtual
					if n%11 == 0 && m.Attempt() < 3 {
						return errHandler
					}
					return nil
				})
				retry := func(r *router.Route) { r.OnFailure(router.Retry(5, 30*time.Second), router.Block) }
				running := make([]*process, members)
				change := func(i int) {
					if running[i] != nil {
						running[i].stop()
						running[i] = nil
						return
					}
					running[i] = l.joinRoute(t, c, fmt.Sprint("m", i), h, retry, connect,
						withConfig(func(cfg *config.Config) { realTimeouts(cfg); cfg.Group.Balancers = []string{balancer} }))
				}
				produced := [parts]int64{}
				for range steps {
					p := random.Int32N(parts)
					n := random.IntN(20)
					c.produce("a", p, n)
					produced[p] += int64(n)
					change(random.IntN(members))
					time.Sleep(time.Duration(random.Int64N(int64(2 * time.Minute)))) // virtual
				}
				if running[0] == nil {
					change(0)
				}
				g := NewWithT(t)
				for p, n := range produced {
					g.Eventually(func() int64 {
						l.mu.Lock()
						defer l.mu.Unlock()
						return l.next[int32(p)]
					}, 10*time.Hour).Should(Equal(n))
				}
				for i, m := range running {
					if m != nil {
						change(i)
					}
				}
				g.Expect(l.expectClean(t)).To(BeZero())
				for p, n := range produced {
					g.Expect(c.committed("g", "a", int32(p))).To(BeEquivalentTo(n))
				}
			})
		})
	}
}
