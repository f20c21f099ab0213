package limit

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Guard limits how often a client may try to prove an identity, by account and by client address. It
// is safe for concurrent use.
//
// It decides before any password is hashed. An attempt is counted when it begins and given back
// when it succeeds. So parallel guesses cannot exceed the limit, and a user who knows the password
// does not use it up. An attempt that the client abandons counts as a guess.
//
// An address from which a user has logged in to an account has a separate bucket for that account,
// and so does a client that holds a session. The guesses of strangers fill the account's common
// bucket and lock out neither of them.
type Guard struct {
	account, address *Limiter // nil for no limit
	familiar         pairs
	now              func() time.Time
}

// NewGuard returns a guard with these limits. The zero Rate means no limit.
func NewGuard(account, address Rate, now func() time.Time) *Guard {
	return &Guard{
		account: New(account), address: New(address), familiar: pairs{places: map[string]int{}}, now: now,
	}
}

// Attempt is one attempt that has been counted.
type Attempt struct {
	// Place is the client's address as it is counted; see [Place].
	Place string
	// Known says that the account was logged in to from there before, or that the client holds a
	// session of it.
	Known bool

	guard           *Guard
	account, bucket string
}

// Login counts an attempt to log in to an account from an address, unless a limit is reached. The
// account is "" if the name cannot be an account's.
func (g *Guard) Login(account, ip string) (Attempt, *Refused) {
	return g.begin(account, account, ip)
}

// Session is [Guard.Login] for a client that holds a session of the account.
func (g *Guard) Session(account, ip string) (Attempt, *Refused) {
	a, refused := g.begin(account, account+" session", ip)
	a.Known = true
	return a, refused
}

func (g *Guard) begin(account, bucket, ip string) (Attempt, *Refused) {
	a := Attempt{guard: g, account: account, bucket: bucket, Place: Place(ip)}
	if a.Known = g.familiar.has(account, a.Place); a.Known {
		a.bucket = account + " " + a.Place
	}
	if refused := g.address.Take("address", a.Place, g.now()); refused != nil {
		return a, refused
	}
	if account == "" {
		return a, nil
	}
	if refused := g.account.Take("account", a.bucket, g.now()); refused != nil {
		g.address.GiveBack(a.Place, g.now())
		return a, refused
	}
	return a, nil
}

// Failed ends an attempt that failed. The attempt stays counted if the password was wrong or the
// client hung up. It is given back if the server could not check the password.
func (a Attempt) Failed(err error, wrong bool) {
	hungUp := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if !wrong && !hungUp {
		a.giveBack()
	}
}

// Succeeded gives an attempt back and remembers where it came from.
func (a Attempt) Succeeded() {
	a.giveBack()
	a.guard.familiar.add(a.account, a.Place)
}

func (a Attempt) giveBack() {
	a.guard.address.GiveBack(a.Place, a.guard.now())
	if a.account != "" {
		a.guard.account.GiveBack(a.bucket, a.guard.now())
	}
}

// Place returns the form in which an address is counted; see [ClientKey].
func Place(ip string) string {
	address, err := netip.ParseAddr(ip)
	if err != nil {
		return fmt.Sprintf("%.64s", ip)
	}
	return ClientKey(address)
}

// maxPairs limits the memory for familiar places to about ten megabytes.
const maxPairs = 1 << 16

// pairs remembers recent pairs of an account and an address that logged in to it. It forgets the
// oldest first.
type pairs struct {
	mu     sync.Mutex
	places map[string]int // guarded by mu; account and address → place in the ring
	ring   []string       // guarded by mu
	next   int            // guarded by mu; the place to use again
}

func (p *pairs) has(account, place string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, has := p.places[account+" "+place]
	return has
}

func (p *pairs) add(account, place string) {
	key := account + " " + place
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, has := p.places[key]; has {
		return
	}
	if len(p.ring) < maxPairs {
		p.places[key] = len(p.ring)
		p.ring = append(p.ring, key)
		return
	}
	delete(p.places, p.ring[p.next])
	p.ring[p.next], p.places[key] = key, p.next
	p.next = (p.next + 1) % maxPairs
}
