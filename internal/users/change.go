package users

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/password"
	"github.com/hallpass-go/hallpass/ratelimit"
)

// Errors of [Service.ChangeOwn].
var (
	ErrNoCurrentPassword    = errors.New("a new password wants the current one")
	ErrStrayCurrentPassword = errors.New("the current password goes with a new one")
	ErrWrongCurrentPassword = errors.New("that is not the current password")
)

// FreshFor is how recently somebody must have logged in to do what could give them, or keep, power: to
// change or delete a user (their own too), to give roles, to disable and enable, to make a user where
// only administrators may, to rotate keys.
const FreshFor = 5 * time.Minute

// Caller is a user who changes their own account.
type Caller struct {
	ID, SessionID string
	AuthTime      time.Time // when they last proved who they are
	Client        hallpass.Client
}

// Change changes another user's name, e-mail address or password. A new password ends all their
// sessions. The errors are those of [account.Accounts.Prepare] and [account.Update.Write].
func (s *Service) Change(
	ctx context.Context,
	id string,
	c account.Changes,
	client hallpass.Client,
) (user account.User, err error) {
	update, err := s.accounts.Prepare(password.WithClient(ctx, ratelimit.AddressKey(client.IP), true), id, c)
	if err != nil {
		return account.User{}, err
	}
	write := func(ctx context.Context) error {
		user, err = update.Write(ctx)
		return s.changed(ctx, err, update)
	}
	if c.Password == nil {
		err = s.issuer.Atomically(ctx, write)
	} else {
		err = s.issuer.RevokeOtherSessions(ctx, id, "", write)
	}
	return user, unlessUnchanged(err)
}

// ChangeOwn changes the caller's own name, e-mail address or password. A new password requires the
// current one, which proves as much as a recent login. It ends all other sessions; the caller's own
// continues with the tokens that are returned. Another name or address requires a recent login:
// otherwise the error is [hallpass.ErrFreshTokenRequired].
func (s *Service) ChangeOwn(
	ctx context.Context, by Caller, c account.Changes, current *string,
) (account.User, *hallpass.Tokens, error) {
	switch {
	case c.Password != nil && current == nil:
		return account.User{}, nil, ErrNoCurrentPassword
	case c.Password == nil && current != nil:
		return account.User{}, nil, ErrStrayCurrentPassword
	case (c.Username != nil || c.Email != nil) && !s.isFresh(by.AuthTime):
		e := *hallpass.ErrFreshTokenRequired
		e.MaxAge = FreshFor
		return account.User{}, nil, &e
	}
	if c.Password == nil {
		if err := s.mayRename(ctx, by.ID, c.Username); err != nil {
			return account.User{}, nil, err
		}
		user, err := s.Change(ctx, by.ID, c, by.Client)
		return user, nil, err
	}
	proof, err := s.proveCurrent(ctx, by.ID, *current, by.Client)
	if err == nil {
		c.Proof = &proof
		err = s.mayRename(ctx, by.ID, c.Username) // last: a name counts only when the answer could tell who has it
	}
	var user account.User
	var tokens hallpass.Tokens
	if err == nil {
		user, tokens, err = s.changeOwnPassword(ctx, by, c)
	}
	if errors.Is(err, account.ErrCredentials) {
		return account.User{}, nil, ErrWrongCurrentPassword
	}
	return user, &tokens, err
}

// isFresh is the rule hallpass.Fresh(FreshFor), for what depends on the change.
func (s *Service) isFresh(authTime time.Time) bool {
	return !authTime.IsZero() && s.now().Sub(authTime) <= FreshFor
}

func (s *Service) changeOwnPassword(
	ctx context.Context, by Caller, c account.Changes,
) (user account.User, tokens hallpass.Tokens, err error) {
	update, err := s.accounts.Prepare(password.WithClient(ctx, ratelimit.AddressKey(by.Client.IP), true), by.ID, c)
	if err != nil {
		return account.User{}, hallpass.Tokens{}, err
	}
	tokens, err = s.issuer.ChangePassword(ctx, by.ID, by.SessionID, by.Client, func(ctx context.Context) error {
		user, err = update.Write(ctx)
		return s.changed(ctx, err, update)
	})
	return user, tokens, err
}

// mayRename counts an attempt to take a name. Text that cannot be a name reveals nothing and is not
// counted. What is taken counts too, because that answer tells who exists. The count belongs to the
// user's ID, which a rename does not change.
func (s *Service) mayRename(ctx context.Context, id string, name *string) error {
	if name == nil {
		return nil
	}
	if _, err := account.CanonicalUsername(*name); err != nil {
		return nil // Prepare says what is wrong with it
	}
	return s.limiter.Take(ctx, ratelimit.Charge{Limit: s.limits.Rename, Key: id, Cost: 1})
}

// changed tells of a change within its transaction, unless err says that there was none.
func (s *Service) changed(ctx context.Context, err error, u *account.Update) error {
	id, c := u.Before.ID, u.Changes
	if c.Password != nil {
		err = s.done(ctx, err, hallpass.Event{Name: EventPassword, Subject: id})
	}
	var what []string
	if c.Username != nil {
		what = append(what, "username (was "+u.Before.Username+")")
	}
	if c.Email != nil {
		what = append(what, "email")
	}
	if len(what) > 0 {
		err = s.done(ctx, err, hallpass.Event{Name: EventChanged, Subject: id, Reason: strings.Join(what, ", ")})
	}
	return err
}
