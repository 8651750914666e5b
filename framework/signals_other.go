//go:build !unix

package framework

// operate does nothing where there are no such signals.
func operate(*Control) (stop func()) { return func() {} }
