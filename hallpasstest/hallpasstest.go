// Package hallpasstest provides real keys and tokens for the tests of programs that use package
// hallpass.
//
//	kit := hallpasstest.New[Claims](t)
//	api := newAPI(kit.Keys, kit.Issuer, kit.Audience)            // the program under test
//
// request.Header.Set("Authorization", "Bearer "+kit.Token("alice", hallpass.Grant[Claims]{Roles:
// []string{"admin"}}))
//
//	for name, token := range kit.Refused("alice") { … }          // each must be answered with 401
package hallpasstest

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// Kit is an issuer for one test. T is the type of the application's own claims.
type Kit[T any] struct {
	Issuer   string // what the program under test must expect as "iss"
	Audience string // what it must expect as "aud"
	Keys     jwk.Ring

	t testing.TB
}

// New returns a kit with a new ES256 key.
func New[T any](t testing.TB) *Kit[T] {
	t.Helper()
	return &Kit[T]{Issuer: "https://issuer.test", Audience: "https://api.test", Keys: Keys(t), t: t}
}

// Auth returns both halves of authentication with the kit's keys. It fills in Issuer, Audience and
// Keys where c leaves them empty.
func (k *Kit[T]) Auth(c hallpass.Config[T]) *hallpass.Auth[T] {
	k.t.Helper()
	if c.Issuer == "" {
		c.Issuer = k.Issuer
	}
	if c.Audience == "" {
		c.Audience = k.Audience
	}
	if c.Keys == nil {
		c.Keys = k.Keys
	}
	auth, err := hallpass.New(c)
	if err != nil {
		k.t.Fatal(err)
	}
	return auth
}

// Token returns an access token for the subject that is valid for an hour. It belongs to a session
// of its own.
func (k *Kit[T]) Token(subject string, grant hallpass.Grant[T]) string {
	k.t.Helper()
	return k.sign(k.key(), jwt.TypeAccess, k.claims(subject, grant), grant.Custom)
}

// Refused yields tokens of the subject that a verifier must refuse, each with the reason.
func (k *Kit[T]) Refused(subject string) iter.Seq2[string, string] {
	return func(yield func(reason, token string) bool) {
		k.t.Helper()
		var grant hallpass.Grant[T]
		sign := func(change func(*jwt.Claims)) string {
			c := k.claims(subject, grant)
			change(&c)
			return k.sign(k.key(), jwt.TypeAccess, c, nil)
		}
		valid := k.Token(subject, grant)
		segments := strings.Split(valid, ".")
		none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`))
		tokens := []struct{ reason, token string }{
			{"expired", sign(func(c *jwt.Claims) {
				c.IssuedAt, c.ExpiresAt = c.IssuedAt.Add(-2*time.Hour), c.IssuedAt.Add(-time.Hour)
			})},
			{"not valid yet", sign(func(c *jwt.Claims) { c.NotBefore = c.IssuedAt.Add(time.Hour) })},
			{"another issuer", sign(func(c *jwt.Claims) { c.Issuer = "https://other.test" })},
			{"another audience", sign(func(c *jwt.Claims) { c.Audience = []string{"https://other.test"} })},
			{"another type", k.sign(k.key(), "refresh+jwt", k.claims(subject, grant), nil)},
			{"another key", k.sign(newKey(k.t), jwt.TypeAccess, k.claims(subject, grant), nil)},
			{"no signature", segments[0] + "." + segments[1] + "."},
			{"alg none", none + "." + segments[1] + "."},
			{"not a token", "abc"},
		}
		for _, c := range tokens {
			if !yield(c.reason, c.token) {
				return
			}
		}
	}
}

func (k *Kit[T]) claims(subject string, grant hallpass.Grant[T]) jwt.Claims {
	now := time.Now()
	return jwt.Claims{
		Issuer: k.Issuer, Subject: subject, Audience: []string{k.Audience}, ExpiresAt: now.Add(time.Hour),
		IssuedAt: now, ID: rand.Text(), ClientID: k.Audience, SessionID: rand.Text(), AuthTime: now,
		Scopes: grant.Scopes, Roles: grant.Roles,
	}
}

func (k *Kit[T]) key() jwk.SigningKey {
	k.t.Helper()
	key, err := k.Keys.SigningKey(context.Background())
	if err != nil {
		k.t.Fatal(err)
	}
	return key
}

func (k *Kit[T]) sign(key jwk.SigningKey, typ string, c jwt.Claims, custom any) string {
	k.t.Helper()
	token, err := jwt.Sign(key, typ, c, custom)
	if err != nil {
		k.t.Fatal(err)
	}
	return token
}

// ring is an in-memory [jwk.Ring] with one key.
type ring struct {
	*jwk.Set
	key    *jwk.PrivateKey
	secret []byte
}

// Keys returns an in-memory ring with one new ES256 key.
func Keys(t testing.TB) jwk.Ring {
	t.Helper()
	key := newKey(t)
	set, err := jwk.NewSet(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	return &ring{Set: set, key: key, secret: secret}
}

func newKey(t testing.TB) *jwk.PrivateKey {
	t.Helper()
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (r *ring) SigningKey(context.Context) (jwk.SigningKey, error) { return r.key, nil }

func (r *ring) Published(context.Context) (*jwk.Set, error) { return r.Set, nil }

func (r *ring) Secret(purpose string) [32]byte {
	b, err := hkdf.Key(sha256.New, r.secret, nil, purpose, 32)
	if err != nil {
		panic(err) // only for a length that no hash can produce
	}
	return [32]byte(b)
}
