// Package users lets users log in and sign up, and changes, disables and deletes them. Each
// operation includes the user's sessions and is one transaction, so that it happens completely or
// not at all, even if the client hangs up. The routes and the command line share it, and its events
// tell who did what.
package users

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/limit"
	"github.com/hallpass-go/hallpass/password"
	"github.com/hallpass-go/hallpass/ratelimit"
)

// The events of users. An event names the actor if that is not the user.
const (
	EventCreated  = "user_created"
	EventChanged  = "user_changed"
	EventPassword = "password_changed"
	EventRoles    = "roles_changed"
	EventDisabled = "user_disabled"
	EventEnabled  = "user_enabled"
	EventDeleted  = "user_deleted"
)

// Issuer issues the tokens of users, which have no claims of their own.
type Issuer = hallpass.Issuer[struct{}]

// Config is what [New] needs.
type Config struct {
	// Accounts are the users themselves. Required.
	Accounts *account.Accounts
	// Issuer issues their tokens, with [Authorize]. It keeps their sessions in the database of
	// Accounts. Required.
	Issuer *Issuer
	// Limiter counts. Required.
	Limiter *ratelimit.Limiter
	// Limits are how often things may be done. [Service] applies those of accounts.
	Limits Limits
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Service is the users of one installation. It is safe for concurrent use, also by several
// processes.
type Service struct {
	accounts *account.Accounts
	issuer   *Issuer
	guesses  *limit.Guard
	limiter  *ratelimit.Limiter
	limits   Limits
	now      func() time.Time
}

// New returns the users.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Service{
		accounts: c.Accounts, issuer: c.Issuer, now: c.Now,
		guesses: limit.NewGuard(c.Limiter, c.Limits.LoginAccount, c.Limits.LoginAddress, c.Accounts.Places()),
		limiter: c.Limiter, limits: c.Limits,
	}
}

// Authorize returns a function for [hallpass.IssuerConfig] that grants users their roles. It
// refuses one who is disabled or deleted with [hallpass.ErrSubjectDisabled].
func Authorize(accounts *account.Accounts) func(context.Context, string) (hallpass.Grant[struct{}], error) {
	return func(ctx context.Context, subject string) (hallpass.Grant[struct{}], error) {
		user, err := accounts.User(ctx, subject)
		if errors.Is(err, account.ErrNotFound) || err == nil && user.Disabled {
			return hallpass.Grant[struct{}]{}, hallpass.ErrSubjectDisabled
		}
		return hallpass.Grant[struct{}]{Roles: user.Roles}, err
	}
}

// SignUp makes a user on request of a client. The errors are those of [account.Accounts.Create] and
// a [*ratelimit.Refused].
func (s *Service) SignUp(ctx context.Context, n account.NewUser, client hallpass.Client) (account.User, error) {
	place := ratelimit.AddressKey(client.IP)
	if err := s.limiter.Take(ctx, ratelimit.Charge{Limit: s.limits.Signup, Key: place, Cost: 1}); err != nil {
		return account.User{}, err
	}
	return s.Create(password.WithClient(ctx, place, false), n)
}

// Create makes a user, as [account.Accounts.Create] does.
func (s *Service) Create(ctx context.Context, n account.NewUser) (user account.User, err error) {
	creation, err := s.accounts.PrepareNew(ctx, n)
	if err != nil {
		return account.User{}, err
	}
	err = s.issuer.Atomically(ctx, func(ctx context.Context) error {
		user, err = creation.Write(ctx)
		return s.done(ctx, err, hallpass.Event{Name: EventCreated, Subject: user.ID, Reason: roles(user)})
	})
	return user, err
}

// OnlyIf is [account.OnlyIf].
func OnlyIf(ctx context.Context, condition func(User) error) context.Context {
	return account.OnlyIf(ctx, condition)
}

// SetRoles gives a user exactly these roles. Their present access tokens are refused from now on; a
// refresh brings one with the new roles.
func (s *Service) SetRoles(ctx context.Context, id string, names []string) (user account.User, err error) {
	err = s.issuer.RevokeAccess(ctx, id, func(ctx context.Context) error {
		user, err = s.accounts.SetRoles(ctx, id, names)
		return s.done(ctx, err, hallpass.Event{Name: EventRoles, Subject: id, Reason: roles(user)})
	})
	return user, unlessUnchanged(err)
}

// Disable keeps a user from logging in and ends their sessions.
func (s *Service) Disable(ctx context.Context, id string) (user account.User, err error) {
	err = s.issuer.RevokeSubject(ctx, id, func(ctx context.Context) error {
		user, err = s.accounts.SetDisabled(ctx, id, true)
		return s.done(ctx, err, hallpass.Event{Name: EventDisabled, Subject: id})
	})
	return user, unlessUnchanged(err)
}

// Enable lets a disabled user log in again.
func (s *Service) Enable(ctx context.Context, id string) (user account.User, err error) {
	err = s.issuer.Atomically(ctx, func(ctx context.Context) error {
		user, err = s.accounts.SetDisabled(ctx, id, false)
		return s.done(ctx, err, hallpass.Event{Name: EventEnabled, Subject: id})
	})
	return user, unlessUnchanged(err)
}

// Delete deletes a user and ends their sessions.
func (s *Service) Delete(ctx context.Context, id string) error {
	return s.issuer.RevokeSubject(ctx, id, func(ctx context.Context) error {
		user, err := s.accounts.Delete(ctx, id)
		return s.done(ctx, err, hallpass.Event{Name: EventDeleted, Subject: id, Reason: user.Username})
	})
}

// unlessUnchanged lets a change succeed that changes nothing. Its transaction is rolled back: nobody is
// told, and no session and no token ends.
func unlessUnchanged(err error) error {
	if errors.Is(err, account.ErrUnchanged) {
		return nil
	}
	return err
}

// done tells of an operation within its transaction, unless err says that it failed.
func (s *Service) done(ctx context.Context, err error, e hallpass.Event) error {
	if err != nil {
		return err
	}
	return s.issuer.Tell(ctx, e)
}

func roles(u account.User) string { return strings.Join(u.Roles, " ") }
