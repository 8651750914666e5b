// Package health answers startup, readiness and liveness probes from events.
//
// Liveness says that the process should be restarted: a handler is stuck. A broker outage is no reason for that, so it
// only makes the process not ready; it heals alone.
package health
