package orders

import (
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

// Topics declares how the topics of this program should be: `shop topics plan` compares them with the cluster, `topics apply` makes
// them so. Retry and dead letter topics need not stand here: they have as many partitions as what they are for.
func Topics(r *router.Router) {
	// As many processes as a topic has partitions can share it. More can be added later, but a key may then move to another one.
	r.Declare(OrdersCreated.Name(), router.Partitions(6))
	r.Declare(OrdersPriced.Name(), router.Partitions(6))
	r.Declare(OrdersPaid.Name(), router.Partitions(12))
	r.Declare(OrdersShipped.Name(), router.Partitions(6))
	r.Declare(Stats.Name(), router.Partitions(6))
	// karafgo:declare
}

// OrdersCreated is the topic of what customers have ordered. Its key is the order's ID.
var OrdersCreated = responder.JSONTopic[Order]("orders.created")

// Order is a value of OrdersCreated.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// OrdersPriced is the topic of orders that have a price. Its key is the order's ID.
var OrdersPriced = responder.JSONTopic[PricedOrder]("orders.priced")

// PricedOrder is a value of OrdersPriced.
type PricedOrder struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Cents    int    `json:"cents"`
}

// OrdersPaid is the topic orders.paid.
var OrdersPaid = responder.JSONTopic[Paid]("orders.paid")

// Paid is a value of OrdersPaid.
type Paid struct {
	ID string `json:"id"`
}

// RefundsTopic is the topic refunds.
var RefundsTopic = responder.JSONTopic[Refund]("refunds")

// Refund is a value of RefundsTopic.
type Refund struct {
	ID string `json:"id"`
}

// OrdersShipped is the topic orders.shipped.
var OrdersShipped = responder.JSONTopic[Shipped]("orders.shipped")

// Shipped is a value of OrdersShipped.
type Shipped struct {
	ID string `json:"id"`
}

// Stats is the topic stats.
var Stats = responder.JSONTopic[Stat]("stats")

// Stat is a value of Stats.
type Stat struct {
	ID string `json:"id"`
}
