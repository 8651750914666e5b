// Package doctor finds out what would keep a program from consuming, or from consuming well, before it starts: one finding for each thing
// that is looked at, with the remedy where there is something to mend. It changes nothing in the cluster.
package doctor
