package orders

import (
	"testing"

	"github.com/karafgo/karafgo/testkit"
)

func TestInvoicesHandlesARecord(t *testing.T) {
	k := testkit.New(t, InvoicesRoutes(NewInvoices()))
	d := k.Deliver(OrdersPaid.Name(), testkit.JSON(Paid{}).Key("1"))
	testkit.Check(t, d, testkit.HaveHandled(1), testkit.HaveMarked())
}

func TestInvoicesGivesUpWhatDoesNotDecode(t *testing.T) {
	k := testkit.New(t, InvoicesRoutes(NewInvoices()))
	d := k.Deliver(OrdersPaid.Name(), testkit.Text("no JSON"))
	testkit.Check(t, d, testkit.HaveDeadLettered("shop.invoices.dlq"), testkit.HaveMarked())
}
