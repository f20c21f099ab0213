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

// VerifierConfig says which access tokens a [Verifier] accepts.
type VerifierConfig struct {
	// Issuer is who must have issued the token, compared exactly with "iss". Required.
	Issuer string
	// Audience is who the token must be for: this API's own name, one of "aud". Required.
	Audience string
	// Keys are the issuer's: a [jwk.Set], a [jwk.Ring], or [jwk.Remote]. Required.
	Keys jwk.Source
	// Revocations are looked up for each token. Defaults to none: a token is accepted until it
	// expires.
	Revocations *Revocations
	// Leeway is how far the issuer's clock may be from this one. Defaults to 30 seconds; negative
	// means none.
	Leeway time.Duration
	// MaxLifetime is the longest that a token may live. Defaults to 24 hours.
	MaxLifetime time.Duration
	// Remember is how many tokens to remember with what they proved, at about 1.1 KB each, so that
	// the same token is verified once by its signature. Expiry, revocation and the key are looked
	// at each time. Each request gets a copy of its own; of a T that cannot be copied whole no
	// token is remembered: one with a type that decodes itself (UnmarshalJSON) into slices, maps or
	// pointers, or that embeds a hidden struct with such members. Defaults to 16,384; negative for
	// none.
	Remember int
	// Sources are where a request may hold its token. Defaults to FromHeader("Authorization",
	// "Bearer").
	Sources []TokenSource
	// Profile renders refusals. Defaults to [Problem].
	Profile Profile
	// Observe is told of each refusal; it must not block. Defaults to nobody.
	Observe func(context.Context, Event)
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Verifier is the checking half: it tells who sent a request. It is immutable and safe for
// concurrent use.
type Verifier[T any] struct {
	tokens      *jwt.Verifier
	keys        jwk.Source
	hasCustom   bool           // T has members
	remembered  *remembered[T] // nil for none
	revocations *Revocations   // never nil
	sources     []TokenSource
	vary        string // the header fields that may hold a token
	profile     Profile
	observe     func(context.Context, Event)
	now         func() time.Time
}

// NewVerifier returns a verifier for tokens whose own claims decode into T, or every mistake in c
// at once. Use struct{} for a T without members.
func NewVerifier[T any](c VerifierConfig) (*Verifier[T], error) {
	leeway := defaultTo(c.Leeway, 30*time.Second)
	tokens, err := jwt.NewVerifier(jwt.Config{
		Issuer: c.Issuer, Audience: c.Audience, Keys: c.Keys, Leeway: max(leeway, 0), MaxLifetime: c.MaxLifetime,
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
		tokens: tokens, keys: c.Keys, hasCustom: claimsType.NumField() > 0, revocations: c.Revocations,
		sources: c.Sources, profile: c.Profile, observe: c.Observe, now: c.Now,
	}
	if remember := defaultTo(c.Remember, 16<<10); remember > 0 && canCopy(claimsType, map[reflect.Type]bool{}) {
		v.remembered = newRemembered[T](remember)
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

// Verify returns the identity that an access token proves: signature first, then claims, then
// revocation. Errors are [ErrTokenInvalid], [ErrTokenExpired], [ErrTokenRevoked], or
// [ErrStoreUnavailable] when the keys or the revocations cannot be had; with an error the identity
// is empty. It is for tokens that do not come in an HTTP request.
func (v *Verifier[T]) Verify(ctx context.Context, token string) (id Identity[T], err error) {
	// The clock is read where it is needed: a forged token shall cost its signature's check alone.
	if err := v.revocations.stale(v.now); err != nil {
		return id, ErrStoreUnavailable.Because(err)
	}
	if v.remembered != nil {
		if e := v.remembered.find(token); e != nil {
			if v.stillHolds(ctx, e, v.now()) {
				v.remembered.copy(&id, &e.identity)
				return id, nil
			}
			v.remembered.forget(e)
		}
	}
	if err := v.verify(ctx, token, &id); err != nil {
		return Identity[T]{}, err
	}
	return id, nil
}

// verify verifies a token in full, and remembers it. With an error, id means nothing.
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
		e := v.remembered.newMemory(token, id)
		e.key = signed.Key()
		e.from, e.until = v.tokens.Window(&id.Claims)
		e.unrevoked.Store(version)
		v.remembered.add(e)
	}
	return nil
}

// stillHolds looks at all that may have changed since a token was verified by its signature.
func (v *Verifier[T]) stillHolds(ctx context.Context, e *memory[T], now time.Time) bool {
	if key, err := v.keys.Key(ctx, e.key.ID()); err != nil || key != e.key {
		return false
	}
	if now.Before(e.from) || !now.Before(e.until) {
		return false
	}
	version := v.revocations.version.Load()
	if e.unrevoked.Load() != version {
		if v.revocations.IsRevoked(&e.identity.Claims) {
			return false
		}
		e.unrevoked.Store(version)
	}
	return true
}

// Remembered returns the figures of the remembered tokens; all are zero when none are to be
// remembered.
func (v *Verifier[T]) Remembered() RememberedStats {
	if v.remembered == nil {
		return RememberedStats{}
	}
	return v.remembered.stats()
}

func defaultTo[V comparable](value, fallback V) V {
	var zero V
	if value == zero {
		return fallback
	}
	return value
}
