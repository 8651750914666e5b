package orders

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/karafgo/karafgo/testkit"
)

var errBusy = errors.New("busy")

// busyPrices are busy for some questions, and then know a price.
type busyPrices struct{ busy, cents int }

func (p *busyPrices) Cents(context.Context, string) (int, error) {
	if p.busy > 0 {
		p.busy--
		return 0, errBusy
	}
	return p.cents, nil
}

func order(id, sku string) *testkit.Message {
	return testkit.JSON(Order{ID: id, Customer: "ada@example.com", SKU: sku, Quantity: 2}).Key(id)
}

func TestPricerAnswersAnOrder(t *testing.T) {
	k := testkit.New(t, PricerRoutes(NewPricer(PriceList{"TEA": 640})))
	d := k.Deliver(OrdersCreated.Name(), order("1", "TEA"))
	testkit.Check(t, d,
		testkit.HaveResponded(OrdersPriced, PricedOrder{ID: "1", Customer: "ada@example.com", Cents: 1280}),
		testkit.HaveMarked())
}

func TestPricerAsksAgainWhenPricesAreBusy(t *testing.T) {
	k := testkit.New(t, PricerRoutes(NewPricer(&busyPrices{busy: 2, cents: 640})))
	d := k.Deliver(OrdersCreated.Name(), order("1", "TEA"))
	testkit.Check(t, d, testkit.HaveFailed(errBusy), testkit.HaveRetried(1))

	k.Advance(300 * time.Millisecond) // virtual time: 100 ms to the first retry, 200 ms to the second
	testkit.Check(t, d, testkit.HaveRetried(2), testkit.HaveResponded(OrdersPriced), testkit.HaveMarked())
}

func TestPricerGivesUpWhatNobodySells(t *testing.T) {
	k := testkit.New(t, PricerRoutes(NewPricer(PriceList{})))
	d := k.Deliver(OrdersCreated.Name(), order("1", "GOLD"))
	testkit.Check(t, d,
		testkit.HaveFailed(ErrUnknownSKU), testkit.HaveRetried(0),
		testkit.HaveDeadLettered("shop.pricer.dlq"), testkit.HaveMarked())
}

func TestPricerGivesUpWhatIsNoOrder(t *testing.T) {
	k := testkit.New(t, PricerRoutes(NewPricer(PriceList{})))
	d := k.Deliver(OrdersCreated.Name(), testkit.Text("no JSON"))
	testkit.Check(t, d, testkit.HaveDeadLettered("shop.pricer.dlq"), testkit.HaveMarked())
}
