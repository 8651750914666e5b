// Package engine delivers records to handlers: it runs what package router drew.
//
// docs/DESIGN.md names its objects, its goroutines and their owners, its lock order, and follows one record through it.
package engine
