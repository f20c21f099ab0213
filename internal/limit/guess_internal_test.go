package limit

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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

// A million names from a million addresses, guessed at as often as the limits allow: memory is bounded,
// whoever had no guess left has none, and owners get in from where they have logged in before.
func TestGuard_aFloodOfNames(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	before := heap()
	daily := ratelimit.Limit{Burst: 2, Per: 24 * time.Hour}
	g := InMemory(daily, daily, func() time.Time { return now })
	login := func(account, ip string) error {
		_, err := g.Login(t.Context(), account, ip)
		return err
	}
	const owners = 30
	for i := range owners {
		owner := fmt.Sprint("id:", i)
		home, err := g.Login(t.Context(), owner, fmt.Sprint("192.0.2.", i))
		if err != nil {
			t.Fatal(err)
		}
		home.Succeeded(t.Context())
		for range 2 {
			if err := login(owner, fmt.Sprint("203.0.113.", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	names := 1_000_000
	if raceEnabled {
		names = 100_000 // it takes twenty times as long
	}
	for i := range names {
		name, ip := fmt.Sprint("name:", i), fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff)
		_, _ = login(name, ip), login(name, ip)
	}
	grown := heap() - before
	t.Logf("a million names and addresses take %.1f MB", float64(grown)/1e6)
	if grown > 64e6 {
		t.Errorf("a million names and addresses take %.1f MB", float64(grown)/1e6)
	}
	for i := range owners {
		owner := fmt.Sprint("id:", i)
		if err := login(owner, "198.51.100.1"); !errors.As(err, new(*Refused)) {
			t.Errorf("a stranger has another guess at %s: %v", owner, err)
		}
		if err := login(owner, fmt.Sprint("192.0.2.", i)); err != nil {
			t.Errorf("%s is refused at home: %v", owner, err)
		}
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// An account keeps its last places, and the accounts that were last logged in to keep theirs. So
// nobody's own log-ins, however many and from however many addresses, make another's be forgotten.
func TestMemory_ofPlaces(t *testing.T) {
	m := newMemory()
	add := func(account, place string) { _ = m.Add(t.Context(), account, place) }
	has := func(account, place string) bool { has, _ := m.Has(t.Context(), account, place); return has }
	add("id:victim", "home")
	for i := range 2 * maxAccounts * maxPlaces {
		add("id:thief", fmt.Sprint(i))
	}
	last := 2*maxAccounts*maxPlaces - 1
	if !has("id:victim", "home") || !has("id:thief", fmt.Sprint(last-maxPlaces+1)) ||
		has("id:thief", fmt.Sprint(last-maxPlaces)) {
		t.Error("many places of one account")
	}
	for i := range maxAccounts {
		add("id:victim", "work")
		add(fmt.Sprint("id:", i), "home")
	}
	if !has("id:victim", "home") || !has("id:victim", "work") || has("id:thief", fmt.Sprint(last)) ||
		has("id:0", "home") ||
		!has("id:1", "home") || len(m.accounts) != maxAccounts || m.recent.Len() != maxAccounts {
		t.Errorf("many accounts: %d, %d", len(m.accounts), m.recent.Len())
	}
}
