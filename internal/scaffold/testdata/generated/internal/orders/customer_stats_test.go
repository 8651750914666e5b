package orders

import (
	"testing"
	"time"

	"github.com/karafgo/karafgo/testkit"
)

func TestCustomerStatsAnswers(t *testing.T) {
	k := testkit.New(t, CustomerStatsRoutes(NewCustomerStats()))
	d := k.Deliver(OrdersPriced.Name(), testkit.JSON(PricedOrder{}).Key("1"))
	k.Advance(time.Second) // virtual time: the batch waits for more
	testkit.Check(t, d, testkit.HaveResponded(Stats, Stat{}), testkit.HaveMarked())
}

func TestCustomerStatsGivesUpWhatDoesNotDecode(t *testing.T) {
	k := testkit.New(t, CustomerStatsRoutes(NewCustomerStats()))
	d := k.Deliver(OrdersPriced.Name(), testkit.Text("no JSON"))
	k.Advance(time.Second)
	testkit.Check(t, d, testkit.HaveDeadLettered("shop.customer-stats.dlq"), testkit.HaveMarked())
}
