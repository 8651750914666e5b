// Package metrics turns events into Prometheus metrics: a callbacks.Listener that is a prometheus.Collector.
//
// The engine calls it in line, so an event costs a map look-up and a few atomic additions; a run of a thousand records is one
// event. Label sets are bounded by what is drawn and assigned: series of a partition go when the partition does.
package metrics
