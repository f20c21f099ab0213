package limit

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/ratelimit"
)

var (
	errWrong = errors.New("a wrong password")
	errAway  = errors.New("the database is away")
)

// A guess counts from its beginning, even if the client hangs up. A failure of the server does not
// count.
func TestGuard_aGuessThatHangsUpCounts(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for name, c := range map[string]struct {
		err     error
		counted bool
	}{
		"a wrong password":        {errWrong, true},
		"a client that hangs up":  {fmt.Errorf("authenticating: %w", context.Canceled), true},
		"a client that waits":     {fmt.Errorf("authenticating: %w", context.DeadlineExceeded), true},
		"a hang-up in the store":  {fmt.Errorf("%w: %w", errAway, context.Canceled), true},
		"a database that is away": {errAway, false},
	} {
		g := InMemory(ratelimit.Limit{Burst: 3, Per: time.Minute}, ratelimit.Limit{}, func() time.Time { return now })
		for range 3 {
			a, refused := g.Login(t.Context(), "id:alice", "192.0.2.1")
			if refused != nil {
				t.Fatal(refused)
			}
			a.Failed(t.Context(), c.err, errors.Is(c.err, errWrong))
		}
		if _, refused := g.Login(t.Context(), "id:alice", "192.0.2.1"); (refused != nil) != c.counted {
			t.Errorf("%s: then %v, want counted %v", name, refused, c.counted)
		}
	}
}

func TestPairs_forgetTheOldest(t *testing.T) {
	p := pairs{places: map[string]int{}}
	for i := range maxPairs + 10 {
		p.add(fmt.Sprint("id:", i), "192.0.2.1")
	}
	if p.has("id:9", "192.0.2.1") || !p.has("id:10", "192.0.2.1") || len(p.places) != maxPairs ||
		len(p.ring) != maxPairs {
		t.Errorf("%d places, %d in the ring", len(p.places), len(p.ring))
	}
}
