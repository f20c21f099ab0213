package gcra_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/gcra"
)

func TestRate_allowsTheBurstThenTheRate(t *testing.T) {
	r := gcra.NewRate(5, 10*time.Second)
	var full, wait time.Duration
	for n := range 5 {
		if full, wait = r.Take(full, 0, 1); wait != 0 || r.Remaining(full, 0) != 4-n {
			t.Fatalf("try %d: wait %v, %d left", n, wait, r.Remaining(full, 0))
		}
	}
	if _, wait = r.Take(full, 0, 1); wait != 2*time.Second {
		t.Errorf("the try over the burst waits %v", wait)
	}
	if _, wait = r.Take(full, 2*time.Second-1, 1); wait != 1 {
		t.Errorf("a try that is a nanosecond early waits %v", wait)
	}
	if _, wait = r.Take(full, 2*time.Second, 1); wait != 0 {
		t.Errorf("a try that has waited waits %v", wait)
	}
	if _, wait = r.Take(full, time.Hour, 6); wait != gcra.Never {
		t.Errorf("a cost over the burst waits %v", wait)
	}
	if next, _ := r.Take(full, time.Hour, 1); r.Remaining(next, time.Hour) != 4 {
		t.Errorf("%d left after an hour", r.Remaining(next, time.Hour))
	}
}

// A clock that is set back makes a key wait for one period at most.
func TestRate_whenTheClockGoesBack(t *testing.T) {
	r := gcra.NewRate(1, time.Minute)
	full, _ := r.Take(0, 24*time.Hour, 1)
	if _, wait := r.Take(full, 0, 1); wait != time.Minute {
		t.Errorf("waits %v", wait)
	}
}

// The longest and the largest limits that there can be still limit.
func TestRate_extremes(t *testing.T) {
	for _, r := range []gcra.Rate{
		gcra.NewRate(2, math.MaxInt64), gcra.NewRate(math.MaxInt, time.Minute),
		gcra.NewRate(math.MaxInt, math.MaxInt64), gcra.NewRate(0, -1),
	} {
		now := 100 * 365 * 24 * time.Hour
		full, wait := r.Take(now, now, r.Burst)
		if _, again := r.Take(full, now, 1); wait != 0 || again <= 0 || r.Remaining(full, now) != 0 {
			t.Errorf("%+v: waits %v, then %v, with %d left", r, wait, again, r.Remaining(full, now))
		}
		if full, _ = r.Take(full, now, -math.MaxInt); r.Remaining(full, now) != r.Burst {
			t.Errorf("%+v: %d left after giving back", r, r.Remaining(full, now))
		}
		if _, wait := r.Take(now, now, math.MaxInt); wait != gcra.Never {
			t.Errorf("%+v: an enormous cost waits %v", r, wait)
		}
	}
}

// exact is a bucket that fills by one each interval: what GCRA must be the same as.
type exact struct {
	burst    int
	interval time.Duration
	missing  time.Duration // until the bucket is full
	at       time.Duration
}

func (e *exact) take(now time.Duration, cost int) bool {
	e.missing = max(e.missing-(now-e.at), 0)
	e.at = now
	after := e.missing + time.Duration(cost)*e.interval
	if cost > 0 && after > time.Duration(e.burst)*e.interval {
		return false
	}
	e.missing = max(after, 0)
	return true
}

func TestRate_isABucketThatFillsEvenly(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 1))
	for range 300 {
		burst := 1 + random.IntN(20)
		per := time.Duration(burst) * time.Duration(1+random.Int64N(int64(time.Minute)))
		rate, model := gcra.NewRate(burst, per), exact{burst: burst, interval: per / time.Duration(burst)}
		var full, now time.Duration
		for range 200 {
			now += time.Duration(random.Int64N(int64(per)/4 + 1))
			cost := random.IntN(burst+3) - 1 // also 0, giving back, and more than there can be
			next, wait := rate.Take(full, now, cost)
			if allowed := model.take(now, cost); allowed != (wait == 0) {
				t.Fatalf("burst %d in %v, cost %d at %v: allowed %v, wait %v", burst, per, cost, now, allowed, wait)
			}
			if wait > 0 && wait != gcra.Never {
				if _, early := rate.Take(full, now+wait-1, cost); early == 0 {
					t.Fatalf("allowed before the wait of %v was over", wait)
				}
				if _, late := rate.Take(full, now+wait, cost); late != 0 {
					t.Fatalf("refused after the wait of %v", wait)
				}
			}
			full = next
			if want := int((time.Duration(burst)*model.interval - model.missing) / model.interval); rate.Remaining(
				full, now) != want {
				t.Fatalf("%d left, want %d", rate.Remaining(full, now), want)
			}
		}
	}
}

