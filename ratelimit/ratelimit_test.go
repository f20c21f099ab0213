package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallpass-go/hallpass/ratelimit"
)

var perMinute = ratelimit.Limit{Name: "minute", Burst: 10, Per: time.Minute}

func newLimiter(t testing.TB, c ratelimit.Config) *ratelimit.Limiter {
	t.Helper()
	l, err := ratelimit.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func refused(t *testing.T, err error) *ratelimit.Refused {
	t.Helper()
	r, ok := errors.AsType[*ratelimit.Refused](err)
	if !ok {
		t.Fatalf("the error is %v, want a refusal", err)
	}
	return r
}

func TestTake_allowsTheBurstThenTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{})
		take := func(cost int) error {
			return l.Take(t.Context(), ratelimit.Charge{Limit: perMinute, Key: "k", Cost: cost})
		}
		for range 10 {
			if err := take(1); err != nil {
				t.Fatal(err)
			}
		}
		want := ratelimit.Decision{Limit: perMinute, RetryAfter: 6 * time.Second, Reset: time.Minute}
		if got := refused(t, take(1)).Decision; got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		time.Sleep(6*time.Second - time.Nanosecond)
		refused(t, take(1))
		time.Sleep(time.Nanosecond)
		if err := take(1); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if err := take(8); err != nil {
			t.Error(err)
		}
		if got := refused(t, take(3)); got.Remaining != 2 || got.RetryAfter != 6*time.Second {
			t.Errorf("a cost of 3 with 2 left: %+v", got)
		}
		if got := refused(t, take(11)); got.RetryAfter != 0 {
			t.Errorf("a cost over the burst: %+v", got)
		}
		if err := errors.Join(take(-8), take(10)); err != nil {
			t.Error(err)
		}
	})
}

