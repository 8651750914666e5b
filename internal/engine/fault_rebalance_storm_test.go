package engine_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/internal/config"
)

// Members come and go all the time: at every change the group is in the middle of the one before.
func TestF13_RebalanceStorm(t *testing.T) {
	t.Parallel()
	const members, parts, n, changes = 12, 20, 300, 60
	c := newCluster(t)
	c.topic("a", parts)
	l := c.newLedger("a")
	for p := range int32(parts) {
		c.produce("a", p, n)
	}
	g := NewWithT(t)
	random := rand.New(rand.NewPCG(13, 0)) // the same storm every time
	often := withConfig(func(cfg *config.Config) { cfg.Group.HeartbeatInterval /= 4 })
	running := map[int]*process{}
	var stops sync.WaitGroup
	for i := range changes {
		who := random.IntN(members)
		if p := running[who]; p != nil && len(running) > 1 {
			delete(running, who)
			stops.Go(func() { _ = p.Stop(t.Context()) })
		} else if p == nil {
			running[who] = l.join(t, c, "m"+string(rune('a'+who))+string(rune('a'+i%26))+string(rune('a'+i/26)), nil, often)
		}
		if i%10 == 9 { // something must get through at times
			g.Eventually(func() int {
				l.mu.Lock()
				defer l.mu.Unlock()
				return l.handled
			}, patience).Should(BeNumerically(">=", min(i*parts, parts*n)))
		}
	}
	stops.Wait()
	g.Eventually(l.done(parts, n), patience).Should(BeTrue(), "it drains after the storm")
	for _, p := range running {
		p.stop()
	}
	l.expectClean(t)
	for p := range int32(parts) {
		g.Expect(c.committed("g", "a", p)).To(BeEquivalentTo(n))
	}
}
