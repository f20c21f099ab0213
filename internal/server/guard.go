package server

import (
	"context"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/guess"
	"github.com/hallpass-go/hallpass/internal/limit"
	"github.com/hallpass-go/hallpass/password"
)

// guard is the limits of the routes that cost a hash.
type guard struct {
	guesses *guess.Guard
	signups *limit.Limiter // nil for no limit
	now     func() time.Time
}

func newGuard(c Config) guard {
	g := guard{guesses: guess.New(c.AccountLimit, c.AddressLimit, c.Now), now: c.Now}
	if c.SignupLimit != (limit.Rate{}) {
		g.signups = limit.New(c.SignupLimit)
	}
	return g
}

// signup counts one more user who is made from an address, or refuses it with hallpass.ErrRateLimited.
func (g guard) signup(ip string) error {
	if g.signups == nil {
		return nil
	}
	if d := g.signups.Allow(guess.Place(ip), g.now()); !d.Allowed {
		return rateLimited(&guess.Refused{Policy: "signup", Window: g.signups.Window(), Decision: d})
	}
	return nil
}

// rateLimited is hallpass.ErrRateLimited with what a client has to know.
func rateLimited(r *guess.Refused) error {
	e := *hallpass.ErrRateLimited
	e.RetryAfter = r.RetryAfter
	e.Limit = &hallpass.RateLimit{Policy: r.Policy, Quota: r.Limit, Remaining: r.Remaining, Window: r.Window, Reset: r.ResetAfter}
	return &e
}

// hashing lets the hashes of a request stand in line with those of its client's address, and not before those of others.
func hashing(ctx context.Context, ip string, known bool) context.Context {
	return password.WithClient(ctx, guess.Place(ip), known)
}
