// Package gcra is the generic cell rate algorithm: its arithmetic, and a bounded table of counts. A
// count is one time: when the whole burst will be available again. So it is known exactly when the
// next try is allowed, and a count that is over needs no memory.
package gcra

import (
	"math"
	"time"
)

// Rate allows burst tries at once, and then burst more in each period, evenly spread. Times are
// durations since some moment that is the same for all of them.
type Rate struct {
	Burst    int
	interval time.Duration // between two tries at the steady rate
}

// NewRate returns a rate. The burst is at least 1. Neither the burst nor the period is more than 73
// years or as many nanoseconds, so that no sum of times overflows.
func NewRate(burst int, per time.Duration) Rate {
	burst, per = min(max(burst, 1), math.MaxInt>>2), min(per, math.MaxInt64>>2)
	return Rate{burst, max(per/time.Duration(burst), 1)}
}

// span is how long the whole burst takes to come back.
func (r Rate) span() time.Duration { return r.interval * time.Duration(r.Burst) }

// From returns a count as it is at now. One that is over becomes now. One that lies further ahead
// than the rate can put it comes from a clock that was set back, and becomes a burst that is used up.
func (r Rate) From(full, now time.Duration) time.Duration {
	return min(max(full, now), now+r.span())
}

// Take adds cost to a count. If that is too much, it returns the old count and how long to wait;
// for a cost over the burst the wait is Never. A negative cost gives back and is always allowed.
func (r Rate) Take(full, now time.Duration, cost int) (next, wait time.Duration) {
	full = r.From(full, now)
	if cost > r.Burst {
		return full, Never
	}
	next = full + r.interval*time.Duration(max(cost, -r.Burst))
	if wait = next - now - r.span(); wait > 0 && cost > 0 {
		return full, wait
	}
	return next, 0
}

// Never is the wait for a cost that is over the burst.
const Never = time.Duration(1<<63 - 1)

// Remaining is how many tries a count leaves at now.
func (r Rate) Remaining(full, now time.Duration) int {
	return int((r.span() - (r.From(full, now) - now)) / r.interval)
}
