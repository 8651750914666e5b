// Command shop answers orders with their price, and tells customers.
//
// Without arguments it consumes until SIGTERM. It has commands to look at its routes, topics, lag and dead letters too: see --help.
package main

import (
	"log/slog"

	"go.uber.org/fx"

	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/middleware"

	"example.com/shop/internal/orders"
)

// version is stamped by the Makefile and the Dockerfile.
var version = "dev"

func main() {
	framework.Main(app())
}

// app is all of the program but its configuration. The test runs it too.
func app() fx.Option {
	return fx.Options(
		// What handlers take as parameters. Nothing is made that nobody takes.
		fx.Provide(
			newPrices,
			newOutbox,
			orders.NewPricer,
			orders.NewNotifier,
			orders.NewInvoices,
			orders.NewRefunds,
			orders.NewShipOrder,
			orders.NewCustomerStats,
			// karafgo:provide
		),
		framework.Routes(
			orders.Topics,
			orders.PricerRoutes,
			orders.NotifierRoutes,
			orders.InvoicesRoutes,
			orders.RefundsRoutes,
			orders.ShipOrderRoutes,
			orders.CustomerStatsRoutes,
			// karafgo:routes
		),
		// Around every route, the first outermost.
		framework.Use(
			// A line for each attempt, at log.level debug. What fails is logged as a warning in any case.
			middleware.Log(),
			orders.Audit(),
			// karafgo:use
		),
		// A start hook runs when the program consumes, and not for its other commands.
		fx.Invoke(func(lc fx.Lifecycle) {
			lc.Append(fx.StartHook(func() { slog.Info("shop starts", "version", version) }))
		}),
	)
}

// newPrices stands for what knows the prices: a database, or another service.
func newPrices() orders.Prices {
	return orders.PriceList{"TEA-GREEN": 640, "TEA-BLACK": 590, "CUP-BLUE": 1250}
}

// newOutbox stands for what reaches customers: a mail server, for instance.
func newOutbox() orders.Outbox {
	return orders.LogOutbox{Log: slog.Default()}
}
