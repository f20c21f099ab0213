package server

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/limit"
	"github.com/hallpass-go/hallpass/internal/sqldb"
)

// A guess is counted when it begins, and whoever hangs up does not get it back; the server's own failure is nobody's guess.
func TestGuard_aGuessThatHangsUpCounts(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for name, c := range map[string]struct {
		err     error
		counted bool
	}{
		"a wrong password":        {account.ErrCredentials, true},
		"a client that hangs up":  {fmt.Errorf("authenticating: %w", context.Canceled), true},
		"a client that waits":     {fmt.Errorf("authenticating: %w", context.DeadlineExceeded), true},
		"a hang-up in the store":  {fmt.Errorf("%w: %w", sqldb.ErrUnavailable, context.Canceled), true},
		"a database that is away": {sqldb.ErrUnavailable, false},
	} {
		g := newGuard(Config{AccountLimit: limit.Rate{Burst: 3, Per: time.Minute}, Now: func() time.Time { return now }})
		for range 3 {
			a, err := g.login("id:alice", "192.0.2.1")
			if err != nil {
				t.Fatal(err)
			}
			a.failed(c.err)
		}
		if _, err := g.login("id:alice", "192.0.2.1"); (err != nil) != c.counted {
			t.Errorf("%s: then %v, want counted %v", name, err, c.counted)
		}
	}
}

func TestPairs_forgetTheOldest(t *testing.T) {
	p := pairs{places: map[string]int{}}
	for i := range maxPairs + 10 {
		p.add(fmt.Sprint("id:", i), "192.0.2.1")
	}
	if p.has("id:9", "192.0.2.1") || !p.has("id:10", "192.0.2.1") || len(p.places) != maxPairs || len(p.ring) != maxPairs {
		t.Errorf("%d places, %d in the ring", len(p.places), len(p.ring))
	}
}
