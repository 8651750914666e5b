package engine_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/router"
)

func TestConsumesInOrderAndCommits(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 3)
	for p := range int32(3) {
		c.produce("a", p, 1000)
	}
	j := newJournal()
	p := c.run(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) { g.Topic("a").Each(j.handler("m")) })
	})
	j.awaitRecords(t, 3000)
	p.stop()
	for id := range int32(3) {
		NewWithT(t).Expect(j.offsets("a", id)).To(Equal(sequence(1000)))
		NewWithT(t).Expect(c.committed("g", "a", id)).To(BeEquivalentTo(1000))
	}
}
