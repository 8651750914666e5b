package orders

import (
	"time"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

// PricerRoutes answers OrdersCreated with OrdersPriced.
func PricerRoutes(p *Pricer) router.Drawer {
	return func(r *router.Router) {
		r.Group("shop.pricer", func(g *router.Group) {
			g.Topic(OrdersCreated.Name()).
				Each(responder.JSON(p.Price, OrdersPriced.Required())).
				Timeout(5*time.Second).
				OnFailure(
					router.Retry(3, 100*time.Millisecond), // its partition waits: orders stay in order
					router.DeadLetter("shop.pricer.dlq"),
				)
		})
	}
}

// NotifierRoutes tells customers about OrdersPriced.
func NotifierRoutes(n *Notifier) router.Drawer {
	return func(r *router.Router) {
		r.Group("shop.notifier", func(g *router.Group) {
			g.Topic(OrdersPriced.Name()).
				Each(consumer.JSON(n.Notify)).
				Concurrency(16, router.ByKey). // it waits for others most of the time; what concerns one order stays in order
				Timeout(10*time.Second).
				OnFailure(
					router.Retry(2, 500*time.Millisecond),
					router.RetryLater(time.Minute, 10*time.Minute), // in topics of their own, so that nobody else waits
					router.DeadLetter("shop.notifier.dlq"),
				)
		})
	}
}
