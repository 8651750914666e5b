package testkit_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

func (p *pricer) exactly(r *router.Router) {
	r.Group("pricing", func(g *router.Group) {
		g.ExactlyOnce()
		g.Topic("orders.created").Each(responder.JSON(p.price, ordersPriced.Optional())).
			OnFailure(router.Retry(1, time.Second), router.DeadLetter("dlq"))
	})
}

func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	k := testkit.New(t, (&pricer{}).exactly)
	d := k.Deliver("orders.created", testkit.JSON(order{ID: "1", SKU: "TEA"}))
	testkit.Check(t, d, testkit.HaveHandled(1))
	k.Settle()
	testkit.Check(t, d, testkit.HaveCommitted())
	g.Expect(d.Outputs("orders.priced")).To(HaveLen(1))
	g.Expect(testkit.Events[callbacks.TransactionAborted](k)).To(BeEmpty())
}

func TestExactlyOnceAnOutputThatIsRefusedFailsItsRecordAlone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	narrow := responder.JSONTopic[string]("narrow")
	k := testkit.New(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.ExactlyOnce()
			g.Topic("in").Each(responder.JSON(func(_ context.Context, w *responder.Writer, m *consumer.Typed[string]) error {
				if m.Payload == "first" {
					return narrow.Send(w, m.Key, m.Payload)
				}
				return ordersPriced.Send(w, m.Key, priced{ID: m.Payload})
			}, narrow.Optional(), ordersPriced.Optional())).OnFailure(router.Retry(1, time.Second), router.DeadLetter("dlq"))
		})
	})
	k.FailOutputs("narrow", 3, kerr.InvalidRecord) // with the others, alone, and again
	ds := k.DeliverAll("in", testkit.JSON("first"), testkit.JSON("second"))
	k.Settle()
	testkit.Check(t, ds[0], testkit.HaveDeadLettered("dlq"), testkit.HaveCommitted())
	testkit.Check(t, ds[1], testkit.HaveCommitted())
	g.Expect(ds[0].Outputs("narrow")).To(BeEmpty())
	g.Expect(ds[1].Outputs("orders.priced")).To(HaveLen(1))
	g.Expect(ds[0].Outputs("dlq")).To(HaveLen(1))
	g.Expect(testkit.Events[callbacks.TransactionAborted](k)).To(HaveLen(1), "the others are undone once")
}
