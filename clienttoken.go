package hallpass

import (
	"context"
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
	now, life := i.now(), min(i.c.AccessTTL, clientTTL)
	tokenID := uid.New(now)
	access, err := i.sign(ctx, jwt.Claims{
		Issuer: i.c.Issuer, Subject: id, Audience: []string{i.c.Audience}, ExpiresAt: now.Add(life), IssuedAt: now,
		Sequence: max(since, 1), ID: tokenID, ClientID: id, Scopes: append([]string{}, scopes...), Roles: []string{},
	}, nil)
	if err != nil {
		return Tokens{}, err
	}
	told := Event{Name: EventClientToken, Subject: id, TokenID: tokenID, Client: client}
	if err := i.Tell(ctx, told); err != nil {
		return Tokens{}, err
	}
	return Tokens{AccessToken: access, ExpiresIn: life, Scopes: scopes, Subject: id}, nil
}
