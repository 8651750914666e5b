package main

import (
	"testing"
	"time"

	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

// app is all of the example, with a price service that is busy for the next question if busy is set.
func app(busy bool) (router.Drawer, *Index) {
	prices := &Prices{}
	if busy {
		prices.asked.Store(99)
	}
	index := &Index{cents: map[string]int{}}
	return Routes(&Pricer{prices}, &Mailer{}, index, &Audit{}), index
}

func order(id, sku string) *testkit.Message {
	return testkit.JSON(Order{ID: id, Customer: "ada", SKU: sku, Quantity: 2}).Key(id)
}

func TestRoutesAreThese(t *testing.T) {
	routes, _ := app(false)
	testkit.GoldenRoutes(t, "testdata/routes.golden", routes)
}

func TestAnOrderIsPricedAndIndexed(t *testing.T) {
	routes, index := app(false)
	k := testkit.New(t, routes)
	d := k.Deliver(created, order("1", "SPOON"))
	testkit.Check(t, d.In("pricing"), testkit.HaveResponded(OrdersPriced, Priced{ID: "1", Cents: 640}), testkit.HaveMarked())
	testkit.Check(t, d.In("mail"), testkit.HaveHandled(1))
	testkit.Check(t, d.In("audit"), testkit.HaveMarked())
	k.Advance(200 * time.Millisecond) // the batch waits for more
	if index.revenue != 640 {
		t.Errorf("revenue is %d", index.revenue)
	}
}

func TestABusyPriceServiceIsAskedAgain(t *testing.T) {
	routes, _ := app(true)
	k := testkit.New(t, routes)
	d := k.Deliver(created, order("1", "SPOON")).In("pricing")
	testkit.Check(t, d, testkit.HaveFailed(errBusy), testkit.HaveRetried(1))
	k.Advance(20 * time.Millisecond)
	testkit.Check(t, d, testkit.HaveHandled(1), testkit.HaveResponded(OrdersPriced))
}

func TestAnUnknownArticleIsSkipped(t *testing.T) {
	routes, _ := app(false)
	d := testkit.New(t, routes).Deliver(created, order("1", "GOLD")).In("pricing")
	testkit.Check(t, d, testkit.HaveSkipped(), testkit.HaveFailed(ErrUnknownSKU), testkit.HaveMarked())
}
