package main

import (
	"context"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/middleware"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/offsets/sqlstore"
	"github.com/karafgo/karafgo/router"
)

// What the example consumes. The id of a message is in a header: its producer gave it, and a copy has the same.
const (
	transactions = "transactions"
	group        = "bank"
	messageID    = "message-id"
)

// Transaction is a record's value. Its key is the account.
type Transaction struct {
	Account string `json:"account"`
	Cents   int    `json:"cents"`
}

// Book adds a transaction to the balance of its account. To add is not idempotent: done twice it is wrong. So it writes in the
// transaction of the database that also remembers what is done, whichever way that is drawn.
func Book(ctx context.Context, t Transaction) error {
	tx, err := sqlstore.Tx(ctx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO balances (account, cents, bookings) VALUES ($1, $2, 1)
		ON CONFLICT (account) DO UPDATE SET cents = balances.cents + excluded.cents, bookings = balances.bookings + 1`, t.Account, t.Cents)
	return err
}

// Deduped remembers the ids of messages. Offsets are Kafka's and follow later: what comes again after a crash is a copy like any other.
func Deduped(ids middleware.Seen) router.Drawer {
	return func(r *router.Router) {
		r.Group(group, func(g *router.Group) {
			g.Topic(transactions).Each(consumer.Value(Book)).Use(middleware.Dedupe(ids, id))
		})
	}
}

// Stored keeps the offset in the database: nothing comes again after a crash. What a producer has written twice are two records, and
// counts twice.
func Stored(store offsets.Store) router.Drawer {
	return func(r *router.Router) {
		r.Group(group, func(g *router.Group) {
			g.Topic(transactions).Each(consumer.Value(Book)).ExternalOffsets(store)
		})
	}
}

// Both keeps the offset in the database, and remembers ids in the same transaction.
func Both(store offsets.Store, ids middleware.Seen) router.Drawer {
	return func(r *router.Router) {
		r.Group(group, func(g *router.Group) {
			g.Topic(transactions).Each(consumer.Value(Book)).ExternalOffsets(store).Use(middleware.Dedupe(ids, id))
		})
	}
}

func id(m *consumer.Message) string {
	id, _ := m.Header(messageID)
	return string(id)
}
