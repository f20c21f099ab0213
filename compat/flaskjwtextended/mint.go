package flaskjwtextended

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hallpass-go/hallpass/compat/internal/pyjwt"
	"github.com/hallpass-go/hallpass/jwk"
)

// Token is a new token, with the results of get_jti and get_csrf_token.
type Token struct {
	Text      string
	ID        string    // "jti", a UUID
	CSRF      string    // "csrf", which clients send besides the cookie; may be ""
	Refresh   bool      // whether it is a refresh token
	ExpiresAt time.Time // zero if the token does not expire
}

// Mint describes one token. Its fields are the arguments of create_access_token and
// create_refresh_token.
type Mint struct {
	// Fresh marks an access token as coming from a login (fresh=True). Defaults to false.
	Fresh bool
	// FreshFor marks it as fresh for a limited time (fresh=timedelta). Defaults to Fresh.
	FreshFor time.Duration
	// Expires is the token's lifetime (expires_delta). Defaults to the lifetime in Config.
	Expires time.Duration
	// Claims are additional_claims. They override those of Config.AdditionalClaims. Defaults to
	// none.
	Claims map[string]any
}

// AccessToken is create_access_token. It fails if the subject is empty, an additional claim has the
// name of a standard claim, the token would be too long for a request, there is no signing key, or
// AdditionalClaims fails.
func (a *Auth[U]) AccessToken(ctx context.Context, subject string, m Mint) (Token, error) {
	return a.mint(ctx, subject, m, Token{Refresh: false})
}

// RefreshToken is create_refresh_token. It fails like AccessToken, and also if the token is to be
// fresh.
func (a *Auth[U]) RefreshToken(ctx context.Context, subject string, m Mint) (Token, error) {
	if m.Fresh || m.FreshFor != 0 {
		return Token{}, errors.New("flaskjwtextended: a refresh token is never fresh")
	}
	return a.mint(ctx, subject, m, Token{Refresh: true})
}

func (a *Auth[U]) mint(ctx context.Context, subject string, m Mint, t Token) (Token, error) {
	switch {
	case a.key == nil:
		return Token{}, errors.New("flaskjwtextended: there is a public key alone, and none to sign with")
	case subject == "":
		return Token{}, errors.New("flaskjwtextended: the subject is empty")
	case m.Expires < 0 || m.FreshFor < 0:
		return Token{}, errors.New("flaskjwtextended: Expires or FreshFor is negative")
	}
	claims, err := a.additional(ctx, subject, m.Claims)
	if err != nil {
		return Token{}, err
	}
	now := a.c.Now()
	kind, expires := "access", a.c.AccessExpires
	if t.Refresh {
		kind, expires = "refresh", a.c.RefreshExpires
	}
	orElse(&m.Expires, expires)
	t.ID = newUUID()
	if m.Expires != Never {
		t.ExpiresAt = now.Add(m.Expires).Truncate(time.Second)
		claims["exp"] = t.ExpiresAt.Unix()
	}
	claims["fresh"], claims["type"] = m.Fresh, kind
	if m.FreshFor > 0 {
		claims["fresh"] = now.Add(m.FreshFor).Unix()
	}
	claims["jti"], claims[a.c.IdentityClaim] = t.ID, subject
	claims["iat"] = now.Unix()
	if !a.c.NoNotBefore {
		claims["nbf"] = now.Unix()
	}
	if !a.c.AllowCookiesWithoutCSRF {
		t.CSRF = newUUID()
		claims["csrf"] = t.CSRF
	}
	if a.c.Audience != "" {
		claims["aud"] = a.c.Audience
	}
	if a.c.Issuer != "" {
		claims["iss"] = a.c.Issuer
	}
	header := struct {
		Algorithm jwk.Algorithm `json:"alg"`
		Type      string        `json:"typ"`
	}{a.c.Algorithm, "JWT"}
	if t.Text, err = pyjwt.Encode(a.key, header, claims); err != nil {
		return Token{}, fmt.Errorf("flaskjwtextended: making a token: %w", err)
	}
	return t, nil
}

// additional returns the claims of Config.AdditionalClaims, overridden by those of one call.
func (a *Auth[U]) additional(ctx context.Context, subject string, more map[string]any) (map[string]any, error) {
	claims := map[string]any{}
	if a.c.AdditionalClaims != nil {
		common, err := a.c.AdditionalClaims(ctx, subject)
		if err != nil {
			return nil, fmt.Errorf("additional claims: %w", err)
		}
		maps.Copy(claims, common)
	}
	maps.Copy(claims, more)
	for name := range claims {
		if name == a.c.IdentityClaim || slices.Contains(own, name) {
			return nil, fmt.Errorf("flaskjwtextended: the additional claim %q would replace the token's own", name)
		}
	}
	return claims, nil
}

// newUUID returns a random UUID (RFC 9562 §5.4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
