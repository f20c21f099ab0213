package hallpass

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hallpass-go/hallpass/internal/uid"
	"github.com/hallpass-go/hallpass/jwt"
)

// clientTTL is how long the access token of a machine client lives at most. It does not depend on
// settings, so every process that revokes a client knows when its last token has expired.
const clientTTL = 15 * time.Minute

// ClientToken makes an access token for a program that acts for itself (RFC 6749 §4.4). Its subject
// and its client is the ID that prove returns (RFC 9068 §2.2), so that must be no user's ID. The
// token has these scopes, and neither session, roles, own claims nor refresh token. It lives for
// [IssuerConfig.AccessTTL], and for 15 minutes at most.
//
// Prove checks the program's secret; its error is returned. [Issuer.RevokeAccess] with the program's
// ID refuses its tokens, also one that is being made: a program whose secret was checked before the
// revocation gets a token that is refused.
func (i *Issuer[T]) ClientToken(
	ctx context.Context, client Client, prove func(context.Context) (id string, scopes []string, err error),
) (Tokens, error) {
	since, err := i.sequence(ctx)
	if err != nil {
		return Tokens{}, err
	}
	id, scopes, err := prove(ctx)
	if err != nil {
		return Tokens{}, err
	}
	key, err := i.c.Keys.SigningKey(ctx)
	if err != nil {
		return Tokens{}, ErrStoreUnavailable.Because(fmt.Errorf("finding the signing key: %w", err))
	}
	now, life := i.now(), min(i.c.AccessTTL, clientTTL)
	tokenID := uid.New(now)
	access, err := jwt.Sign(key, jwt.TypeAccess, jwt.Claims{
		Issuer: i.c.Issuer, Subject: id, Audience: []string{i.c.Audience}, ExpiresAt: now.Add(life), IssuedAt: now,
		Sequence: max(since, 1), ID: tokenID, ClientID: id, Scopes: append([]string{}, scopes...), Roles: []string{},
	}, nil)
	if err != nil {
		return Tokens{}, fmt.Errorf("signing access token: %w", err)
	}
	told := Event{Name: EventClientToken, Subject: id, TokenID: tokenID, Client: client}
	if err := i.Tell(ctx, told); err != nil {
		return Tokens{}, err
	}
	return Tokens{AccessToken: access, ExpiresIn: life, Scopes: scopes, Subject: id}, nil
}

// RefreshNarrowed is [Issuer.Refresh] for an access token with some of the subject's scopes only (RFC
// 6749 §6). No scopes ask for all of them. If the subject lacks one the error is
// [ErrInsufficientScope], and the refresh token has not been used.
func (i *Issuer[T]) RefreshNarrowed(
	ctx context.Context, refreshToken string, scopes []string, client Client,
) (Tokens, error) {
	return i.refresh(ctx, refreshToken, scopes, client)
}

// narrow leaves these scopes of a grant; none for all.
func (m *mint[T]) narrow(scopes []string) error {
	if len(scopes) == 0 {
		return nil
	}
	for _, scope := range scopes {
		if !slices.Contains(m.grant.Scopes, scope) {
			e := *ErrInsufficientScope.Because(errors.New("a refresh asks for a scope that the subject has not"))
			e.Scopes = scopes
			return &e
		}
	}
	m.grant.Scopes = scopes
	return nil
}
