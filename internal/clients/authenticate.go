package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/ratelimit"
)

// Authenticate returns the client with that ID and secret. For any other the error is [ErrRefused] or,
// after too many wrong secrets for a client or from an address, a [*ratelimit.Refused].
//
// Only wrong secrets are counted, and the right one is never refused: so nobody can lock a client out,
// not even from its own address. A secret has 256 random bits. Unlike with a password, a guess beyond
// the limit gains nothing.
func (s *Service) Authenticate(
	ctx context.Context, id, secret string, from hallpass.Client,
) (Client, error) {
	r, err := scan(s.c.Registry.db.QueryRow(ctx, selectByID, id))
	known := err == nil
	if !known {
		r.secretHash = hashOf("") // so that an unknown client costs as much as a known one
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Client{}, failure("reading client", err)
	}
	if right := r.accepts(secret, s.now()); known && right && !r.Disabled {
		return r.Client, nil
	}
	refusal := s.c.Limiter.Take(ctx,
		ratelimit.Charge{Limit: s.c.PerAddress, Key: ratelimit.AddressKey(from.IP), Cost: 1},
		ratelimit.Charge{Limit: s.c.PerClient, Key: fmt.Sprintf("client %.64s", id), Cost: 1})
	told := hallpass.Event{Name: EventRefused, Subject: r.ID, Client: from, Err: refusal}
	if refusal == nil {
		refusal, told.Err = ErrRefused, hallpass.ErrInvalidCredentials.Because(ErrRefused)
	}
	// A client that hangs up has guessed all the same.
	return Client{}, cmp.Or(s.c.Issuer.Tell(context.WithoutCancel(ctx), told), refusal)
}

// Token makes an access token for the client with that ID and secret, with these scopes, or with all
// that it may have if there are none. The errors are those of [Service.Authenticate] and of
// [Config.MayIssue], and [ErrScope].
func (s *Service) Token(
	ctx context.Context, id, secret string, scopes []string, from hallpass.Client,
) (hallpass.Tokens, error) {
	return s.c.Issuer.ClientToken(ctx, from, func(ctx context.Context) (string, []string, error) {
		c, err := s.Authenticate(ctx, id, secret, from)
		if err != nil {
			return "", nil, err
		}
		for _, scope := range scopes {
			if !slices.Contains(c.Scopes, scope) {
				return "", nil, ErrScope
			}
		}
		if len(scopes) == 0 {
			scopes = c.Scopes
		}
		return c.ID, scopes, s.c.MayIssue(ctx, c.ID)
	})
}
