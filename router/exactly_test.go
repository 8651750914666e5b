package router_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/router"
)

var _ = Describe("A group drawn with ExactlyOnce", func() {
	It("is so for all its routes, wherever they are drawn, and their retry topics", func() {
		table, err := router.Draw(
			func(r *router.Router) {
				r.Group("g", func(g *router.Group) {
					g.Topic("a").Each(one).OnFailure(router.RetryLater(time.Second), router.DeadLetter("dlq"))
				})
			},
			func(r *router.Router) { r.Group("g", func(g *router.Group) { g.ExactlyOnce() }) },
			func(r *router.Router) { r.Group("other", func(g *router.Group) { g.Topic("a").Each(one) }) },
		)
		Expect(err).NotTo(HaveOccurred())
		groups := table.Groups()
		Expect(groups[0].ExactlyOnce).To(BeTrue())
		Expect(groups[0].Routes).To(HaveEach(HaveField("Offsets", offsets.ExactlyOnce)))
		Expect(groups[0].Routes).To(HaveLen(2))
		Expect(groups[1]).To(HaveField("ExactlyOnce", false))
		Expect(table.String()).To(ContainSubstring("exactly once"))
	})
})
