package seen_test

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/internal/seen"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/router"
)

func TestSeen(t *testing.T) {
	t.Parallel()
	RegisterFailHandler(Fail)
	RunSpecs(t, "seen")
}

var _ = Describe("Topic", func() {
	It("is where a record came from, also of a retry topic", func() {
		in := func(topic string) string { return seen.Topic(offsets.Partition{Group: "bank", Topic: topic}) }
		Expect(in("transfers")).To(Equal("transfers"))
		Expect(in(router.RetryTopic("transfers", "bank", 90*time.Second))).To(Equal("transfers"))
		Expect(in(router.RetryTopic("transfers", "mail", time.Second))).To(Equal("transfers.mail.retry.1s"), "another group's is a topic like any other")
	})
})

var _ = Describe("ids of a set", func() {
	It("are taken in one order, each once, without those that are none", func() {
		Expect(seen.Distinct([]string{"b", "", "a", "b", ""})).To(Equal([]string{"a", "b"}))
		Expect(seen.Distinct([]string{"", ""})).To(BeEmpty())
		Expect(seen.Distinct(nil)).To(BeEmpty())
	})

	It("are copies when they are not fresh, and the second of two alike", func() {
		Expect(seen.Copies([]string{"a", "b", "", "a", "c", ""}, map[string]bool{"a": true, "c": true})).
			To(Equal([]bool{false, true, false, true, false, false}))
	})
})

var _ = Describe("ids that grow", func() {
	It("are copies when they are not greater than the one before", func() {
		copies, next, err := seen.Grown([]string{"5", "7", "", "6", "7", "8"}, seen.Mark{ID: 5, Valid: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(copies).To(Equal([]bool{true, false, false, true, true, false}))
		Expect(next).To(Equal(seen.Mark{ID: 8, Valid: true}))
	})

	It("begin anywhere, are compared as numbers, and are nothing else", func() {
		copies, next, err := seen.Grown([]string{"-9", "9", "10"}, seen.Mark{})
		Expect(err).NotTo(HaveOccurred())
		Expect(copies).To(Equal([]bool{false, false, false}))
		Expect(next).To(Equal(seen.Mark{ID: 10, Valid: true}))
		_, next, err = seen.Grown([]string{"11", "x"}, next)
		Expect(err).To(MatchError(ContainSubstring(`id "x" is no whole number`)))
		Expect(next.ID).To(BeEquivalentTo(10))
	})

	It("need an order", func() {
		Expect(seen.InOrder(offsets.Partition{})).To(Succeed())
		Expect(seen.InOrder(offsets.Partition{Group: "g", Topic: "t", ID: -1})).To(MatchError(ContainSubstring("side by side")))
	})
})
