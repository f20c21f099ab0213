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
	attempt, err := s.guard.login(key, login.Client.IP)
	if err != nil {
		return "", err
	}
	user, err := s.accounts.Authenticate(attempt.hashing(ctx), login.Username, login.Password)
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
	attempt, err := s.guard.session(account.UserLimitKey(subject), clientIP(ctx))
	if err != nil {
		return account.Proof{}, err
	}
	proof, err := s.accounts.CheckPassword(attempt.hashing(ctx), subject, secret)
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
