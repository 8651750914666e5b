// Package admin looks at a cluster and works on it for operators: dead letters are listed and replayed. Nothing of it runs while a program
// consumes.
package admin
