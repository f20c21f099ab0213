package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/limit"
	"github.com/hallpass-go/hallpass/password"
)

// guard counts failed attempts to prove who one is. It decides before any password is hashed: an attempt is counted when it
// begins and given back when it succeeds, so that guesses in parallel cannot overrun the limit, and whoever knows the password
// does not use it up. One that was hung up on is a guess like any other.
//
// An address from which an account was logged in to has a bucket of its own for that account, and so has whoever holds a
// session. Strangers' guesses fill the account's common bucket, and keep neither out.
type guard struct {
	account, address, signups *limit.Limiter // nil for no limit
	familiar                  *pairs
	now                       func() time.Time
}

func newGuard(c Config) guard {
	limiter := func(r limit.Rate) *limit.Limiter {
		if r == (limit.Rate{}) {
			return nil
		}
		return limit.New(r)
	}
	return guard{
		account: limiter(c.AccountLimit), address: limiter(c.AddressLimit), signups: limiter(c.SignupLimit),
		familiar: &pairs{places: map[string]int{}}, now: c.Now,
	}
}

// attempt is one attempt that has been counted.
type attempt struct {
	guard                  guard
	account, bucket, place string // the place is the client's address
	known                  bool   // the account was logged in to from there, or by who holds the session
}

// login counts an attempt to log in to the account with that key ([account.Accounts.LimitKey]; "" for what cannot be a
// name), or refuses it with hallpass.ErrRateLimited.
func (g guard) login(key, ip string) (attempt, error) { return g.attempt(key, key, ip) }

// session is login for whoever holds a session of the account already.
func (g guard) session(key, ip string) (attempt, error) {
	a, err := g.attempt(key, key+" session", ip)
	a.known = true
	return a, err
}

func (g guard) attempt(key, bucket, ip string) (attempt, error) {
	a := attempt{guard: g, account: key, bucket: bucket, place: addressKey(ip)}
	if a.known = g.familiar.has(key, a.place); a.known {
		a.bucket = key + " " + a.place
	}
	if err := g.take(g.address, "address", a.place); err != nil {
		return a, err
	}
	if key == "" {
		return a, nil
	}
	if err := g.take(g.account, "account", a.bucket); err != nil {
		g.giveBack(g.address, a.place)
		return a, err
	}
	return a, nil
}

// signup counts one more user who is made from an address.
func (g guard) signup(ip string) error { return g.take(g.signups, "signup", addressKey(ip)) }

func (g guard) take(l *limit.Limiter, policy, key string) error {
	if l == nil {
		return nil
	}
	d := l.Allow(key, g.now())
	if d.Allowed {
		return nil
	}
	e := *hallpass.ErrRateLimited
	e.RetryAfter = d.RetryAfter
	e.Limit = &hallpass.RateLimit{Policy: policy, Quota: d.Limit, Remaining: d.Remaining, Window: l.Window(), Reset: d.ResetAfter}
	return &e
}

func (g guard) giveBack(l *limit.Limiter, key string) {
	if l != nil && key != "" {
		l.GiveBack(key, g.now())
	}
}

// failed keeps an attempt counted, unless it ended because the server could not look at the password. A client that hung
// up made it end itself.
func (a attempt) failed(err error) {
	hungUp := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if !errors.Is(err, account.ErrCredentials) && !hungUp {
		a.giveBack()
	}
}

func (a attempt) succeeded() {
	a.giveBack()
	a.guard.familiar.add(a.account, a.place)
}

func (a attempt) giveBack() {
	a.guard.giveBack(a.guard.address, a.place)
	if a.account != "" {
		a.guard.giveBack(a.guard.account, a.bucket)
	}
}

func addressKey(ip string) string {
	address, err := netip.ParseAddr(ip)
	if err != nil {
		return fmt.Sprintf("%.64s", ip)
	}
	return limit.ClientKey(address)
}

// hashing lets the hash of an attempt stand in line with those of the client's address, and not before those of others.
func (a attempt) hashing(ctx context.Context) context.Context {
	return password.WithClient(ctx, a.place, a.known)
}

// hashingFor is hashing for what is no attempt: a new password.
func hashingFor(ctx context.Context, ip string, known bool) context.Context {
	return password.WithClient(ctx, addressKey(ip), known)
}

// maxPairs bounds the memory of familiar places, to about ten megabytes.
const maxPairs = 1 << 16

// pairs remembers from where which account was logged in to lately, the oldest forgotten first.
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
