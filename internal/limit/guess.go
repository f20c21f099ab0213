// Package limit limits guesses: how often somebody may try to prove who they are.
package limit

import (
	"context"
	"errors"
	"strings"
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
// A client is known to an account if it logs in from an address from which the account has been logged
// in to, or holds a session. The attempts of known clients have limits of their own, by account and by
// address. So strangers, whether they guess at the same account, from the same address, or flood the
// limits with names and addresses, lock none of them out.
type Guard struct {
	limiter   *ratelimit.Limiter
	strangers limits
	known     limits
	places    Places
}

// limits are those of one kind of client.
type limits struct{ account, address ratelimit.Limit }

// Refused is the error of an attempt that a limit refuses.
type Refused = ratelimit.Refused

// NewGuard returns a guard with these limits, whose names it sets. A zero Limit means no limit. It
// knows clients by places.
func NewGuard(limiter *ratelimit.Limiter, account, address ratelimit.Limit, places Places) *Guard {
	return &Guard{
		limiter:   limiter,
		strangers: limits{named(account, accountName), named(address, addressName)},
		known:     limits{named(account, accountName+ofKnown), named(address, addressName+ofKnown)},
		places:    places,
	}
}

// InMemory returns a guard that counts, and remembers places, in the memory of the process.
func InMemory(account, address ratelimit.Limit, now func() time.Time) *Guard {
	limiter, err := ratelimit.New(ratelimit.Config{Now: now})
	if err != nil {
		panic(err) // never: there is nothing in it to refuse
	}
	return NewGuard(limiter, account, address, newMemory())
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

// The names of the limits. To clients, those of known clients have the same names.
const (
	accountName = "account"
	addressName = "address"
	ofKnown     = "-known"
)

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

	guard    *Guard
	account  string // "" if the name cannot be an account's
	bucket   string // the account's key
	familiar bool   // the account was logged in to from there before
}

// Login counts an attempt to log in to an account from an address. The account is "" if the name
// cannot be an account's. The errors are those of [ratelimit.Limiter.Take] and of [Places].
func (g *Guard) Login(ctx context.Context, account, ip string) (Attempt, error) {
	a, err := g.attempt(ctx, account, ip)
	if err != nil {
		return a, err
	}
	a.Known = a.familiar
	return a, a.take(ctx, 1)
}

// Session is [Guard.Login] for a client that holds a session of the account.
func (g *Guard) Session(ctx context.Context, account, ip string) (Attempt, error) {
	a, err := g.attempt(ctx, account, ip)
	if err != nil {
		return a, err
	}
	a.Known = true
	if !a.familiar {
		a.bucket = account + " session"
	}
	return a, a.take(ctx, 1)
}

// attempt returns an attempt that has not been counted.
func (g *Guard) attempt(ctx context.Context, account, ip string) (Attempt, error) {
	a := Attempt{guard: g, account: account, bucket: account, Place: ratelimit.AddressKey(ip)}
	if account == "" {
		return a, nil
	}
	var err error
	if a.familiar, err = g.places.Has(ctx, account, a.Place); a.familiar {
		a.bucket = account + " " + a.Place
	}
	return a, err
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
	// If a place cannot be kept, the next login from there tries again.
	_ = a.guard.places.Add(context.WithoutCancel(ctx), a.account, a.Place)
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
	l := a.guard.strangers
	if a.Known {
		l = a.guard.known
	}
	address := ratelimit.Charge{Limit: l.address, Key: a.Place, Cost: cost}
	account := ratelimit.Charge{Limit: l.account, Key: a.bucket, Cost: cost}
	if a.account == "" {
		account = ratelimit.Charge{}
	}
	err := a.guard.limiter.Take(ctx, address, account)
	if refused, ok := errors.AsType[*Refused](err); ok {
		refused.Limit.Name = strings.TrimSuffix(refused.Limit.Name, ofKnown)
	}
	return err
}