// Far more keys than there is room for, in a random order: nobody ever has more tries than with a
// table that has room for all.
func TestTable_neverCountsLess(t *testing.T) {
	const keys, room, tries = 2000, 256, 200_000
	random := rand.New(rand.NewPCG(11, 2))
	rate := gcra.NewRate(5, time.Hour)
	table, model := gcra.NewTable(room), map[uint64]time.Duration{}
	var now time.Duration
	allowed, refused := 0, 0
	for range tries {
		now += time.Duration(random.Int64N(int64(2 * time.Second)))
		key, cost := mix(uint64(random.IntN(keys))), 1
		if random.IntN(10) == 0 {
			cost = -1
		}
		truth, mustWait := rate.Take(model[key], now, cost)
		full, wait := rate.Take(table.Full(key, now), now, cost)
		if mustWait > wait {
			t.Fatalf("waits %v, but by rights %v", wait, mustWait)
		}
		if wait == 0 {
			table.Set(key, full, now)
			model[key] = truth
			allowed++
		} else {
			refused++
		}
	}
	if allowed < tries/20 || refused < tries/20 {
		t.Errorf("%d allowed, %d refused: that shows nothing", allowed, refused)
	}
}

// With room for all, the table is exact.
func TestTable_isExactWithRoom(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 3))
	rate := gcra.NewRate(3, time.Minute)
	table, model := gcra.NewTable(1<<14), map[uint64]time.Duration{}
	var now time.Duration
	for range 100_000 {
		now += time.Duration(random.Int64N(int64(10 * time.Millisecond)))
		key := mix(uint64(random.IntN(4000)))
		truth, mustWait := rate.Take(model[key], now, 1)
		full, wait := rate.Take(table.Full(key, now), now, 1)
		if wait != mustWait {
			t.Fatalf("waits %v, but by rights %v", wait, mustWait)
		}
		if wait == 0 {
			table.Set(key, full, now)
		}
		model[key] = truth
	}
}

// A guesser who has used up their tries, and then floods the table with keys that are as full as
// their own, has no more tries.
func TestTable_aFloodGivesNoGuess(t *testing.T) {
	rate := gcra.NewRate(5, 24*time.Hour)
	table := gcra.NewTable(64)
	take := func(key uint64) time.Duration {
		next, wait := rate.Take(table.Full(key, 0), 0, 1)
		table.Set(key, next, 0)
		return wait
	}
	const victim = 1 << 40
	for range 5 {
		if take(victim) != 0 {
			t.Fatal("refused within the burst")
		}
	}
	for key := range uint64(10_000) {
		for range 5 {
			take(mix(key))
		}
		if take(victim) == 0 {
			t.Fatalf("a guess more after %d keys", key)
		}
	}
}

// What has to leave is the count nearest to its end, so a few more keys than there is room for cost a
// newcomer one try, and not all of them.
func TestTable_theLeastCountLeaves(t *testing.T) {
	rate := gcra.NewRate(5, 24*time.Hour)
	table := gcra.NewTable(64)
	take := func(key uint64, cost int) time.Duration {
		next, wait := rate.Take(table.Full(key, 0), 0, cost)
		table.Set(key, next, 0)
		return wait
	}
	for key := range uint64(16) {
		take(mix(key), 5)
	}
	for key := range uint64(80) {
		take(mix(1000+key), 1)
	}
	for key := range uint64(20) {
		if take(mix(2000+key), 1) != 0 {
			t.Errorf("newcomer %d is refused", key)
		}
	}
}

// mix makes a hash of a small number.
func mix(n uint64) uint64 {
	n = (n + 1) * 0x9e3779b97f4a7c15
	n ^= n >> 29
	return n * 0xbf58476d1ce4e5b9
}
