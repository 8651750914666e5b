package orders

import (
	"testing"

	"github.com/karafgo/karafgo/testkit"
)

func TestShipOrderAnswers(t *testing.T) {
	k := testkit.New(t, ShipOrderRoutes(NewShipOrder()))
	d := k.Deliver(OrdersPriced.Name(), testkit.JSON(PricedOrder{}).Key("1"))
	testkit.Check(t, d, testkit.HaveResponded(OrdersShipped, Shipped{}), testkit.HaveMarked())
}

func TestShipOrderGivesUpWhatDoesNotDecode(t *testing.T) {
	k := testkit.New(t, ShipOrderRoutes(NewShipOrder()))
	d := k.Deliver(OrdersPriced.Name(), testkit.Text("no JSON"))
	testkit.Check(t, d, testkit.HaveDeadLettered("shop.ship-order.dlq"), testkit.HaveMarked())
}
