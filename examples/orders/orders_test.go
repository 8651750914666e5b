package main

import (
	"fmt"
	"os"
	"strings"
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

func TestTheFlowIsThis(t *testing.T) {
	routes, _ := app(false)
	table, err := router.Draw(routes)
	if err != nil {
		t.Fatal(err)
	}
	flow := table.Flow()
	have := fmt.Sprintf("%s\n%s\n%s", flow, flow.Mermaid(), flow.DOT())
	if os.Getenv("KARAFGO_UPDATE_GOLDEN") != "" {
		if err := os.WriteFile("testdata/flow.golden", []byte(have), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/flow.golden")
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != have {
		t.Errorf("the flow has changed:\n%s", have)
	}
}

// The guide shows the flow as `routes` prints it.
func TestTheGuideShowsTheFlow(t *testing.T) {
	routes, _ := app(false)
	table, err := router.Draw(routes)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/guide/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll("\n"+strings.TrimSuffix(table.Flow().String(), "\n"), "\n", "\n    ") + "\n"
	for _, want := range []string{text, "\n```mermaid\n" + table.Flow().Mermaid() + "```\n"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("docs/guide/operating.md does not have:\n%s", want)
		}
	}
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
