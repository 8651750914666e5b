package router_test

import (
	"io"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
)

var _ = Describe("What happens to records that fail", func() {
	table := func() *router.Table {
		t, err := router.Draw(func(r *router.Router) {
			r.Group("g", func(g *router.Group) {
				g.Topic("orders").Each(one).Expire(90*time.Minute).Throttle(5, time.Second).Break(router.Breaker{}).OnFailure(
					router.When(router.ErrorAs[*consumer.DecodeError](), router.DeadLetter("orders.unreadable")),
					router.When(router.ErrorWhere("timeouts", func(error) bool { return false }), router.RetryLater(time.Hour), router.Block),
					router.Retry(3, time.Second), router.RetryLater(10*time.Second, time.Minute), router.DeadLetter("orders.dlq"))
				g.Pattern(".*").Each(one).OnFailure(router.DeadLetter("others.dlq"))
			})
		})
		Expect(err).NotTo(HaveOccurred())
		return t
	}

	It("is a part of the table, with the routes of retry topics", func() {
		var topics, failures, consumes []string
		for _, r := range table().Groups()[0].Routes {
			topics, failures, consumes = append(topics, r.Name()), append(failures, r.OnFailure()), append(consumes, r.Consumes())
		}
		Expect(topics).To(Equal([]string{"orders", "orders.g.retry.10s", "orders.g.retry.1m", "orders.g.retry.1h", "/.*/"}))
		Expect(failures[0]).To(Equal("*consumer.DecodeError: dead letter orders.unreadable; timeouts: after 1h, then block; " +
			"retry 3 from 1s, then after 10s, then after 1m, then dead letter orders.dlq (breaks for 30s at 50% of 10s)"))
		Expect(consumes[0]).To(Equal("each, until 1h30m0s old, 5 per 1s"))
		Expect(consumes[2]).To(Equal("each, after 1m"))
		Expect(table().Groups()[0].Routes[2].RetryOf).To(Equal("orders"))
	})

	It("is nothing that patterns match", func() {
		t := table()
		all := t.Groups()[0].Routes[4]
		for name := range t.FailureTopics() {
			Expect(all.Matches(name)).To(BeFalse(), name)
		}
		Expect(all.Matches("customers")).To(BeTrue())
		Expect(t.FailureTopics()).To(Equal(map[string][]string{
			"orders.dlq": {"orders"}, "orders.unreadable": {"orders"}, "others.dlq": nil,
			"orders.g.retry.10s": {"orders"}, "orders.g.retry.1m": {"orders"}, "orders.g.retry.1h": {"orders"},
		}))
	})

	It("wants its topics as large as those that its records come from", func() {
		t, err := router.Draw(func(r *router.Router) {
			r.Declare("a", router.Partitions(6))
			r.Declare("a.dlq", router.Replication(3), router.TopicConfig("retention.ms", "-1"))
			r.Declare("b.dlq", router.Partitions(1))
			r.Group("g", func(g *router.Group) {
				g.Topic("a").Each(one).OnFailure(router.RetryLater(time.Second), router.DeadLetter("a.dlq"))
				g.Topic("b").Each(one).OnFailure(router.DeadLetter("b.dlq"))
			})
			r.Group("h", func(g *router.Group) {
				g.Topic("a.dlq").Each(one).OnFailure(router.DeadLetter("worst"))
				g.Topic("a.g.retry.1s").Each(one).OnFailure(router.DeadLetter("a")) // round and round
				g.Topic("b").Each(one).OnFailure(router.DeadLetter("worst"))
			})
		})
		Expect(err).NotTo(HaveOccurred())
		want := func(topic string) router.TopicSpec {
			return t.Wanted(topic, func(topic string) int { return map[string]int{"a": 3, "b": 9}[topic] })
		}
		Expect(want("a").Partitions).To(Equal(6))
		Expect(want("a.g.retry.1s").Partitions).To(Equal(6))
		Expect(want("a.dlq")).To(And(HaveField("Partitions", 6), HaveField("Replication", 3), HaveField("Config", HaveLen(1))))
		Expect(want("b.dlq").Partitions).To(Equal(1), "as it is declared")
		Expect(want("worst").Partitions).To(Equal(9), "the most of its sources")
		Expect(want("b")).To(Equal(router.TopicSpec{Name: "b"}), "whatever the cluster likes")
	})

	It("is kept with its route when only some are", func() {
		Expect(table().Only(func(_, topic string) bool { return topic == "orders" }).Topics()).To(HaveLen(4))
	})

	It("is chosen by the error", func() {
		f := table().Groups()[0].Routes[0].Failure
		Expect(f.Of(io.EOF).DeadLetter).To(Equal("orders.dlq"))
		Expect(f.Of(consumer.Permanent(&consumer.DecodeError{Err: io.EOF})).DeadLetter).To(Equal("orders.unreadable"))
	})

	It("names topics without zeros at their end", func() {
		for d, name := range map[time.Duration]string{
			time.Second: "1s", 90 * time.Second: "1m30s", time.Hour: "1h", 24 * time.Hour: "24h", 1500 * time.Millisecond: "1.5s",
			time.Hour + time.Second: "1h0m1s", 10 * time.Minute: "10m",
		} {
			Expect(router.RetryTopic("t", "g", d)).To(Equal("t.g.retry." + name))
		}
	})
})
