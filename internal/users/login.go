package users

import (
	"cmp"
	"context"
	"errors"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/limit"
)

// Login starts a session for a client that knows a user's password: first the limits, then the
// password, then the session. The errors are [account.ErrCredentials] and a [*limit.Refused].
func (s *Service) Login(ctx context.Context, login hallpass.Login) (hallpass.Tokens, error) {
	var attempt *limit.Attempt // counted once, however often the password is looked at
	var claimed string         // whose name it is
	tokens, err := s.issuer.LogIn(
		ctx,
		login.Client,
		func(ctx context.Context) (string, *hallpass.Grant[struct{}], error) {
			claimant, err := s.accounts.Claimant(ctx, login.Username)
			if err != nil {
				return "", nil, err
			}
			claimed = claimant.UserID
			if attempt == nil {
				begun, err := s.guesses.Login(ctx, claimant.LimitKey, login.Client.IP)
				if err != nil {
					return "", nil, err
				}
				attempt = &begun
			}
			user, err := s.accounts.Authenticate(attempt.Context(ctx), claimant, login.Password)
			return user.ID, &hallpass.Grant[struct{}]{Roles: user.Roles}, err
		},
	)
	if err == nil {
		attempt.Succeeded(ctx)
		return tokens, nil
	}
	if attempt != nil {
		attempt.Failed(ctx, err, errors.Is(err, account.ErrCredentials))
	}
	return hallpass.Tokens{}, s.loginFailed(ctx, claimed, login.Client, err)
}

// Reauthenticate checks the password of a user who is logged in, and returns tokens of their
// session that record it. The errors are those of [Service.Login].
func (s *Service) Reauthenticate(
	ctx context.Context, userID, sessionID, secret string, client hallpass.Client,
) (tokens hallpass.Tokens, err error) {
	err = s.prove(ctx, userID, client, func(hashing context.Context) error {
		tokens, err = s.issuer.Reauthenticate(ctx, sessionID, client, func(context.Context) error {
			_, err := s.accounts.CheckPassword(hashing, userID, secret)
			return err
		})
		return err
	})
	return tokens, err
}

// proveCurrent checks a user's current password before they change it.
func (s *Service) proveCurrent(
	ctx context.Context, userID, secret string, client hallpass.Client,
) (proof account.Proof, err error) {
	err = s.prove(ctx, userID, client, func(hashing context.Context) error {
		proof, err = s.accounts.CheckPassword(hashing, userID, secret)
		return err
	})
	return proof, err
}

// prove counts one attempt of a logged-in user to prove who they are.
func (s *Service) prove(
	ctx context.Context, userID string, client hallpass.Client, try func(hashing context.Context) error,
) error {
	attempt, err := s.guesses.Session(ctx, account.UserLimitKey(userID), client.IP)
	if err != nil {
		return s.loginFailed(ctx, userID, client, err)
	}
	if err := try(attempt.Context(ctx)); err != nil {
		attempt.Failed(ctx, err, errors.Is(err, account.ErrCredentials))
		return s.loginFailed(ctx, userID, client, err)
	}
	attempt.Succeeded(ctx)
	return nil
}

// loginFailed tells that a password was not accepted, even if the client has hung up, and returns the
// error.
func (s *Service) loginFailed(ctx context.Context, userID string, client hallpass.Client, err error) error {
	if !errors.Is(err, account.ErrCredentials) && !errors.As(err, new(*limit.Refused)) {
		return err
	}
	e := hallpass.Event{Name: hallpass.EventLoginFailed, Subject: userID, Client: client, Err: err}
	if errors.Is(err, account.ErrCredentials) {
		e.Err = hallpass.ErrInvalidCredentials.Because(err)
	}
	return cmp.Or(s.issuer.Tell(context.WithoutCancel(ctx), e), err)
}
