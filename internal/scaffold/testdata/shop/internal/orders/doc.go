// Package orders answers orders with their price and tells customers.
//
// Topics are in topics.go, routes in routes.go; each handler has a file of its own.
package orders
