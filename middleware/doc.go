// Package middleware holds middleware that most programs want: [Log], [Trace], [Dedupe] and [RateLimit].
//
//	framework.Use(middleware.Log())
package middleware
