package health

import "time"

// SetClock replaces the clock.
func (h *Health) SetClock(now func() time.Time) { h.now = now }
