package flaskjwtextended

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/compat/internal/pyjwt"
	"github.com/hallpass-go/hallpass/jwk"
)

// Auth creates tokens and guards handlers. It is safe for concurrent use.
type Auth[U any] struct {
	c        Config[U]
	key      jwk.SigningKey  // nil if there is only a public key
	decoders []pyjwt.Decoder // one per key, the API's own key first
}

// own are the claims that additional claims must not replace.
var own = []string{"fresh", "iat", "jti", "type", "sub", "nbf", "csrf", "exp", "aud", "iss"}

// New returns an Auth for an API. Its error lists every mistake in c. Errors about keys wrap
// [jwk.ErrWeakKey] or [jwk.ErrInvalidKey].
func New[U any](c Config[U]) (*Auth[U], error) {
	a := &Auth[U]{c: c}
	a.fillIn()
	mistakes := a.c.mistakes()
	verifying, err := a.readKeys()
	if err != nil {
		mistakes = append(mistakes, err)
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	required := []string{"iat", "jti"} // the original sets both, but accepts tokens without
	if a.c.AccessExpires != Never && a.c.RefreshExpires != Never {
		required = append(required, "exp")
	}
	for _, key := range verifying {
		a.decoders = append(a.decoders, pyjwt.Decoder{
			Version: pyjwt.V2, Key: key, Leeway: a.c.Leeway, Required: required, Issuer: a.c.Issuer,
			Audience: a.c.Audience, Subject: !a.c.AnySubject,
		})
	}
	return a, nil
}

func orElse[V comparable](value *V, fallback V) {
	if *value == *new(V) {
		*value = fallback
	}
}

// fillIn sets the defaults in the configuration.
func (a *Auth[U]) fillIn() {
	c := &a.c
	orElse(&c.Algorithm, jwk.HS256)
	orElse(&c.AccessExpires, 15*time.Minute)
	orElse(&c.RefreshExpires, 30*24*time.Hour)
	orElse(&c.IdentityClaim, "sub")
	orElse(&c.MessageKey, "msg")
	orElse(&c.HeaderName, "Authorization")
	orElse(&c.HeaderType, "Bearer")
	orElse(&c.QueryName, "jwt")
	orElse(&c.JSONKey, "access_token")
	orElse(&c.RefreshJSONKey, "refresh_token")
	orElse(&c.AccessCookie.Name, "access_token_cookie")
	orElse(&c.AccessCookie.CSRFName, "csrf_access_token")
	orElse(&c.RefreshCookie.Name, "refresh_token_cookie")
	orElse(&c.RefreshCookie.CSRFName, "csrf_refresh_token")
	for _, names := range []*CookieNames{&c.AccessCookie, &c.RefreshCookie} {
		orElse(&names.Path, "/")
		orElse(&names.CSRFPath, "/")
		orElse(&names.CSRFHeader, "X-CSRF-TOKEN")
		orElse(&names.CSRFField, "csrf_token")
	}
	orElse(&c.CookieSameSite, http.SameSiteLaxMode)
	c.CookieDomain = strings.TrimLeft(c.CookieDomain, ".")
	if c.Locations = slices.Clone(c.Locations); len(c.Locations) == 0 {
		c.Locations = []Location{Headers}
	}
	if c.CSRFMethods = slices.Clone(c.CSRFMethods); c.CSRFMethods == nil {
		c.CSRFMethods = []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	}
	if c.Answer == nil {
		c.Answer = a.write
	}
	if c.Failed == nil {
		c.Failed = func(context.Context, error) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

// mistakes returns the mistakes in c, except those in keys.
func (c *Config[U]) mistakes() []error {
	var found []error
	mistake := func(format string, args ...any) {
		found = append(found, fmt.Errorf("flaskjwtextended: "+format, args...))
	}
	for _, expires := range []time.Duration{c.AccessExpires, c.RefreshExpires} {
		if expires < time.Second && expires != Never {
			mistake("AccessExpires or RefreshExpires is less than a second")
		}
	}
	if c.Leeway < 0 {
		mistake("Leeway is negative")
	}
	if c.IdentityClaim != "sub" && slices.Contains(own, c.IdentityClaim) {
		mistake("IdentityClaim is %q, which means something else", c.IdentityClaim)
	}
	if c.BareHeader && c.HeaderType != "Bearer" {
		mistake("HeaderType and BareHeader are both set")
	}
	if err := known(c.Locations); err != nil {
		mistake("Locations: %w", err)
	}
	for name, cookie := range map[string]CookieNames{"AccessCookie": c.AccessCookie, "RefreshCookie": c.RefreshCookie} {
		for _, one := range []http.Cookie{{Name: cookie.Name, Path: cookie.Path},
			{Name: cookie.CSRFName, Path: cookie.CSRFPath}} {
			one.Domain = c.CookieDomain
			if err := one.Valid(); err != nil {
				mistake("%s: %w", name, err)
			}
		}
	}
	if c.AccessCookie.Name == c.RefreshCookie.Name && c.AccessCookie.Path == c.RefreshCookie.Path {
		mistake("both cookies have one name and path")
	}
	if c.CookieSameSite == http.SameSiteNoneMode && c.InsecureCookies {
		mistake("browsers take SameSite=None only from Secure cookies, and InsecureCookies is set")
	}
	return found
}

func known(locations []Location) error {
	for _, location := range locations {
		if !slices.Contains([]Location{Headers, Cookies, QueryString, JSON}, location) {
			return fmt.Errorf("there is no location %q", location)
		}
	}
	return nil
}

// readKeys sets the signing key and returns the keys to verify with.
func (a *Auth[U]) readKeys() ([]jwk.Key, error) {
	c := &a.c
	var key jwk.Key
	var err error
	switch {
	case (len(c.Secret) == 0) == (len(c.PrivateKey) == 0 && len(c.PublicKey) == 0):
		return nil, errors.New("flaskjwtextended: one of Secret and PrivateKey (or PublicKey) is required")
	case len(c.Secret) > 0:
		var secret *jwk.SecretKey
		if secret, err = jwk.NewSecret(c.Algorithm, "flask-jwt-extended", c.Secret); err != nil {
			return nil, fmt.Errorf("flaskjwtextended: Secret: %w", err)
		}
		key, a.key = secret, secret
	default:
		if key, err = a.readPair(); err != nil {
			return nil, err
		}
	}
	keys := []jwk.Key{key}
	for _, other := range c.AlsoVerify {
		if isSecret(other) != isSecret(key) {
			return nil, errors.New("flaskjwtextended: AlsoVerify mixes secrets and public keys")
		}
		if slices.ContainsFunc(keys, func(k jwk.Key) bool { return k.Algorithm() == other.Algorithm() }) {
			return nil, fmt.Errorf("flaskjwtextended: AlsoVerify: two keys for %s", other.Algorithm())
		}
		keys = append(keys, other)
	}
	return keys, nil
}

func isSecret(key jwk.Key) bool {
	_, secret := key.(*jwk.SecretKey)
	return secret
}

// readPair reads PrivateKey, PublicKey, or both, which must then belong together.
func (a *Auth[U]) readPair() (*jwk.PublicKey, error) {
	var public *jwk.PublicKey
	if len(a.c.PublicKey) > 0 {
		var err error
		if public, err = jwk.ParsePublicPEM(a.c.PublicKey, a.c.Algorithm, ""); err != nil {
			return nil, fmt.Errorf("flaskjwtextended: PublicKey: %w", err)
		}
	}
	if len(a.c.PrivateKey) == 0 {
		return public, nil
	}
	private, err := jwk.ParsePrivatePEM(a.c.PrivateKey, a.c.Algorithm, "")
	if err != nil {
		return nil, fmt.Errorf("flaskjwtextended: PrivateKey: %w", err)
	}
	a.key = private
	if public != nil && public.Thumbprint() != private.Public().Thumbprint() {
		return nil, errors.New("flaskjwtextended: PublicKey is not the public half of PrivateKey")
	}
	return private.Public(), nil
}
