package ratelimit

import (
	"context"
	"hash/maphash"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/hallpass-go/hallpass/internal/gcra"
)

// DefaultKeys is how many keys [NewMemory] has room for by default, for each limit.
const DefaultKeys = 1 << 19

// Memory is a [Store] in the memory of the process. It never fails. Its memory is bounded: a limit
// takes 16.5 bytes for each key that it has room for, so 8.7 MB by default, and only as it fills.
//
// A key whose count is over takes no room, and one limit takes none from another. When a limit has no
// room, a new key takes the place of the one among its neighbours whose count is nearest to its end,
// and begins with that count. The key that had to leave also begins with it when it comes back. So a
// flood of keys can make newcomers wait, but it never makes anybody's count lower than it is.
//
// Keys are kept as 64 bits of a hash with a random seed. Of a million keys, the chance that any two
// share a count is one in ten million.
type Memory struct {
	seed   maphash.Seed
	start  time.Time // counts are times since then, which a change of the wall clock does not move
	keys   int       // of a limit, in a shard
	shards [shards]shard
}

const shards = 64

type shard struct {
	mu     sync.Mutex
	limits map[string]*gcra.Table // by name; guarded by mu
	_      [48]byte               // so that processors do not share a cache line
}

// NewMemory returns a store with room for at least that many keys of each limit; 0 stands for
// [DefaultKeys].
func NewMemory(keys int) *Memory {
	if keys <= 0 {
		keys = DefaultKeys
	}
	return &Memory{seed: maphash.MakeSeed(), start: time.Now(), keys: (keys + shards - 1) / shards}
}

// Take implements [Store].
func (m *Memory) Take(_ context.Context, now time.Time, charges []Charge) (Decision, error) {
	var few [4]taken // on the stack
	all := few[:0]
	for i := range charges {
		c := &charges[i]
		all = append(all, taken{
			Charge: c, hash: maphash.String(m.seed, c.Key), rate: gcra.NewRate(c.Limit.Burst, c.Limit.Per),
		})
	}
	locked := m.lock(all)
	d := m.take(all, now.Sub(m.start))
	m.unlock(locked)
	return d, nil
}

// taken is a charge on its way.
type taken struct {
	*Charge
	hash   uint64
	rate   gcra.Rate
	table  *gcra.Table
	before time.Duration
}

func shardOf(hash uint64) int { return int(hash >> 58) }

// lock locks the shards of all charges, always in the same order, so that nobody waits for somebody
// who waits for them. It returns a bit for each.
func (m *Memory) lock(all []taken) (locked uint64) {
	for i := range all {
		locked |= 1 << shardOf(all[i].hash)
	}
	for left := locked; left != 0; left &= left - 1 {
		m.shards[bits.TrailingZeros64(left)].mu.Lock()
	}
	return locked
}

func (m *Memory) unlock(locked uint64) {
	for left := locked; left != 0; left &= left - 1 {
		m.shards[bits.TrailingZeros64(left)].mu.Unlock()
	}
}

// take makes the charges one after the other, and takes back all of them if one is refused. The
// shards are locked.
func (m *Memory) take(all []taken, now time.Duration) Decision {
	d := Decision{Allowed: true}
	for i := range all {
		t := &all[i]
		t.table = m.table(t)
		t.before = t.rate.From(t.table.Full(t.hash, now), now)
		next, wait := t.rate.Take(t.before, now, t.Cost)
		one := Decision{
			Allowed: wait == 0, Limit: t.Limit, Remaining: t.rate.Remaining(next, now), RetryAfter: wait,
			Reset: t.rate.From(next, now) - now,
		}
		if wait == 0 {
			t.table.Set(t.hash, next, now)
		}
		if i == 0 || one.isCloserThan(d) {
			d = one
		}
	}
	if !d.Allowed {
		m.takeBack(all, now)
	}
	if d.RetryAfter == gcra.Never {
		d.RetryAfter = 0
	}
	return d
}

// takeBack sets the counts to what they were. It goes backwards, for a key that is charged twice.
func (m *Memory) takeBack(all []taken, now time.Duration) {
	for i := range slices.Backward(all) {
		all[i].table.Set(all[i].hash, all[i].before, now)
	}
}

// isCloserThan reports whether d says more about the request than e.
func (d Decision) isCloserThan(e Decision) bool {
	if d.Allowed != e.Allowed {
		return !d.Allowed
	}
	if !d.Allowed {
		return d.RetryAfter > e.RetryAfter
	}
	return float64(d.Remaining)/float64(d.Limit.Burst) < float64(e.Remaining)/float64(e.Limit.Burst)
}

// table returns the counts of a charge's limit in its shard.
func (m *Memory) table(t *taken) *gcra.Table {
	s := &m.shards[shardOf(t.hash)]
	table := s.limits[t.Limit.Name]
	if table == nil {
		if s.limits == nil {
			s.limits = map[string]*gcra.Table{}
		}
		table = gcra.NewTable(m.keys)
		s.limits[t.Limit.Name] = table
	}
	return table
}
