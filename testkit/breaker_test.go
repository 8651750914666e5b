package testkit_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

func TestF70_BreakerKeepsAnOutageOutOfTheDeadLetters(t *testing.T) {
	for name, more := range map[string]func(*router.Route){
		"each":   func(*router.Route) {},
		"by key": func(r *router.Route) { r.Concurrency(4, router.ByKey) },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			down, calls := false, 0
			k := testkit.New(t, func(r *router.Router) {
				r.Group("g", func(g *router.Group) {
					more(g.Topic("a").Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
						calls++
						switch {
						case string(m.Value) == "bad":
							return consumer.Permanent(errUnknownSKU)
						case down:
							return errBusy
						}
						return nil
					})).OnFailure(router.DeadLetter("dlq")).
						Break(router.Breaker{Ratio: 0.5, Window: 10 * time.Second, Least: 6, Hold: time.Minute}))
				})
			})
			for range 20 { // bad records do not open it
				testkit.Check(t, k.Deliver("a", testkit.Text("bad").Key("b")), testkit.HaveDeadLettered("dlq"))
			}
			for range 4 {
				testkit.Check(t, k.Deliver("a", testkit.Text("x").Key("x")), testkit.HaveHandled(1))
			}
			down = true
			ms := make([]*testkit.Message, 40)
			for i := range ms {
				ms[i] = testkit.Text("x").Key(string(rune('a' + i%20)))
			}
			ds := k.DeliverAll("a", ms...)
			lost := 0
			for _, d := range ds {
				if d.DeadLettered() != "" {
					lost++
				}
			}
			g.Expect(lost).To(BeNumerically("<=", 6), "what it took to see it")
			opened := testkit.Events[callbacks.Paused](k)
			g.Expect(opened).To(HaveLen(1))
			g.Expect(opened[0].Reason).To(Equal(callbacks.PausedBreaker))
			before := calls
			k.Advance(10 * time.Minute)
			g.Expect(calls-before).To(BeNumerically("~", 10, 2), "one record a minute probes")
			down = false
			k.Settle()
			g.Expect(testkit.Events[callbacks.Resumed](k)).To(HaveLen(1))
			for _, d := range ds {
				if d.DeadLettered() == "" {
					testkit.Check(t, d, testkit.HaveHandled(1), testkit.HaveCommitted())
				}
			}
			late := 0
			for _, d := range ds {
				if d.DeadLettered() != "" {
					late++
				}
			}
			g.Expect(late).To(Equal(lost), "no more than at first")
		})
	}
}
