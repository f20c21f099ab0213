package hallpass

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// VerifierConfig configures which access tokens a [Verifier] accepts.
type VerifierConfig struct {
	// Issuer is the required issuer of a token, compared exactly with "iss". Required.
	Issuer string
	// Audience is the name of this API, which must be one of the token's "aud". Required.
	Audience string
	// Keys are the issuer's: a [jwk.Set], a [jwk.Ring], or [jwk.Remote]. Required.
	Keys jwk.Source
	// Revocations are checked for each token. Defaults to none: a token is accepted until it
	// expires.
	Revocations *Revocations
	// Leeway is how far the issuer's clock may be from this one. Defaults to 30 seconds; negative
	// means none.
	Leeway time.Duration
	// MaxLifetime is the longest life of a token that is accepted. Defaults to 24 hours.
	MaxLifetime time.Duration
	// Remember is how many verified tokens are remembered, at about 1.1 KB each, so that the
	// signature of a token is checked only once. Expiry, revocation and the key are checked each
	// time, and each request gets its own copy of the claims. No token is remembered if T cannot be
	// copied completely: if it contains a type that decodes itself (UnmarshalJSON) into slices,
	// maps or pointers, or embeds an unexported struct with such members. Defaults to 16,384;
	// negative for none.
	Remember int
	// Sources are where a request may hold its token. Defaults to FromHeader("Authorization",
	// "Bearer").
	Sources []TokenSource
	// Profile writes refusals. Defaults to [Problem].
	Profile Profile
	// Observe receives each refusal as an event. It must not block. Defaults to nobody.
	Observe func(context.Context, Event)
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Verifier verifies access tokens and tells who sent a request. It is immutable and safe for
// concurrent use.
type Verifier[T any] struct {
	tokens      *jwt.Verifier
	keys        jwk.Source
	leeway      time.Duration
	hasCustom   bool            // T has members
	remembered  *tokenMemory[T] // nil for none
	revocations *Revocations    // never nil
	sources     []TokenSource
	vary        string // the header fields that may hold a token
	profile     Profile
	observe     func(context.Context, Event)
	now         func() time.Time
}

// NewVerifier returns a verifier for tokens whose own claims decode into T, or every mistake in c
// at once. Use struct{} as T if there are none.
func NewVerifier[T any](c VerifierConfig) (*Verifier[T], error) {
	leeway := max(defaultTo(c.Leeway, 30*time.Second), 0)
	tokens, err := jwt.NewVerifier(jwt.Config{
		Issuer: c.Issuer, Audience: c.Audience, Keys: c.Keys, Leeway: leeway, MaxLifetime: c.MaxLifetime,
	})
	claimsType := reflect.TypeFor[T]()
	if claimsType.Kind() != reflect.Struct {
		err = errors.Join(
			err,
			fmt.Errorf("hallpass: T is %v and must be a struct; use struct{} for one without members", claimsType),
		)
	}
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
		tokens: tokens, keys: c.Keys, leeway: leeway, hasCustom: claimsType.NumField() > 0,
		revocations: c.Revocations, sources: c.Sources, profile: c.Profile, observe: c.Observe, now: c.Now,
	}
	if remember := defaultTo(c.Remember, 16<<10); remember > 0 {
		v.remembered = newTokenMemory[T](remember)
	}
	if v.revocations == nil {
		v.revocations = NewRevocations()
	}
	if len(v.sources) == 0 {
		v.sources = []TokenSource{FromHeader("Authorization", "Bearer")}
	}
	v.vary = vary(v.sources)
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

// Verify returns the identity that an access token proves. It checks the signature first, then the
// claims, then the revocations. Errors are [ErrTokenInvalid], [ErrTokenExpired], [ErrTokenRevoked],
// or [ErrStoreUnavailable] if the keys or the revocations cannot be read. With an error the
// identity is empty. Use it for tokens that do not come in an HTTP request.
func (v *Verifier[T]) Verify(ctx context.Context, token string) (id Identity[T], err error) {
	// The clock is read only where it is needed, so that a forged token costs no more than its
	// signature's check.
	if err := v.revocations.stale(v.now); err != nil {
		return id, ErrStoreUnavailable.Because(err)
	}
	if v.remembered != nil {
		if e := v.remembered.Find(token); e != nil {
			if v.stillHolds(ctx, &e.Value, v.now()) {
				v.remembered.copy(&id, &e.Value.identity)
				return id, nil
			}
			v.remembered.Forget(e)
		}
	}
	if err := v.verify(ctx, token, &id); err != nil {
		return Identity[T]{}, err
	}
	return id, nil
}

// verify verifies a token completely, and remembers it. After an error, id has no meaning.
func (v *Verifier[T]) verify(ctx context.Context, token string, id *Identity[T]) error {
	version := v.revocations.version.Load() // before the look-up: what is revoked meanwhile is then looked up again
	signed, err := v.tokens.VerifySignature(ctx, token)
	if err != nil {
		return tokenError(err)
	}
	var custom *T
	var target any // stays nil when there is nothing to decode, which saves memory
	if v.hasCustom {
		custom = new(T)
		target = custom
	}
	if err := signed.Read(v.now(), &id.Claims, target); err != nil {
		return tokenError(err)
	}
	if v.revocations.IsRevoked(&id.Claims) {
		return ErrTokenRevoked
	}
	if custom != nil {
		id.Custom = *custom
	}
	if v.remembered != nil {
		e := v.remembered.newEntry(token, id)
		e.Value.key = signed.Key()
		e.Value.from, e.Value.until = window(&id.Claims, v.leeway)
		e.Value.unrevoked.Store(version)
		v.remembered.Add(e)
	}
	return nil
}

// stillHolds checks everything that may have changed since the token's signature was checked.
func (v *Verifier[T]) stillHolds(ctx context.Context, p *proven[T], now time.Time) bool {
	if key, err := v.keys.Key(ctx, p.key.ID()); err != nil || key != p.key {
		return false
	}
	if now.Before(p.from) || !now.Before(p.until) {
		return false
	}
	version := v.revocations.version.Load()
	if p.unrevoked.Load() != version {
		if v.revocations.IsRevoked(&p.identity.Claims) {
			return false
		}
		p.unrevoked.Store(version)
	}
	return true
}

// Remembered returns statistics about remembered tokens. They are zero if none are remembered.
func (v *Verifier[T]) Remembered() RememberedStats {
	if v.remembered == nil {
		return RememberedStats{}
	}
	return RememberedStats(v.remembered.Stats())
}

func defaultTo[V comparable](value, fallback V) V {
	var zero V
	if value == zero {
		return fallback
	}
	return value
}
