// Package framework runs a karafgo program.
//
// The smallest one:
//
//	func main() {
//		framework.Main(
//			fx.Provide(orders.NewMailer),
//			framework.Routes(orders.Routes),
//		)
//	}
//
// [Main] makes the program its own command line: `server` (the default), `routes`, `config check|show`, `topics list|plan|apply`, `lag`,
// `dlq list|show|replay`. `--help` explains each. [Run] is the same without commands and signals, for plain programs and tests. [Module]
// joins an fx application that exists already.
//
// Handlers and routes never see fx: constructors are plain functions, and [Routes] takes a function that gets what it needs as
// parameters and returns a router.Drawer.
//
// # Exit codes
//
//	0  stopped cleanly
//	1  could not start: configuration, routes, or the cluster
//	2  stopped by force: a handler did not return in time; its record is not marked
//	3  a fatal error while running, such as a route that draws Stop
//	4  `topics plan` found differences between the cluster and what the program wants
//
// Commands other than server exit with 0 when they did what they were asked for, and with 1 when they did not.
package framework
