package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/limit"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/password"
)

// authenticate is the hub of a login: the limiter first, then the password.
func (s *Server) authenticate(ctx context.Context, login hallpass.Login) (string, error) {
	attempt, err := s.guard.attempt(login.Username, login.Client.IP)
	if err != nil {
		return "", err
	}
	user, err := s.accounts.Authenticate(ctx, login.Username, login.Password)
	if err != nil {
		attempt.failed(err)
		return "", asError(err)
	}
	attempt.succeeded()
	return user.ID, nil
}

// checkPassword is the hub of every other path that proves who somebody is. It counts with the same limiter.
func (s *Server) checkPassword(ctx context.Context, subject, secret string) error {
	_, err := s.provePassword(ctx, subject, secret)
	return err
}

// provePassword is checkPassword with the proof that a change of the password wants.
func (s *Server) provePassword(ctx context.Context, subject, secret string) (account.Proof, error) {
	user, err := s.accounts.User(ctx, subject)
	if errors.Is(err, account.ErrNotFound) {
		return account.Proof{}, hallpass.ErrInvalidCredentials.Because(err)
	}
	if err != nil {
		return account.Proof{}, asError(err)
	}
	attempt, err := s.guard.attempt(user.Username, clientIP(ctx))
	if err != nil {
		return account.Proof{}, err
	}
	proof, err := s.accounts.CheckPassword(ctx, subject, secret)
	if err != nil {
		attempt.failed(err)
		return account.Proof{}, asError(err)
	}
	attempt.succeeded()
	return proof, nil
}

// authorize tells what a user may do, each time that a token is made.
func (s *Server) authorize(ctx context.Context, subject string) (hallpass.Grant[noClaims], error) {
	return Authorize(ctx, s.accounts, subject)
}

// Authorize is what a user may do: their roles, or hallpass.ErrSubjectDisabled for one who is disabled or gone.
func Authorize(ctx context.Context, accounts *account.Accounts, subject string) (hallpass.Grant[noClaims], error) {
	user, err := accounts.User(ctx, subject)
	if errors.Is(err, account.ErrNotFound) || err == nil && user.Disabled {
		return hallpass.Grant[noClaims]{}, hallpass.ErrSubjectDisabled
	}
	if err != nil {
		return hallpass.Grant[noClaims]{}, asError(err)
	}
	return hallpass.Grant[noClaims]{Roles: user.Roles}, nil
}

// asError says what an error of the packages below is to a client.
func asError(err error) error {
	if _, said := errors.AsType[*hallpass.Error](err); said {
		return err
	}
	if invalid, ok := errors.AsType[*account.InvalidError](err); ok {
		fields := make([]hallpass.FieldError, len(invalid.Fields))
		for i, f := range invalid.Fields {
			fields[i] = hallpass.FieldError(f)
		}
		return hallpass.InvalidFields(fields...)
	}
	if overloaded, ok := errors.AsType[*password.OverloadedError](err); ok {
		e := hallpass.ErrOverloaded.Because(err)
		e.RetryAfter = max(overloaded.RetryAfter, time.Second)
		return e
	}
	for _, known := range []struct {
		below error
		above *hallpass.Error
	}{
		{account.ErrCredentials, hallpass.ErrInvalidCredentials},
		{account.ErrNotFound, hallpass.ErrNotFound},
		{account.ErrUsernameTaken, errUsernameTaken},
		{account.ErrLastAdmin, errLastAdmin},
		{sqldb.ErrUnavailable, hallpass.ErrStoreUnavailable},
	} {
		if errors.Is(err, known.below) {
			return known.above.Because(err)
		}
	}
	return err
}

// guard counts failed attempts to prove who one is. It decides before any password is hashed: an attempt is counted when it
// begins and given back when it succeeds, so that guesses in parallel cannot overrun the limit, and who knows the password does not use it up.
type guard struct {
	account, address *limit.Limiter // nil for no limit
	now              func() time.Time
}

func newGuard(c Config) guard {
	g := guard{now: c.Now}
	if c.AccountLimit != (limit.Rate{}) {
		g.account = limit.New(c.AccountLimit)
	}
	if c.AddressLimit != (limit.Rate{}) {
		g.address = limit.New(c.AddressLimit)
	}
	return g
}

// attempt is one attempt that has been counted.
type attempt struct {
	guard         guard
	user, address string
}

// attempt counts an attempt, or refuses it with hallpass.ErrRateLimited.
func (g guard) attempt(username, ip string) (attempt, error) {
	a := attempt{guard: g, address: addressKey(ip)}
	// All spellings of a name count as one; what cannot be a name counts by its address alone.
	a.user, _ = account.CanonicalUsername(username)
	if err := g.take(g.address, "address", a.address); err != nil {
		return a, err
	}
	if a.user == "" {
		return a, nil
	}
	if err := g.take(g.account, "account", a.user); err != nil {
		g.giveBack(g.address, a.address)
		return a, err
	}
	return a, nil
}

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

// failed gives an attempt back that ended before the password was looked at.
func (a attempt) failed(err error) {
	if !errors.Is(err, account.ErrCredentials) {
		a.succeeded()
	}
}

func (a attempt) succeeded() {
	a.guard.giveBack(a.guard.account, a.user)
	a.guard.giveBack(a.guard.address, a.address)
}

func addressKey(ip string) string {
	address, err := netip.ParseAddr(ip)
	if err != nil {
		return fmt.Sprintf("%.64s", ip)
	}
	return limit.ClientKey(address)
}
