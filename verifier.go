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
	// Issuer is the required issuer of a token, compared exactly with "iss". Required, unless there
	// are Issuers.
	Issuer string
	// Audience is the name of this API, which must be one of the token's "aud". Required with
	// Issuer.
	Audience string
	// Keys are the issuer's: a [jwk.Set], a [jwk.Ring], or [jwk.Remote]. Required with Issuer.
	Keys jwk.Source
	// Revocations are checked for each token of Issuer. Defaults to none: a token is accepted until
	// it expires.
	Revocations *Revocations
	// Issuers are others whose tokens are accepted: package issuers has ready ones. A token's "iss"
	// chooses which of them it must satisfy, with the keys of that one alone. [jwt.Claims.Issuer]
	// of the identity says which it was. A subject means nothing without its issuer: two issuers
	// may give the same ID to different people, so keep both.
	Issuers []TrustedIssuer
	// Leeway is how far the issuer's clock may be from this one. Defaults to 30 seconds; negative
	// means none.
	Leeway time.Duration
	// MaxLifetime is the longest life of a token of Issuer. Defaults to 24 hours.
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
	issuers    []*trusted
	among      []*jwt.Verifier // those of the issuers
	home       string          // the issuer whose subjects the IDs in paths are
	leeway     time.Duration
	hasCustom  bool            // T has members
	remembered *tokenMemory[T] // nil for none
	sources    []TokenSource
	vary       string // the header fields that may hold a token
	profile    Profile
	observe    func(context.Context, Event)
	now        func() time.Time
}

// NewVerifier returns a verifier for tokens whose own claims decode into T, or every mistake in c
// at once. Use struct{} as T if there are none.
func NewVerifier[T any](c VerifierConfig) (*Verifier[T], error) {
	leeway := max(defaultTo(c.Leeway, 30*time.Second), 0)
	issuers, err := c.trusts(leeway)
	claimsType := reflect.TypeFor[T]()
	if claimsType.Kind() != reflect.Struct {
		err = errors.Join(
			err,
			fmt.Errorf("hallpass: T is %v and must be a struct; use struct{} for one without members", claimsType),
		)
	} else {
		err = errors.Join(err, jwt.CheckOwn(claimsType))
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
		issuers: issuers, home: c.home(), leeway: leeway, hasCustom: claimsType.NumField() > 0,
		sources: c.Sources, profile: c.Profile, observe: c.Observe, now: c.Now,
	}
	for _, t := range issuers {
		v.among = append(v.among, t.tokens)
	}
	if remember := defaultTo(c.Remember, 16<<10); remember > 0 {
		v.remembered = newTokenMemory[T](remember)
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
	if v.remembered != nil {
		if e := v.remembered.Find(token); e != nil {
			if err := e.Value.issuer.revocations.stale(v.now); err != nil {
				return id, ErrStoreUnavailable.Because(err)
			}
			if e.Value.stillHolds(ctx, v.now()) {
				v.remembered.copy(&id, &e.Value.identity)
				return id, nil
			}
			v.remembered.Forget(e)
		}
	}
	issuer, err := v.issuerOf(token)
	if err != nil {
		return id, tokenError(err)
	}
	// The clock is read only where it is needed, so that a forged token costs no more than its
	// signature's check.
	if err := issuer.revocations.stale(v.now); err != nil {
		return id, ErrStoreUnavailable.Because(err)
	}
	// Before the look-up: what is revoked meanwhile is then looked up again.
	version := issuer.revocations.version.Load()
	signed, err := issuer.tokens.VerifySignature(ctx, token)
	if err != nil {
		return id, tokenError(err)
	}
	if err := v.read(issuer, &signed, &id); err != nil {
		return Identity[T]{}, err
	}
	if v.remembered != nil {
		e := v.remembered.newEntry(token, &id)
		e.Value.issuer, e.Value.key = issuer, signed.Key()
		e.Value.from, e.Value.until = window(&id.Claims, v.leeway)
		e.Value.unrevoked.Store(version)
		v.remembered.Add(e)
	}
	return id, nil
}

// read reads and checks what a token says. After an error, id has no meaning.
func (v *Verifier[T]) read(issuer *trusted, signed *jwt.Signed, id *Identity[T]) error {
	var custom *T
	var target any // stays nil when there is nothing to decode, which saves memory
	if v.hasCustom {
		custom = new(T)
		target = custom
	}
	if err := signed.Read(v.now(), &id.Claims, target); err != nil {
		return tokenError(err)
	}
	if issuer.revocations.IsRevoked(&id.Claims) {
		return ErrTokenRevoked
	}
	if custom != nil {
		id.Custom = *custom
	}
	return nil
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
