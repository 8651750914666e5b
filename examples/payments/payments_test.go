package main

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

// pay is a payment of an account, as it is sent.
func pay(account string, number, cents int) *testkit.Message {
	return testkit.JSON(Payment{ID: fmt.Sprint(account, number), Account: account, Number: number, Cents: cents}).Key(account)
}

func abroad(account string) *testkit.Message {
	return testkit.JSON(Payment{ID: account + "-abroad", Account: account, Cents: 100, Abroad: true}).Key(account)
}

func TestRoutesAreThese(t *testing.T) {
	testkit.GoldenRoutes(t, "testdata/routes.golden", Routes(&Desk{newBank()}))
}

func TestTheFlowIsThis(t *testing.T) {
	table, err := router.Draw(Routes(&Desk{newBank()}))
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

func TestWhatTheBankRefusesIsADeadLetterAtOnce(t *testing.T) {
	bank := newBank()
	k := testkit.New(t, Routes(&Desk{bank}))
	bad, unreadable := k.Deliver(payments, pay("ada", 0, -5)), k.Deliver(payments, testkit.Text("no").Key("ada"))
	next := k.Deliver(payments, pay("ada", 1, 5))
	testkit.Check(t, bad, testkit.HaveDeadLettered(refused), testkit.HaveFailed(ErrRefused), testkit.HaveRetried(0))
	testkit.Check(t, unreadable, testkit.HaveDeadLettered(refused), testkit.HaveRetried(0))
	testkit.Check(t, next, testkit.HaveHandled(1))
}

func TestABusyBankDelaysOnlyTheAccount(t *testing.T) {
	bank := newBank()
	bank.busyEvery = 1
	k := testkit.New(t, Routes(&Desk{bank}))
	first := k.Deliver(payments, pay("ada", 0, 5))
	bank.busyEvery = 0
	second, other := k.Deliver(payments, pay("ada", 1, 5)), k.Deliver(payments, pay("bob", 0, 5))
	testkit.Check(t, other, testkit.HaveHandled(1))
	testkit.Check(t, first, testkit.HaveHandled(0), testkit.HaveFailed(errBusy))
	testkit.Check(t, second, testkit.HaveHandled(0))
	k.Advance(100 * time.Millisecond)
	testkit.Check(t, first, testkit.HaveHandled(1))
	testkit.Check(t, second, testkit.HaveHandled(1))
	if _, disordered := bank.balances(); disordered > 0 {
		t.Error("the second was booked before the first")
	}
}

func TestAPaymentInClearingIsTriedLaterAndNeverEarly(t *testing.T) {
	k := testkit.New(t, Routes(&Desk{newBank()}))
	first, second := k.Deliver(payments, abroad("ada")), k.Deliver(payments, pay("ada", 1, 5))
	testkit.Check(t, first, testkit.HaveRetriedLater(), testkit.HaveFailed(ErrInClearing))
	testkit.Check(t, second, testkit.HaveHandled(1))
	k.Advance(later - time.Millisecond)
	testkit.Check(t, first.Forwarded(), testkit.HaveHandled(0))
	k.Advance(time.Millisecond)
	testkit.Check(t, first.Forwarded(), testkit.HaveHandled(1))
}

// A record in a retry topic has one attempt: the bank may be down just then.
func TestAPaymentInClearingSurvivesAnOutage(t *testing.T) {
	bank := newBank()
	k := testkit.New(t, Routes(&Desk{bank}))
	d := k.Deliver(payments, abroad("ada"))
	bank.downUntil = k.Now().Add(later + time.Second)
	k.Settle()
	testkit.Check(t, d.Forwarded(), testkit.HaveFailed(errDown))
	testkit.Check(t, d.Forwarded().Forwarded(), testkit.HaveHandled(1))
}

func TestAnOutageRefusesNothing(t *testing.T) {
	bank := newBank()
	k := testkit.New(t, Routes(&Desk{bank}))
	bank.downUntil = k.Now().Add(10 * time.Minute)
	ms := make([]*testkit.Message, 300)
	for i := range ms {
		ms[i] = pay(fmt.Sprint("acc-", i%100), i/100, 5)
	}
	ds := k.DeliverAll(payments, ms...)
	k.Advance(10 * time.Minute)
	k.Settle()
	for _, d := range ds {
		testkit.Check(t, d, testkit.HaveHandled(1), testkit.HaveCommitted())
	}
	held := testkit.Events[callbacks.Paused](k)
	if len(held) == 0 || held[0].Reason != callbacks.PausedBreaker {
		t.Errorf("the breaker did not hold the route: %v", held)
	}
	if _, disordered := bank.balances(); disordered > 0 {
		t.Errorf("%d out of order", disordered)
	}
}

func TestAnOldPaymentIsNotBooked(t *testing.T) {
	bank := newBank()
	k := testkit.New(t, Routes(&Desk{bank}))
	d := k.Deliver(payments, pay("ada", 0, 5).At(k.Now().Add(-25*time.Hour)))
	testkit.Check(t, d, testkit.HaveSkipped(), testkit.HaveMarked())
	if balances, _ := bank.balances(); len(balances) > 0 {
		t.Errorf("booked: %v", balances)
	}
}

// A payment may be handled twice, after a crash for instance. It is booked once.
func TestAPaymentThatComesTwiceIsBookedOnce(t *testing.T) {
	bank := newBank()
	k := testkit.New(t, Routes(&Desk{bank}))
	for range 2 {
		testkit.Check(t, k.Deliver(payments, pay("ada", 0, 5)), testkit.HaveHandled(1))
	}
	if balances, _ := bank.balances(); balances["ada"] != 5 {
		t.Errorf("balance is %d", balances["ada"])
	}
}
