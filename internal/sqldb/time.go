package sqldb

import "time"

// Micros returns t as microseconds since 1970, the form in which times are stored. The zero time is
// 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the inverse of [Micros], in UTC.
func Time(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// Bool returns b as a number, the form in which booleans are stored.
func Bool(b bool) int {
	if b {
		return 1
	}
	return 0
}
