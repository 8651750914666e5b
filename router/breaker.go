package router

import "time"

// Breaker says when a route stops handing over records because most of them fail, as they do when a database is down: see [Route.Break].
// Fields that are zero have their defaults.
type Breaker struct {
	// Ratio of attempts in the window that fail, above 0 and up to 1. Defaults to 0.5.
	Ratio float64
	// Window is how long attempts count. Defaults to 10 s.
	Window time.Duration
	// Least is how many attempts there must be in the window. Defaults to 20.
	Least int
	// Hold is how long nothing is handed over, before one record probes whether it is over. Defaults to 30 s.
	Hold time.Duration
}

// The defaults of a Breaker.
const (
	DefaultBreakerRatio  = 0.5
	DefaultBreakerWindow = 10 * time.Second
	DefaultBreakerLeast  = 20
	DefaultBreakerHold   = 30 * time.Second
)

// Break pauses the route in this process while most of its records fail, instead of draining its topic into dead letters: when so many
// attempts fail, nothing is handed over for a while, and the attempt that failed does not count. Then one record probes: if it is handled,
// the route goes on; if it fails, it is held again. Failures that are about their record count neither way: Permanent, Skip, and payloads
// that do not decode.
func (r *Route) Break(b Breaker) *Route {
	at := caller()
	if b.Ratio < 0 || b.Ratio > 1 {
		r.errorf(at, "Break: Ratio %v: want more than 0 and up to 1", b.Ratio)
	}
	if b.Window < 0 || b.Hold < 0 {
		r.errorf(at, "Break: Window %s and Hold %s: want positive durations", b.Window, b.Hold)
	}
	if b.Least < 0 {
		r.errorf(at, "Break: Least %d: want at least 1", b.Least)
	}
	if b.Ratio == 0 {
		b.Ratio = DefaultBreakerRatio
	}
	if b.Window == 0 {
		b.Window = DefaultBreakerWindow
	}
	if b.Least == 0 {
		b.Least = DefaultBreakerLeast
	}
	if b.Hold == 0 {
		b.Hold = DefaultBreakerHold
	}
	r.breaker, r.breakerAt = &b, at
	return r
}
