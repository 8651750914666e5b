package main

import (
	"context"
	"errors"
	"time"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
)

// The topics of the example. The retry topic's name is made of the topic, the group and the delay.
const (
	payments = "payments"
	refused  = "payments.refused"
	group    = "bank"
)

// A payment in clearing is tried again after this, and once more for the case that the bank is down then: in a retry topic a record has one
// attempt.
const (
	later     = 2 * time.Second
	muchLater = 5 * time.Second
)

// Payment is a record's value. Its key is the account.
type Payment struct {
	ID      string `json:"id"`
	Account string `json:"account"`
	Number  int    `json:"number"` // of its account, from 0
	Cents   int    `json:"cents"`
	Abroad  bool   `json:"abroad,omitempty"`
}

// Desk takes payments to the bank.
type Desk struct{ bank *Bank }

// Book handles one payment. The error says which of the route's steps is taken.
func (d *Desk) Book(ctx context.Context, p Payment) error {
	err := d.bank.Book(ctx, p)
	if errors.Is(err, ErrRefused) {
		return consumer.Permanent(err) // asking again does not help, and it says nothing about the bank
	}
	return err
}

// Routes draws what is consumed, and how.
func Routes(desk *Desk) router.Drawer {
	return func(r *router.Router) {
		r.Group(group, func(g *router.Group) {
			g.Topic(payments).
				Each(consumer.Value(desk.Book)).
				// The bank is slow: 64 at once, but those of one account in order.
				Concurrency(64, router.ByKey).
				Timeout(5*time.Second).
				// Nobody waits any more for a payment of the day before yesterday.
				Expire(24*time.Hour).
				// While the bank is down the route is held. Its attempts do not count then, so no payment is refused for it.
				Break(router.Breaker{Window: 500 * time.Millisecond, Hold: 250 * time.Millisecond}).
				OnFailure(
					// Its account need not wait for a payment in clearing: those behind it are booked meanwhile.
					router.When(router.ErrorIs(ErrInClearing), router.RetryLater(later, muchLater), router.DeadLetter(refused)),
					// All else is tried again in place, and the account waits: for some 40 s, then its order is given up.
					router.Retry(10, 100*time.Millisecond),
					router.RetryLater(later, muchLater),
					router.DeadLetter(refused),
				)
		})
	}
}
