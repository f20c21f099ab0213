// Package limit limits guesses: how often somebody may try to prove who they are.
package limit

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hallpass-go/hallpass/internal/asker"
	"github.com/hallpass-go/hallpass/ratelimit"
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
// bucket and lock out neither of them. The separate buckets are a limit of their own, so a flood of
// names takes no room from them either.
type Guard struct {
	limiter                 *ratelimit.Limiter
	account, known, address ratelimit.Limit
	familiar                pairs
}

// Refused is the error of an attempt that a limit refuses.
type Refused = ratelimit.Refused

// NewGuard returns a guard with these limits, whose names it sets. A zero Limit means no limit.
func NewGuard(limiter *ratelimit.Limiter, account, address ratelimit.Limit) *Guard {
	return &Guard{
		limiter: limiter, account: named(account, "account"), known: named(account, "account-known"),
		address: named(address, "address"), familiar: pairs{places: map[string]int{}},
	}
}

// InMemory returns a guard that counts in the memory of the process.
func InMemory(account, address ratelimit.Limit, now func() time.Time) *Guard {
	limiter, err := ratelimit.New(ratelimit.Config{Now: now})
	if err != nil {
		panic(err) // never: there is nothing in it to refuse
	}
	return NewGuard(limiter, account, address)
}

// PerMinute returns a limit of n tries a minute, with a default for 0 and no limit for negative n.
func PerMinute(n, byDefault int) ratelimit.Limit {
	switch {
	case n < 0:
		return ratelimit.Limit{}
	case n == 0:
		n = byDefault
	}
	return ratelimit.Limit{Burst: n, Per: time.Minute}
}

// named names a limit, unless it is none.
func named(l ratelimit.Limit, name string) ratelimit.Limit {
	if l != (ratelimit.Limit{}) {
		l.Name = name
	}
	return l
}

// Attempt is one attempt that has been counted.
type Attempt struct {
	// Place is the client's address as it is counted; see [ratelimit.AddressKey].
	Place string
	// Known says that the account was logged in to from there before, or that the client holds a
	// session of it.
	Known bool

	guard   *Guard
	account string
	bucket  ratelimit.Charge // of the account; the zero Charge if the name cannot be an account's
}

// Login counts an attempt to log in to an account from an address. The account is "" if the name
// cannot be an account's. The errors are those of [ratelimit.Limiter.Take].
func (g *Guard) Login(ctx context.Context, account, ip string) (Attempt, error) {
	return g.begin(ctx, account, ip, ratelimit.Charge{Limit: g.account, Key: account})
}

// Session is [Guard.Login] for a client that holds a session of the account.
func (g *Guard) Session(ctx context.Context, account, ip string) (Attempt, error) {
	a, err := g.begin(ctx, account, ip, ratelimit.Charge{Limit: g.known, Key: account + " session"})
	a.Known = true
	return a, err
}

func (g *Guard) begin(ctx context.Context, account, ip string, bucket ratelimit.Charge) (Attempt, error) {
	a := Attempt{guard: g, account: account, Place: ratelimit.AddressKey(ip)}
	if account != "" {
		a.bucket = bucket
	}
	if a.Known = g.familiar.has(account, a.Place); a.Known {
		a.bucket = ratelimit.Charge{Limit: g.known, Key: account + " " + a.Place}
	}
	return a, a.take(ctx, 1)
}

// Failed ends an attempt that failed. The attempt stays counted if the password was wrong or the
// client hung up. It is given back if the server could not check the password.
func (a Attempt) Failed(ctx context.Context, err error, wrong bool) {
	hungUp := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if !wrong && !hungUp {
		a.giveBack(ctx)
	}
}

// Succeeded gives an attempt back and remembers where it came from. That clears no count: what others,
// or the same client, have tried before stays.
func (a Attempt) Succeeded(ctx context.Context) {
	a.giveBack(ctx)
	a.guard.familiar.add(a.account, a.Place)
}

// Context returns a context that names the client of the attempt.
func (a Attempt) Context(ctx context.Context) context.Context {
	return asker.With(ctx, a.Place, a.Known)
}

func (a Attempt) giveBack(ctx context.Context) {
	_ = a.take(context.WithoutCancel(ctx), -1) // what a store forgets to give back, time does
}

// take charges the account and the address together, so that an attempt that one of them refuses does
// not use up the other.
func (a Attempt) take(ctx context.Context, cost int) error {
	a.bucket.Cost = cost
	address := ratelimit.Charge{Limit: a.guard.address, Key: a.Place, Cost: cost}
	err := a.guard.limiter.Take(ctx, address, a.bucket)
	if refused, ok := errors.AsType[*Refused](err); ok && refused.Limit.Name == a.guard.known.Name {
		refused.Limit.Name = a.guard.account.Name // to a client it is the same limit
	}
	return err
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
