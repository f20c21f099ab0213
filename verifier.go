package hallpass

import (
	"context"
	"errors"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// VerifierConfig says which access tokens a [Verifier] accepts.
type VerifierConfig struct {
	// Issuer is who must have issued the token, compared exactly with "iss". Required.
	Issuer string
	// Audience is who the token must be for: this API's own name, one of "aud". Required.
	Audience string
	// Keys are the issuer's: a [jwk.Set], a [jwk.Ring], or [jwk.Remote]. Required.
	Keys jwk.Source
	// Revocations are looked up for each token. Defaults to none: a token is accepted until it expires.
	Revocations *Revocations
	// Leeway is how far the issuer's clock may be from this one. Defaults to 30 seconds; negative means none.
	Leeway time.Duration
	// MaxLifetime is the longest that a token may live. Defaults to 24 hours.
	MaxLifetime time.Duration
	// Sources are where a request may hold its token. Defaults to FromHeader("Authorization", "Bearer").
	Sources []TokenSource
	// Profile renders refusals. Defaults to [Problem].
	Profile Profile
	// Observe is told of each refusal; it must not block. Defaults to nobody.
	Observe func(context.Context, Event)
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Verifier is the checking half: it tells who sent a request. It is immutable and safe for concurrent use.
type Verifier[T any] struct {
	tokens      *jwt.Verifier
	revocations *Revocations
	sources     []TokenSource
	profile     Profile
	observe     func(context.Context, Event)
	now         func() time.Time
}

// NewVerifier returns a verifier for tokens whose own claims decode into T, or every mistake in c at once.
// Use struct{} for a T without members.
func NewVerifier[T any](c VerifierConfig) (*Verifier[T], error) {
	leeway := defaultTo(c.Leeway, 30*time.Second)
	tokens, err := jwt.NewVerifier(jwt.Config{
		Issuer: c.Issuer, Audience: c.Audience, Keys: c.Keys, Leeway: max(leeway, 0), MaxLifetime: c.MaxLifetime,
	})
	var sourceErr error
	for _, s := range c.Sources {
		if s.find == nil {
			sourceErr = errors.New("hallpass: Sources holds a zero TokenSource")
		}
	}
	if err := errors.Join(err, sourceErr); err != nil {
		return nil, err
	}
	v := &Verifier[T]{
		tokens: tokens, revocations: c.Revocations, sources: c.Sources, profile: c.Profile, observe: c.Observe, now: c.Now,
	}
	if len(v.sources) == 0 {
		v.sources = []TokenSource{FromHeader("Authorization", "Bearer")}
	}
	if v.profile == nil {
		v.profile = Problem{}
	}
	if v.observe == nil {
		v.observe = func(context.Context, Event) {}
	}
	if v.now == nil {
		v.now = time.Now
	}
	return v, nil
}

// Verify returns the identity that an access token proves: signature first, then claims, then revocation. Errors are
// [ErrTokenInvalid], [ErrTokenExpired], [ErrTokenRevoked], or [ErrStoreUnavailable] when the keys cannot be had;
// with an error the identity is empty. It is for tokens that do not come in an HTTP request.
func (v *Verifier[T]) Verify(ctx context.Context, token string) (Identity[T], error) {
	var id Identity[T]
	claims, err := v.tokens.Verify(ctx, token, v.now(), &id.Custom)
	if err != nil {
		return Identity[T]{}, tokenError(err)
	}
	if v.revocations != nil && v.revocations.IsRevoked(&claims) {
		return Identity[T]{}, ErrTokenRevoked
	}
	id.Claims = claims
	return id, nil
}

func defaultTo[V comparable](value, fallback V) V {
	var zero V
	if value == zero {
		return fallback
	}
	return value
}
