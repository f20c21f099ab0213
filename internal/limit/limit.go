// Package limit limits in memory how often something may be tried. It uses the generic cell rate
// algorithm (GCRA), which stores one time per key and knows exactly when the next try is allowed.
// [Guard] applies it to guesses of passwords.
package limit

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Rate allows Burst tries at once, and then Burst more in each Per, evenly spread.
type Rate struct {
	Burst int
	Per   time.Duration
}

// Decision is the answer to one try.
type Decision struct {
	Allowed    bool
	Limit      int           // the burst
	Remaining  int           // tries left now
	RetryAfter time.Duration // until the next try is allowed; zero if it is allowed now
	ResetAfter time.Duration // until the whole burst is available again
}

// Refused is the error that says which limit was reached.
type Refused struct {
	Policy string        // the name of the limit
	Window time.Duration // over which the burst is spread
	Decision
}

// Error implements error.
func (r *Refused) Error() string { return "the limit " + r.Policy + " is reached" }

// Take calls [Limiter.Allow] for a limit with the name policy. A nil limiter allows everything.
func (l *Limiter) Take(policy, key string, now time.Time) *Refused {
	if l == nil {
		return nil
	}
	if d := l.Allow(key, now); !d.Allowed {
		return &Refused{Policy: policy, Window: l.rate.Per, Decision: d}
	}
	return nil
}

// maxKeys limits the memory of a limiter to a few tens of megabytes.
const maxKeys = 1 << 18

const shardCount = 64

// Limiter counts tries per key. It is safe for concurrent use.
type Limiter struct {
	rate     Rate
	interval time.Duration // between two tries at the steady rate
	seed     maphash.Seed
	shards   [shardCount]shard
}

type shard struct {
	mu sync.Mutex
	// key → its theoretical arrival time, when its whole burst is available again. A key whose time
	// has passed is equivalent to an absent key.
	full map[string]time.Time
}

// New returns a limiter, or nil for the zero Rate, which means no limit. The burst is at least 1.
func New(r Rate) *Limiter {
	if r == (Rate{}) {
		return nil
	}
	r.Burst = max(r.Burst, 1)
	return &Limiter{rate: r, interval: max(r.Per/time.Duration(r.Burst), 1), seed: maphash.MakeSeed()}
}

// Allow counts a try if it is allowed. Concurrent calls never exceed the burst.
func (l *Limiter) Allow(key string, now time.Time) Decision {
	s := l.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	full, known := s.full[key]
	if full.Before(now) {
		full = now
	}
	span := l.interval * time.Duration(l.rate.Burst)
	d := Decision{Limit: l.rate.Burst, Allowed: full.Add(l.interval).Sub(now) <= span}
	if d.Allowed {
		full = full.Add(l.interval)
		if !known {
			s.makeRoom()
		}
		if s.full == nil {
			s.full = map[string]time.Time{}
		}
		s.full[key] = full
	} else {
		d.RetryAfter = full.Add(l.interval).Sub(now) - span
	}
	d.ResetAfter = full.Sub(now)
	d.Remaining = int((span - d.ResetAfter) / l.interval)
	return d
}

// GiveBack undoes one allowed try.
func (l *Limiter) GiveBack(key string, now time.Time) {
	if l == nil {
		return
	}
	s := l.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	full, known := s.full[key]
	if !known {
		return
	}
	if full = full.Add(-l.interval); full.After(now) {
		s.full[key] = full
	} else {
		delete(s.full, key)
	}
}

// makeRoom keeps a shard within its bound. It looks at a few keys that map iteration yields, in
// random order, and forgets the one whose burst is available again first. A flood of keys therefore
// makes the limiter forget other keys one by one, but never disables it. The caller holds s.mu.
func (s *shard) makeRoom() {
	const sample = 8
	if len(s.full) < maxKeys/shardCount {
		return
	}
	var oldest string
	seen := 0
	for key, full := range s.full {
		if seen == 0 || full.Before(s.full[oldest]) {
			oldest = key
		}
		if seen++; seen == sample {
			break
		}
	}
	delete(s.full, oldest)
}

func (l *Limiter) shard(key string) *shard {
	return &l.shards[maphash.String(l.seed, key)%shardCount]
}

// ClientKey returns the key under which a client's address is counted: an IPv4 address itself, or
// the /64 of an IPv6 address, which is what one customer usually gets.
func ClientKey(address netip.Addr) string {
	address = address.Unmap().WithZone("")
	if address.Is6() {
		if prefix, err := address.Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return address.String()
}
