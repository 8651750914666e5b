// Package reference writes pages of docs/reference from the code that they are about: metrics from the collector, events and hooks from the
// comments of package callbacks, commands from a command line. Tests beside each fail when a page is not current; `make docs` makes it so.
package reference

//go:generate go run ./gen
