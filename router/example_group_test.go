package router_test

import (
	"context"
	"fmt"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
)

// named is middleware that tells that it is there.
func named(name string) consumer.Middleware {
	return func(next consumer.BatchHandler) consumer.BatchHandler {
		return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
			fmt.Print(name, " > ")
			return next.HandleBatch(ctx, b)
		})
	}
}

// call runs the middleware of a route around a handler.
func call(r router.RouteSpec) {
	h := consumer.Chain(consumer.BatchHandlerFunc(func(context.Context, *consumer.Batch) error {
		fmt.Println("handler")
		return nil
	}), r.Middleware...)
	_ = h.HandleBatch(context.Background(), consumer.NewBatch([]consumer.Message{consumer.NewMessage(nil, nil)}))
}

// A drawer's middleware wraps what the drawer draws, a group's is inside of it, a route's is inside of that.
func ExampleRouter_Use() {
	table, err := router.Draw(func(r *router.Router) {
		r.Use(named("drawer"))
		r.Group("shop", func(g *router.Group) {
			g.Use(named("group"))
			g.Topic("orders").Each(mail).Use(named("route"))
		})
	}, func(r *router.Router) {
		r.Group("shop", func(g *router.Group) { g.Topic("clicks").Each(mail) })
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range table.Groups()[0].Routes {
		fmt.Print(r.Topic, ": ")
		call(r)
	}
	// Output:
	// orders: drawer > group > route > handler
	// clicks: handler
}

// Groups of the same id are one consumer group, wherever they are drawn.
func ExampleRouter_Group() {
	table, err := router.Draw(
		func(r *router.Router) { r.Group("shop", func(g *router.Group) { g.Topic("orders").Each(mail) }) },
		func(r *router.Router) { r.Group("shop", func(g *router.Group) { g.Topic("clicks").Each(mail) }) },
		func(r *router.Router) { r.Group("audit", func(g *router.Group) { g.Topic("orders").Each(mail) }) },
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range table.Groups() {
		fmt.Println(g.ID, len(g.Routes))
	}
	// Output:
	// shop 2
	// audit 1
}

// How a topic should be: `topics plan` compares it with the cluster, and `topics apply` makes it so.
func ExampleRouter_Declare() {
	table, err := router.Draw(func(r *router.Router) {
		r.Declare("orders", router.Partitions(6), router.Replication(3), router.TopicConfig("cleanup.policy", "compact"))
		r.Group("shop", func(g *router.Group) { g.Topic("orders").Each(mail) })
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range table.Declared() {
		fmt.Println(d.Name, d.Partitions, d.Replication, d.Config)
	}
	// Output: orders 6 3 map[cleanup.policy:compact]
}

// The options of a declared topic.
func ExampleTopicOption() {
	table, err := router.Draw(func(r *router.Router) {
		r.Declare("clicks", router.TopicConfig("retention.ms", "86400000")) // the rest is the cluster's default
		r.Group("shop", func(g *router.Group) { g.Topic("clicks").Each(mail) })
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(table.Declared()[0].Partitions, table.Declared()[0].Config)
	// Output: 0 map[retention.ms:86400000]
}

// A group consumes as many topics as it draws, each with a handler of its own.
func ExampleGroup_Topic() {
	table, err := router.Draw(func(r *router.Router) {
		r.Group("shop", func(g *router.Group) {
			g.Topic("orders").Each(mail)
			g.Topic("clicks").Batch(index, 1000, 0)
		})
	})
	fmt.Println(table.Topics(), err)
	// Output: [clicks orders] <nil>
}

// All topics whose whole name matches, those that come later too.
func ExampleGroup_Pattern() {
	r := only(func(g *router.Group) { g.Pattern(`orders\.(de|fr)`).Each(mail) })
	fmt.Println(r.Name(), r.Matches("orders.de"), r.Matches("orders.de.dlq"))
	// Output: /orders\.(de|fr)/ true false
}

// Middleware of the routes that the group draws after it.
func ExampleGroup_Use() {
	r := only(func(g *router.Group) {
		g.Use(named("first"), named("second"))
		g.Topic("orders").Each(mail)
	})
	call(r)
	// Output: first > second > handler
}

// Middleware of one route.
func ExampleRoute_Use() {
	r := only(func(g *router.Group) { g.Topic("orders").Each(mail).Use(named("timed")) })
	call(r)
	// Output: timed > handler
}

// One record for each poll, and at most one that waits per partition.
func ExampleGroup_BatchFetching() {
	table, err := router.Draw(func(r *router.Router) {
		r.Group("shop", func(g *router.Group) {
			g.BatchFetching(false)
			g.Topic("orders").Each(mail)
		})
	})
	fmt.Println(table.Groups()[0].BatchFetching, err)
	// Output: false <nil>
}

// At most 500 records are taken from the client at once.
func ExampleGroup_MaxPollRecords() {
	table, err := router.Draw(func(r *router.Router) {
		r.Group("shop", func(g *router.Group) {
			g.MaxPollRecords(500)
			g.Topic("orders").Each(mail)
		})
	})
	fmt.Println(table.Groups()[0].MaxPollRecords, err)
	// Output: 500 <nil>
}

// Outputs, dead letters and offsets of all routes of the group are committed together.
func ExampleGroup_ExactlyOnce() {
	r := only(func(g *router.Group) {
		g.ExactlyOnce()
		g.Topic("orders").Each(mail).OnFailure(router.DeadLetter("orders.dlq"))
	})
	fmt.Println(r.Offsets)
	// Output: exactly once
}
