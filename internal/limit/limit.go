// Package limit bounds how often something may be tried, in memory, by the generic cell rate
// algorithm (GCRA): one number for a key, exact times for when to come again.
package limit

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Rate allows Burst tries at once, and as many in each Per, evenly spread.
type Rate struct {
	Burst int
	Per   time.Duration
}

// Decision is the answer to one try.
type Decision struct {
	Allowed    bool
	Limit      int           // the burst
	Remaining  int           // tries left now
	RetryAfter time.Duration // until the next try is allowed; zero when it is now
	ResetAfter time.Duration // until the burst is whole again
}

// Refused is the error that says which limit is reached.
type Refused struct {
	Policy string        // the name of the limit
	Window time.Duration // over which the burst is spread
	Decision
}

// Error implements error.
func (r *Refused) Error() string { return "the limit " + r.Policy + " is reached" }

// Take is [Limiter.Allow] for a limit of that name. A nil limiter is no limit.
func (l *Limiter) Take(policy, key string, now time.Time) *Refused {
	if l == nil {
		return nil
	}
	if d := l.Allow(key, now); !d.Allowed {
		return &Refused{Policy: policy, Window: l.rate.Per, Decision: d}
	}
	return nil
}

// maxKeys bounds the memory of a limiter, to a few tens of megabytes.
const maxKeys = 1 << 18

const shardCount = 64

// Limiter counts tries by key. It is safe for concurrent use.
type Limiter struct {
	rate     Rate
	interval time.Duration // that one try uses up
	seed     maphash.Seed
	shards   [shardCount]shard
}

type shard struct {
	mu sync.Mutex
	// key → its theoretical arrival time: when its burst is whole again. A key whose time has
	// passed is as good as none.
	full map[string]time.Time
}

// New returns a limiter, or nil for the zero Rate, which is no limit. The burst is at least 1.
func New(r Rate) *Limiter {
	if r == (Rate{}) {
		return nil
	}
	r.Burst = max(r.Burst, 1)
	return &Limiter{rate: r, interval: max(r.Per/time.Duration(r.Burst), 1), seed: maphash.MakeSeed()}
}

// Allow counts a try if it is allowed. Of any number of calls at once no more than the burst are.
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

// GiveBack takes a try back that had been allowed.
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

// makeRoom keeps a shard within its bound: of a few keys that the map yields, which are different
// ones each time, the one whose burst is whole first goes. Who floods the limiter with keys so gets
// others forgotten one by one, but never makes it let everything pass. s.mu is held.
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

// ClientKey is what a client's address counts as: an IPv4 address as it is, an IPv6 address as its
// /64, which is what one customer gets.
func ClientKey(address netip.Addr) string {
	address = address.Unmap().WithZone("")
	if address.Is6() {
		if prefix, err := address.Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return address.String()
}
