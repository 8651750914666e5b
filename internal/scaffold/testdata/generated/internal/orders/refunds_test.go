package orders

import (
	"testing"
	"time"

	"github.com/karafgo/karafgo/testkit"
)

func TestRefundsHandlesABatch(t *testing.T) {
	k := testkit.New(t, RefundsRoutes(NewRefunds()))
	records := k.DeliverAll(RefundsTopic.Name(),
		testkit.JSON(Refund{}).Key("1"),
		testkit.JSON(Refund{}).Key("2"))
	k.Advance(time.Second) // virtual time: the batch waits for more
	for _, d := range records {
		testkit.Check(t, d, testkit.HaveHandled(1), testkit.HaveMarked())
	}
}

func TestRefundsGivesUpWhatDoesNotDecode(t *testing.T) {
	k := testkit.New(t, RefundsRoutes(NewRefunds()))
	d := k.Deliver(RefundsTopic.Name(), testkit.Text("no JSON"))
	k.Advance(time.Second)
	testkit.Check(t, d, testkit.HaveDeadLettered("shop.refunds.dlq"), testkit.HaveMarked())
}