// Concurrent requests must not pass before they are counted (CVE-2026-93346).
func TestTake_inParallelAllowsTheBurst(t *testing.T) {
	l := newLimiter(t, ratelimit.Config{Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	limit := ratelimit.Limit{Name: "limit", Burst: 200_000, Per: time.Hour}
	other := ratelimit.Limit{Name: "other", Burst: 1_000_000, Per: time.Hour}
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			charges := []ratelimit.Charge{{limit, "k", 1}, {other, fmt.Sprint(i), 1}}
			if i%2 == 0 {
				charges[0], charges[1] = charges[1], charges[0] // any order: nobody waits for ever
			}
			for range 20_000 {
				if l.Take(t.Context(), charges...) == nil {
					allowed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 200_000 {
		t.Errorf("%d allowed", allowed.Load())
	}
}

// What one limit refuses uses up none of the others, and the refusal names the limit with the longest
// wait.
func TestTake_severalLimitsAtOnce(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := newLimiter(t, ratelimit.Config{Now: func() time.Time { return now }})
	wide := ratelimit.Limit{Name: "wide", Burst: 3, Per: time.Minute}
	narrow := ratelimit.Limit{Name: "narrow", Burst: 1, Per: time.Hour}
	both := func(who string) error {
		return l.Take(t.Context(), ratelimit.Charge{wide, "everybody", 1}, ratelimit.Charge{narrow, who, 1})
	}
	if err := both("ann"); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if got := refused(t, both("ann")); got.Limit != narrow || got.RetryAfter != time.Hour {
			t.Fatalf("%+v", got)
		}
	}
	for _, who := range []string{"bob", "cas"} {
		if err := both(who); err != nil {
			t.Fatalf("what refused ann used up the other limit: %v", err)
		}
	}
	if got := refused(t, both("dee")); got.Limit != wide {
		t.Errorf("%+v", got)
	}
	if got := refused(t, both("ann")); got.Limit != narrow {
		t.Errorf("both refuse, and the shorter wait is shown: %+v", got)
	}
	err := l.Take(t.Context(), ratelimit.Charge{narrow, "eve", 1}, ratelimit.Charge{wide, "everybody", 1})
	if got := refused(t, err); got.Limit != wide {
		t.Errorf("%+v", got)
	}
	now = now.Add(time.Minute)
	if err := both("eve"); err != nil {
		t.Errorf("a refused request was counted: %v", err)
	}
}

// One key charged twice by one request counts twice, and not at all if it is refused.
func TestTake_theSameKeyTwice(t *testing.T) {
	l := newLimiter(t, ratelimit.Config{Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	twice := func() error {
		return l.Take(t.Context(), ratelimit.Charge{perMinute, "k", 3}, ratelimit.Charge{perMinute, "k", 3})
	}
	if err := twice(); err != nil {
		t.Fatal(err)
	}
	refused(t, twice())
	if err := l.Take(t.Context(), ratelimit.Charge{perMinute, "k", 4}); err != nil {
		t.Errorf("the refused charges stayed: %v", err)
	}
	refused(t, l.Take(t.Context(), ratelimit.Charge{perMinute, "k", 1}))
}

func TestTake_theZeroLimitAllowsEverything(t *testing.T) {
	l := newLimiter(t, ratelimit.Config{})
	for range 20 {
		err := l.Take(t.Context(), ratelimit.Charge{Key: "k", Cost: 1}, ratelimit.Charge{perMinute, fmt.Sprint(t), 0})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// broken is a store that can be away.
type broken struct {
	*ratelimit.Memory
	away atomic.Bool
}

var errAway = errors.New("connection refused")

func (b *broken) Take(ctx context.Context, now time.Time, c []ratelimit.Charge) (ratelimit.Decision, error) {
	if b.away.Load() {
		return ratelimit.Decision{}, errAway
	}
	return b.Memory.Take(ctx, now, c)
}

func TestTake_whenTheStoreFails(t *testing.T) {
	for _, c := range []struct {
		failure ratelimit.Failure
		want    int   // requests allowed of 20 while the store is away, after 4 before
		err     error // of the last
	}{
		{ratelimit.CountLocally, 6, &ratelimit.Refused{}},
		{ratelimit.AllowAll, 20, nil},
		{ratelimit.RefuseAll, 0, ratelimit.ErrUnavailable},
	} {
		store, told := &broken{Memory: ratelimit.NewMemory(0)}, 0
		l := newLimiter(t, ratelimit.Config{
			Store: store, StoreFailure: c.failure, Now: func() time.Time { return time.Unix(1_800_000_000, 0) },
			Failed: func(_ context.Context, err error) {
				if told++; !errors.Is(err, errAway) {
					t.Errorf("told %v", err)
				}
			},
		})
		charge, allowed := ratelimit.Charge{perMinute, "k", 1}, 0
		for range 4 {
			if err := l.Take(t.Context(), charge); err != nil {
				t.Fatal(err)
			}
		}
		store.away.Store(true)
		var err error
		for range 20 {
			if err = l.Take(t.Context(), charge); err == nil {
				allowed++
			}
		}
		_, isRefusal := errors.AsType[*ratelimit.Refused](err)
		if allowed != c.want || told != 20 || c.failure == ratelimit.CountLocally && !isRefusal ||
			c.failure != ratelimit.CountLocally && !errors.Is(err, c.err) {
			t.Errorf("%d: %d allowed, told %d times, at last %v", c.failure, allowed, told, err)
		}
		store.away.Store(false)
		if err := l.Take(t.Context(), charge); err != nil {
			t.Errorf("%d: when it is back: %v", c.failure, err)
		}
	}
}

// A change of the wall clock, either way, neither empties counts nor keeps anybody out.
func TestMemory_whenTheClockIsSet(t *testing.T) {
	now := time.Now().Round(0) // without the clock that cannot be set
	l := newLimiter(t, ratelimit.Config{Now: func() time.Time { return now }})
	charge := ratelimit.Charge{ratelimit.Limit{Name: "one", Burst: 1, Per: time.Minute}, "k", 1}
	if err := l.Take(t.Context(), charge); err != nil {
		t.Fatal(err)
	}
	now = now.Add(-time.Hour)
	if got := refused(t, l.Take(t.Context(), charge)); got.RetryAfter != time.Minute {
		t.Errorf("an hour back: %+v", got)
	}
	now = now.Add(time.Minute)
	if err := l.Take(t.Context(), charge); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

// A million keys, each as full as it can be, take a bounded amount of memory, and whoever had used up
// their tries before still has none. Other limits notice nothing.
func TestMemory_aFloodOfKeys(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	before := heap()
	l := newLimiter(t, ratelimit.Config{Now: func() time.Time { return now }})
	guesses := ratelimit.Limit{Name: "guesses", Burst: 3, Per: 24 * time.Hour}
	const guessers = 1000
	for i := range guessers {
		for range 3 {
			if err := l.Take(t.Context(), ratelimit.Charge{guesses, fmt.Sprint("victim ", i), 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Take(t.Context(), ratelimit.Charge{perMinute, "honest", 10}); err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 0, 32)
	for i := range 1_000_000 {
		now = now.Add(time.Minute / 1_000_000)
		key = fmt.Appendf(key[:0], "flood %d", i)
		_ = l.Take(t.Context(), ratelimit.Charge{guesses, string(key), 3})
	}
	grown := heap() - before
	t.Logf("a million keys take %.1f MB", float64(grown)/1e6)
	if grown > 64e6 {
		t.Errorf("a million keys take %.1f MB", float64(grown)/1e6)
	}
	for i := range guessers {
		refused(t, l.Take(t.Context(), ratelimit.Charge{guesses, fmt.Sprint("victim ", i), 1}))
	}
	if err := l.Take(t.Context(), ratelimit.Charge{perMinute, "honest", 9}); err != nil {
		t.Errorf("another limit: %v", err)
	}
	runtime.KeepAlive(l)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestNew_reportsEveryMistake(t *testing.T) {
	_, err := ratelimit.New(ratelimit.Config{Rules: []ratelimit.Rule{
		{Limit: perMinute, Key: ratelimit.ByAddress},
		{Limit: perMinute, Key: ratelimit.ByAddress},
		{Limit: ratelimit.Limit{Name: "a \"b\"", Burst: 1, Per: 1}, Key: ratelimit.ByAddress},
		{Limit: ratelimit.Limit{Name: "no key", Burst: 1, Per: 1}},
		{Limit: ratelimit.Limit{Name: "no burst", Per: 1}, Key: ratelimit.ByAddress},
		{Limit: ratelimit.Limit{Name: "no time", Burst: 1}, Key: ratelimit.ByAddress},
		{Limit: ratelimit.Limit{Burst: 1, Per: 1}, Key: ratelimit.ByAddress},
		{Key: ratelimit.ByAddress}, // the zero Limit is none
	}})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 6 {
		t.Errorf("%v", err)
	}
	if _, err := ratelimit.New(ratelimit.Config{StoreFailure: 7}); err == nil {
		t.Error("a StoreFailure that is none was taken")
	}
}

func BenchmarkTake(b *testing.B) {
	l := newLimiter(b, ratelimit.Config{})
	wide := ratelimit.Limit{Name: "wide", Burst: 1e9, Per: time.Second}
	wider := ratelimit.Limit{Name: "wider", Burst: 1e9, Per: time.Second}
	ctx := context.Background()
	b.Run("one limit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = l.Take(ctx, ratelimit.Charge{wide, "203.0.113.9", 1})
		}
	})
	b.Run("two limits", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = l.Take(ctx, ratelimit.Charge{wide, "203.0.113.9", 1}, ratelimit.Charge{wider, "06h0co5862doud", 1})
		}
	})
	b.Run("refused", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = l.Take(ctx, ratelimit.Charge{perMinute, "203.0.113.9", 1})
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_ = l.Take(ctx, ratelimit.Charge{wide, "203.0.113.9", 1})
			}
		})
	})
}
