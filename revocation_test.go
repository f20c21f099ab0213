package hallpass_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwt"
	"github.com/hallpass-go/hallpass/sessions"
)

func TestRevocations_IsRevoked(t *testing.T) {
	at := time.Unix(1800000000, 0)
	l := hallpass.NewRevocations()
	l.Apply(
		sessions.Revocation{Kind: sessions.RevokedSession, ID: "s1", ExpiresAt: at.Add(time.Hour)},
		sessions.Revocation{Kind: sessions.RevokedToken, ID: "t1", ExpiresAt: at.Add(time.Hour)},
		sessions.Revocation{Kind: sessions.RevokedSubject, ID: "alice", Before: at, ExpiresAt: at.Add(time.Hour)},
		sessions.Revocation{Kind: sessions.RevokedSubject, ID: "alice", Before: at.Add(-time.Minute), ExpiresAt: at},
	)
	for _, c := range []struct {
		name   string
		claims jwt.Claims
		want   bool
	}{
		{"its session", jwt.Claims{SessionID: "s1", ID: "t2", Subject: "bob", IssuedAt: at}, true},
		{"its ID", jwt.Claims{SessionID: "s2", ID: "t1", Subject: "bob", IssuedAt: at}, true},
		{"its subject, before", jwt.Claims{SessionID: "s2", ID: "t2", Subject: "alice",
			IssuedAt: at.Add(-time.Second)}, true},
		{"its subject, in the second", jwt.Claims{SessionID: "s2", ID: "t2", Subject: "alice",
			IssuedAt: at.Add(999 * time.Millisecond)}, true},
		{"its subject, after", jwt.Claims{SessionID: "s2", ID: "t2", Subject: "alice",
			IssuedAt: at.Add(time.Second)}, false},
		{"another", jwt.Claims{SessionID: "s2", ID: "t2", Subject: "bob", IssuedAt: at}, false},
		{"without session and ID", jwt.Claims{Subject: "bob", IssuedAt: at}, false},
	} {
		if got := l.IsRevoked(&c.claims); got != c.want {
			t.Errorf("%s: IsRevoked = %t", c.name, got)
		}
	}
}

// Another process on the same store: what one revokes the other refuses within its interval.
func TestRevocations_Follow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		store := sessions.NewMemory()
		here := hallpass.NewRevocations()
		var wg sync.WaitGroup
		wg.Go(func() { here.Follow(ctx, store, 500*time.Millisecond, nil) })
		for n := range 2500 { // more than a page
			if _, err := store.Revoke(ctx, sessions.Revocation{
				Kind: sessions.RevokedToken, ID: fmt.Sprint("t", n), ExpiresAt: time.Now().Add(time.Hour),
			}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(501 * time.Millisecond)
		for n := range 2500 {
			if !here.IsRevoked(&jwt.Claims{ID: fmt.Sprint("t", n)}) {
				t.Fatalf("t%d is not revoked after the interval", n)
			}
		}
		// What has expired is forgotten: the token could not be used any more.
		time.Sleep(2 * time.Hour)
		if here.IsRevoked(&jwt.Claims{ID: "t0"}) {
			t.Error("an expired revocation is kept")
		}
		stop()
		wg.Wait()
	})
}

type unreadableStore struct{ sessions.RevocationStore }

func (unreadableStore) Revocations(context.Context, int64, time.Time, int) ([]sessions.Revocation, error) {
	return nil, hallpass.ErrStoreUnavailable
}

func TestRevocations_Follow_tellsOfFailuresAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		l := hallpass.NewRevocations()
		l.Apply(sessions.Revocation{Kind: sessions.RevokedSession, ID: "s", ExpiresAt: time.Now().Add(time.Hour)})
		failures := 0
		var wg sync.WaitGroup
		wg.Go(func() {
			l.Follow(ctx, unreadableStore{}, time.Second, func(err error) {
				if !errors.Is(err, hallpass.ErrStoreUnavailable) {
					t.Error(err)
				}
				failures++
			})
		})
		time.Sleep(3500 * time.Millisecond)
		stop()
		wg.Wait()
		if failures != 3 || !l.IsRevoked(&jwt.Claims{SessionID: "s"}) {
			t.Errorf("%d failures told", failures)
		}
	})
}

// Two logins of one user in parallel with revocations: the race detector reads along.
func TestRevocations_inParallel(t *testing.T) {
	l := hallpass.NewRevocations()
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for m := range 500 {
				id := fmt.Sprint(n, "-", m)
				l.Apply(
					sessions.Revocation{Kind: sessions.RevokedSession, ID: id, ExpiresAt: time.Now().Add(time.Hour)},
				)
				if !l.IsRevoked(&jwt.Claims{SessionID: id}) {
					t.Errorf("%s is not revoked right after it was", id)
				}
			}
		})
	}
	wg.Wait()
}

// fillRevocations returns a list of n live sessions that have ended, and how many bytes it takes.
func fillRevocations(tb testing.TB, n int) (*hallpass.Revocations, float64) {
	tb.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	list := hallpass.NewRevocations()
	until := time.Now().Add(time.Hour)
	for i := range n {
		list.Apply(
			sessions.Revocation{
				Kind:      sessions.RevokedSession,
				ID:        fmt.Sprintf("06h0co58f06l9q6ll%09d", i),
				ExpiresAt: until,
			},
		)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	return list, float64(after.HeapAlloc) - float64(before.HeapAlloc)
}

// TestRevocations_memory: a million live entries take at most 100 MB.
func TestRevocations_memory(t *testing.T) {
	const n = 100_000
	list, bytes := fillRevocations(t, n)
	t.Logf("%.0f bytes an entry", bytes/n)
	if bytes/n > 100 {
		t.Errorf("%.0f bytes an entry, want at most 100", bytes/n)
	}
	if !list.IsRevoked(&jwt.Claims{SessionID: fmt.Sprintf("06h0co58f06l9q6ll%09d", n-1)}) {
		t.Error("the last is not revoked")
	}
}

// BenchmarkRevocations_IsRevoked looks up tokens that are not revoked: two look-ups each, of the
// session and of the token.
func BenchmarkRevocations_IsRevoked(b *testing.B) {
	for _, live := range []int{0, 1_000_000} {
		b.Run(fmt.Sprint(live), func(b *testing.B) {
			list, bytes := fillRevocations(b, live)
			claims := make([]jwt.Claims, 4096)
			for i := range claims {
				claims[i] = jwt.Claims{
					SessionID: fmt.Sprintf("06h0co58f06l9q6lloq2%06d", i),
					ID:        fmt.Sprintf("06h0co58f06l9q6lloq3%06d", i),
				}
			}
			for i := 0; b.Loop(); i++ {
				if list.IsRevoked(&claims[i%len(claims)]) {
					b.Fatal("revoked")
				}
			}
			b.ReportMetric(bytes/1e6, "MB")
		})
	}
}
