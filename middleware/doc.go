// Package middleware holds middleware that most programs want: [Log], [Trace], [Dedupe], [RateLimit] and [CircuitBreak].
//
//	framework.Use(middleware.Log())
package middleware
