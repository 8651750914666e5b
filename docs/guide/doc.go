// Package guide holds the guide. Its test compiles the programs in it.
package guide
