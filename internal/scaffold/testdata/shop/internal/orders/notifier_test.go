package orders

import (
	"context"
	"errors"
	"testing"

	"github.com/karafgo/karafgo/testkit"
)

var errDown = errors.New("mail server is down")

// fakeOutbox keeps what it is given, unless it is down.
type fakeOutbox struct {
	down bool
	sent []PricedOrder
}

func (o *fakeOutbox) Confirm(_ context.Context, order PricedOrder) error {
	if o.down {
		return errDown
	}
	o.sent = append(o.sent, order)
	return nil
}

func TestNotifierTellsTheCustomer(t *testing.T) {
	outbox := &fakeOutbox{}
	k := testkit.New(t, NotifierRoutes(NewNotifier(outbox)))
	priced := PricedOrder{ID: "1", Customer: "ada@example.com", Cents: 1280}
	d := k.Deliver(OrdersPriced.Name(), testkit.JSON(priced).Key("1"))
	testkit.Check(t, d, testkit.HaveHandled(1), testkit.HaveMarked())
	if len(outbox.sent) != 1 || outbox.sent[0] != priced {
		t.Errorf("sent %+v, want %+v", outbox.sent, priced)
	}
}

func TestNotifierTriesLaterAndThenGivesUp(t *testing.T) {
	k := testkit.New(t, NotifierRoutes(NewNotifier(&fakeOutbox{down: true})))
	d := k.Deliver(OrdersPriced.Name(), testkit.JSON(PricedOrder{ID: "1"}).Key("1"))
	k.Settle() // virtual time: as long as it takes, eleven minutes here
	testkit.Check(t, d, testkit.HaveFailed(errDown), testkit.HaveRetried(2), testkit.HaveRetriedLater(), testkit.HaveMarked())
	minute := d.Forwarded()
	testkit.Check(t, minute, testkit.HaveRetriedLater(), testkit.HaveMarked())
	testkit.Check(t, minute.Forwarded(), testkit.HaveDeadLettered("shop.notifier.dlq"), testkit.HaveMarked())
}
