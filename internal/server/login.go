package server

import (
	"context"
	"errors"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/password"
)

// authenticate is the hub of a login: the limiter first, then the password.
func (s *Server) authenticate(ctx context.Context, login hallpass.Login) (string, error) {
	key, err := s.accounts.LimitKey(ctx, login.Username)
	if err != nil {
		return "", asError(err)
	}
	attempt, refused := s.guard.guesses.Login(key, login.Client.IP)
	if refused != nil {
		return "", rateLimited(refused)
	}
	user, err := s.accounts.Authenticate(password.WithClient(ctx, attempt.Place, attempt.Known), login.Username, login.Password)
	if err != nil {
		attempt.Failed(err, errors.Is(err, account.ErrCredentials))
		return "", asError(err)
	}
	attempt.Succeeded()
	return user.ID, nil
}

// checkPassword is the hub of every other path that proves who somebody is. It counts with the same limiter.
func (s *Server) checkPassword(ctx context.Context, subject, secret string) error {
	_, err := s.provePassword(ctx, subject, secret)
	return err
}

// provePassword is checkPassword with the proof that a change of the password wants.
func (s *Server) provePassword(ctx context.Context, subject, secret string) (account.Proof, error) {
	attempt, refused := s.guard.guesses.Session(account.UserLimitKey(subject), clientIP(ctx))
	if refused != nil {
		return account.Proof{}, rateLimited(refused)
	}
	proof, err := s.accounts.CheckPassword(password.WithClient(ctx, attempt.Place, attempt.Known), subject, secret)
	if err != nil {
		attempt.Failed(err, errors.Is(err, account.ErrCredentials))
		return account.Proof{}, asError(err)
	}
	attempt.Succeeded()
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
