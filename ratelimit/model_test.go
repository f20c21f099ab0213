package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/ratelimit"
)

// bucket is what a limit is for a key: it holds what is missing of the burst, in time, and fills
// evenly.
type bucket struct {
	missing time.Duration
	at      time.Time
}

// model is a store as one would write it without a thought of memory.
type model map[string]bucket

func (m model) take(now time.Time, charges []ratelimit.Charge) bool {
	before := map[string]bucket{}
	for _, c := range charges {
		name, interval := c.Limit.Name+" "+c.Key, c.Limit.Per/time.Duration(c.Limit.Burst)
		b := m[name]
		if _, saved := before[name]; !saved {
			before[name] = b
		}
		b.missing = max(b.missing-now.Sub(b.at), 0) + time.Duration(c.Cost)*interval
		b.at = now
		if c.Cost > 0 && b.missing > interval*time.Duration(c.Limit.Burst) {
			for name, b := range before {
				m[name] = b
			}
			return false
		}
		b.missing = max(b.missing, 0)
		m[name] = b
	}
	return true
}

// Any charges of any limits at any time, also one key twice and giving back: the store decides as the
// model does.
func TestMemory_isLikeTheModel(t *testing.T) {
	limits := []ratelimit.Limit{
		{Name: "a", Burst: 1, Per: time.Second}, {Name: "b", Burst: 7, Per: time.Minute},
		{Name: "c", Burst: 100, Per: time.Hour}, {Name: "d", Burst: 3, Per: 10 * time.Second},
	}
	random := rand.New(rand.NewPCG(11, 4))
	store, exact := ratelimit.NewMemory(0), model{}
	now := time.Now()
	allowed, refused := 0, 0
	for n := range 100_000 {
		now = now.Add(time.Duration(random.Int64N(int64(200 * time.Millisecond))))
		charges := make([]ratelimit.Charge, 1+random.IntN(6)) // also more than fit on the stack
		for i := range charges {
			charges[i] = ratelimit.Charge{
				Limit: limits[random.IntN(len(limits))], Key: fmt.Sprint(random.IntN(20)), Cost: random.IntN(4) - 1,
			}
		}
		given := slices.Clone(charges)
		d, err := store.Take(t.Context(), now, charges)
		if want := exact.take(now, given); err != nil || d.Allowed != want {
			t.Fatalf("request %d, %+v: %+v, %v, want %v", n, given, d, err, want)
		}
		if !slices.Equal(charges, given) {
			t.Fatalf("request %d: the charges were changed to %+v", n, charges)
		}
		if d.Allowed {
			allowed++
			continue
		}
		refused++
		if d.RetryAfter < 0 || d.Remaining < 0 || d.Remaining > d.Limit.Burst || d.Reset < 0 || d.Reset > d.Limit.Per {
			t.Fatalf("request %d: %+v", n, d)
		}
	}
	if min(allowed, refused) < 10_000 {
		t.Errorf("%d allowed, %d refused: that shows little", allowed, refused)
	}
}
