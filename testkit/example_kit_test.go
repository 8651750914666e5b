package testkit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

// Mailer sends by a server that is busy at first.
type Mailer struct{ busy int }

func (m *Mailer) Send(context.Context, string) error {
	if m.busy > 0 {
		m.busy--
		return errors.New("busy")
	}
	return nil
}

func (m *Mailer) Routes(r *router.Router) {
	r.Group("mail", func(g *router.Group) {
		g.Topic("mails").Each(consumer.Value(m.Send)).
			OnFailure(router.Retry(3, time.Second), router.DeadLetter("mails.dlq"))
	})
}

// In a package of yours it is TestMailIsRetried.
func testMailIsRetried(t *testing.T) {
	k := testkit.New(t, (&Mailer{busy: 2}).Routes)
	mail := k.Deliver("mails", testkit.JSON("hello"))
	testkit.Check(t, mail, testkit.HaveFailed("busy"), testkit.HaveRetried(1))

	k.Advance(3 * time.Second) // the first back-off and the second
	testkit.Check(t, mail, testkit.HaveRetried(2), testkit.HaveHandled(1), testkit.HaveMarked())
}

// And this one TestMailSurvivesARebalance.
func testMailSurvivesARebalance(t *testing.T) {
	k := testkit.New(t, (&Mailer{busy: 1}).Routes)
	mail := k.Deliver("mails", testkit.JSON("hello"))
	k.Revoke("mails") // while it waits for its retry
	k.Assign("mails")
	k.Settle()
	testkit.Check(t, mail, testkit.HaveHandled(1), testkit.HaveCommitted())
}

// Routes with their retries, batches, outputs and rebalances, in virtual time.
func ExampleNew() {
	goTest(testMailIsRetried, testMailSurvivesARebalance)
	// Output:
}
