// Package middleware holds middleware that most programs want: for now [Log].
//
//	framework.Use(middleware.Log())
package middleware
