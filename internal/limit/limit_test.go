package limit_test

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/limit"
)

var start = time.Unix(1800000000, 0)

func TestLimiter_allowsTheBurstThenTheRate(t *testing.T) {
	l := limit.New(limit.Rate{Burst: 5, Per: 10 * time.Second})
	for n := range 5 {
		if d := l.Allow("k", start); !d.Allowed || d.Remaining != 4-n || d.Limit != 5 {
			t.Fatalf("try %d: %+v", n, d)
		}
	}
	d := l.Allow("k", start)
	if d.Allowed || d.RetryAfter != 2*time.Second || d.ResetAfter != 10*time.Second || d.Remaining != 0 {
		t.Errorf("the try over the burst: %+v", d)
	}
	if l.Allow("k", start.Add(2*time.Second-1)).Allowed {
		t.Error("a try before RetryAfter was over")
	}
	if !l.Allow("k", start.Add(2*time.Second)).Allowed {
		t.Error("no try when RetryAfter was over")
	}
	if !l.Allow("other", start).Allowed {
		t.Error("keys count together")
	}
	if d := l.Allow("k", start.Add(time.Hour)); !d.Allowed || d.Remaining != 4 {
		t.Errorf("after an hour: %+v", d)
	}
}

// Concurrent guesses must not pass before they are counted (CVE-2026-93346).
func TestLimiter_inParallelAllowsTheBurst(t *testing.T) {
	l := limit.New(limit.Rate{Burst: 10, Per: time.Hour})
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if l.Allow("k", start).Allowed {
				allowed.Add(1)
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 10 {
		t.Errorf("%d allowed", allowed.Load())
	}
}

func TestLimiter_GiveBack(t *testing.T) {
	l := limit.New(limit.Rate{Burst: 2, Per: time.Minute})
	for range 100 {
		if !l.Allow("k", start).Allowed {
			t.Fatal("a try that was given back counts")
		}
		l.GiveBack("k", start)
	}
	l.GiveBack("k", start)
	l.GiveBack("unknown", start)
	l.Allow("k", start)
	l.Allow("k", start)
	if l.Allow("k", start).Allowed {
		t.Error("giving back what was not taken made room")
	}
}

func TestLimiter_whenTheClockGoesBack(t *testing.T) {
	l := limit.New(limit.Rate{Burst: 1, Per: time.Minute})
	l.Allow("k", start)
	if d := l.Allow("k", start.Add(-time.Hour)); d.Allowed || d.RetryAfter <= 0 {
		t.Errorf("a clock that goes back gives tries: %+v", d)
	}
}

// A flood of keys uses limited memory, and every try is still counted.
func TestLimiter_bounded(t *testing.T) {
	l := limit.New(limit.Rate{Burst: 1, Per: time.Hour})
	for n := range 400_000 {
		if !l.Allow(fmt.Sprint(n), start).Allowed {
			t.Fatal("a new key was refused")
		}
	}
	refused := 0
	for n := range 400_000 {
		if !l.Allow(fmt.Sprint(n), start).Allowed {
			refused++
		}
	}
	if refused == 0 || refused > 1<<18 {
		t.Errorf("%d of 400000 keys were still known, of at most %d", refused, 1<<18)
	}
}

func TestClientKey(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7":                "192.0.2.7",
		"::ffff:192.0.2.7":         "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":     "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::%eth0": "2001:db8:1:2::/64",
	} {
		if got := limit.ClientKey(netip.MustParseAddr(address)); got != want {
			t.Errorf("ClientKey(%s) = %s, want %s", address, got, want)
		}
	}
}

func BenchmarkLimiter_Allow(b *testing.B) {
	l := limit.New(limit.Rate{Burst: 10, Per: time.Minute})
	b.ReportAllocs()
	for b.Loop() {
		l.Allow("203.0.113.9", start)
	}
}
