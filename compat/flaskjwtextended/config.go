// Package flaskjwtextended speaks the wire of Flask-JWT-Extended 4: tokens in a header, in cookies with a CSRF double
// submit, in the query or in a JSON body; access and refresh tokens, fresh or not; and each of its failure bodies, so that
// the clients of such an API can stay as they are while the server moves.
//
// What one gives up by choosing it, compared with package hallpass: a refresh token is no different after it was used, so
// one that was stolen is not noticed; nothing is revoked unless the application keeps the list; there are no sessions; with
// a secret, whoever verifies can also sign. Nothing here changes the defaults of package hallpass.
//
// It differs from the original where that is unsafe: a secret must be a strong one; cookies are Secure unless
// InsecureCookies says otherwise, and SameSite=Lax; a token without "exp" is refused unless tokens never expire by the
// settings; a token without "type" is refused, and does not count as an access token; CSRF protection has no switch.
//
// Not carried over: the options JWT_DECODE_ALGORITHMS and the key callbacks (a key has one algorithm, and is not chosen by
// what a token says), JWT_VERIFY_SUB, JWT_COOKIE_CSRF_PROTECT, JWT_CSRF_METHODS (every method that changes something), and
// the callbacks that replace a failure's body.
package flaskjwtextended

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hallpass-go/hallpass/compat/internal/pyjwt"
	"github.com/hallpass-go/hallpass/jwk"
)

// Never is a lifetime without an end, as False is in the original. Revoke such tokens by IsRevoked.
const Never time.Duration = -1

// Location is where in a request a token may stand.
type Location string

// The locations of JWT_TOKEN_LOCATION.
const (
	Headers     Location = "headers"
	Cookies     Location = "cookies"
	QueryString Location = "query_string"
	JSON        Location = "json"
)

// Config has the settings and callbacks of Flask-JWT-Extended. U is the application's user.
type Config[U any] struct {
	// Secret is JWT_SECRET_KEY: at least as many random bytes as the algorithm's hash has. Required unless there is a PrivateKey.
	Secret []byte
	// Algorithm is JWT_ALGORITHM for a Secret: HS256, HS384 or HS512. Defaults to HS256.
	Algorithm jwk.Algorithm
	// PrivateKey is JWT_PRIVATE_KEY with its JWT_PUBLIC_KEY and JWT_ALGORITHM: see [jwk.ParsePrivatePEM]. Defaults to none.
	PrivateKey *jwk.PrivateKey

	// AccessExpires is JWT_ACCESS_TOKEN_EXPIRES; [Never] for False. Defaults to 15 minutes.
	AccessExpires time.Duration
	// RefreshExpires is JWT_REFRESH_TOKEN_EXPIRES; [Never] for False. Defaults to 30 days.
	RefreshExpires time.Duration
	// Issuer is JWT_ENCODE_ISSUER and JWT_DECODE_ISSUER. Defaults to none: any is taken.
	Issuer string
	// Audience is JWT_ENCODE_AUDIENCE and JWT_DECODE_AUDIENCE. Defaults to none: any is taken.
	Audience string
	// Leeway is JWT_DECODE_LEEWAY. Defaults to none.
	Leeway time.Duration
	// WithoutNotBefore is JWT_ENCODE_NBF = False. Defaults to tokens with "nbf".
	WithoutNotBefore bool
	// IdentityClaim is JWT_IDENTITY_CLAIM. Defaults to "sub".
	IdentityClaim string
	// ErrorMessageKey is JWT_ERROR_MESSAGE_KEY. Defaults to "msg".
	ErrorMessageKey string
	// Locations are JWT_TOKEN_LOCATION, asked in their order. Defaults to Headers.
	Locations []Location

	// HeaderName is JWT_HEADER_NAME. Defaults to "Authorization".
	HeaderName string
	// HeaderType is JWT_HEADER_TYPE, in this very spelling. Defaults to "Bearer".
	HeaderType string
	// BareHeader is JWT_HEADER_TYPE = "": the header holds the token alone. Defaults to a HeaderType.
	BareHeader bool
	// QueryName is JWT_QUERY_STRING_NAME. Defaults to "jwt".
	QueryName string
	// QueryPrefix is JWT_QUERY_STRING_VALUE_PREFIX. Defaults to none.
	QueryPrefix string
	// JSONKey is JWT_JSON_KEY. Defaults to "access_token".
	JSONKey string
	// RefreshJSONKey is JWT_REFRESH_JSON_KEY. Defaults to "refresh_token".
	RefreshJSONKey string
	// Cookie has the settings of tokens in cookies.
	Cookie CookieConfig

	// Lookup is the user_lookup_loader: it returns a token's user, or false for one who is gone. Defaults to no user.
	Lookup func(ctx context.Context, token Token) (U, bool, error)
	// IsRevoked is the token_in_blocklist_loader. Defaults to no list.
	IsRevoked func(ctx context.Context, token Token) (bool, error)
	// VerifyClaims is the token_verification_loader. Defaults to taking all.
	VerifyClaims func(ctx context.Context, token Token) bool
	// Failed is told the errors of the callbacks, which a client sees as 500 only. Optional.
	Failed func(ctx context.Context, err error)
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// CookieConfig has the settings of tokens in cookies and of their CSRF protection.
type CookieConfig struct {
	// AccessName is JWT_ACCESS_COOKIE_NAME. Defaults to "access_token_cookie".
	AccessName string
	// RefreshName is JWT_REFRESH_COOKIE_NAME. Defaults to "refresh_token_cookie".
	RefreshName string
	// AccessPath is JWT_ACCESS_COOKIE_PATH. Defaults to "/".
	AccessPath string
	// RefreshPath is JWT_REFRESH_COOKIE_PATH. Defaults to "/".
	RefreshPath string
	// Domain is JWT_COOKIE_DOMAIN. Defaults to none: the host alone.
	Domain string
	// Lasting is JWT_SESSION_COOKIE = False: a browser keeps the cookies for a year. Defaults to until it is closed.
	Lasting bool
	// Insecure is JWT_COOKIE_SECURE = False: cookies travel without TLS too. Defaults to Secure.
	Insecure bool
	// Strict is JWT_COOKIE_SAMESITE = "Strict". Defaults to "Lax".
	Strict bool

	// AccessCSRFName is JWT_ACCESS_CSRF_COOKIE_NAME. Defaults to "csrf_access_token".
	AccessCSRFName string
	// RefreshCSRFName is JWT_REFRESH_CSRF_COOKIE_NAME. Defaults to "csrf_refresh_token".
	RefreshCSRFName string
	// AccessCSRFHeader is JWT_ACCESS_CSRF_HEADER_NAME. Defaults to "X-CSRF-TOKEN".
	AccessCSRFHeader string
	// RefreshCSRFHeader is JWT_REFRESH_CSRF_HEADER_NAME. Defaults to "X-CSRF-TOKEN".
	RefreshCSRFHeader string
	// CSRFForm is JWT_CSRF_CHECK_FORM: the value may stand in a form's CSRFField too. Defaults to the header alone.
	CSRFForm bool
	// CSRFField is JWT_ACCESS_CSRF_FIELD_NAME and JWT_REFRESH_CSRF_FIELD_NAME. Defaults to "csrf_token".
	CSRFField string
	// WithoutCSRFCookies is JWT_CSRF_IN_COOKIES = False: the application hands the values out, by [Manager.CSRFToken]. Defaults to cookies.
	WithoutCSRFCookies bool
}

// Manager makes tokens and guards routes. It is safe for concurrent use.
type Manager[U any] struct {
	c       Config[U]
	key     jwk.SigningKey
	decoder pyjwt.Decoder
}

// New returns an API's manager, or every mistake in c at once. Errors about the secret wrap [jwk.ErrWeakKey] or
// [jwk.ErrInvalidKey].
func New[U any](c Config[U]) (*Manager[U], error) {
	var mistakes []error
	key, err := signingKey(&c)
	if err != nil {
		mistakes = append(mistakes, err)
	}
	for _, location := range c.Locations {
		if !slices.Contains([]Location{Headers, Cookies, QueryString, JSON}, location) {
			mistakes = append(mistakes, fmt.Errorf("flaskjwtextended: Locations: there is no %q", location))
		}
	}
	if c.AccessExpires < Never || c.RefreshExpires < Never || c.Leeway < 0 {
		mistakes = append(mistakes, errors.New("flaskjwtextended: AccessExpires, RefreshExpires or Leeway is negative"))
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	c.setDefaults()
	m := &Manager[U]{c: c, key: key, decoder: pyjwt.Decoder{
		Version: pyjwt.V2, Key: key, Leeway: c.Leeway, Issuer: c.Issuer, Audience: c.Audience, AnyAudience: true, Subject: true,
	}}
	if c.AccessExpires != Never && c.RefreshExpires != Never {
		m.decoder.Required = []string{"exp"}
	}
	return m, nil
}

func signingKey[U any](c *Config[U]) (jwk.SigningKey, error) {
	if c.PrivateKey != nil {
		if c.Secret != nil || c.Algorithm != "" {
			return nil, errors.New("flaskjwtextended: a PrivateKey has its algorithm, and no Secret beside it")
		}
		return c.PrivateKey, nil
	}
	c.Algorithm = orElse(c.Algorithm, jwk.HS256)
	key, err := jwk.NewSecret(c.Algorithm, "flask-jwt-extended", c.Secret)
	if err != nil {
		return nil, fmt.Errorf("flaskjwtextended: Secret: %w", err)
	}
	return key, nil
}

func (c *Config[U]) setDefaults() {
	c.AccessExpires = orElse(c.AccessExpires, 15*time.Minute)
	c.RefreshExpires = orElse(c.RefreshExpires, 30*24*time.Hour)
	c.IdentityClaim = orElse(c.IdentityClaim, "sub")
	c.ErrorMessageKey = orElse(c.ErrorMessageKey, "msg")
	c.HeaderName = orElse(c.HeaderName, "Authorization")
	c.HeaderType = orElse(c.HeaderType, "Bearer")
	c.QueryName = orElse(c.QueryName, "jwt")
	c.JSONKey = orElse(c.JSONKey, "access_token")
	c.RefreshJSONKey = orElse(c.RefreshJSONKey, "refresh_token")
	if len(c.Locations) == 0 {
		c.Locations = []Location{Headers}
	}
	if c.Failed == nil {
		c.Failed = func(context.Context, error) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	cookie := &c.Cookie
	cookie.AccessName = orElse(cookie.AccessName, "access_token_cookie")
	cookie.RefreshName = orElse(cookie.RefreshName, "refresh_token_cookie")
	cookie.AccessPath = orElse(cookie.AccessPath, "/")
	cookie.RefreshPath = orElse(cookie.RefreshPath, "/")
	cookie.AccessCSRFName = orElse(cookie.AccessCSRFName, "csrf_access_token")
	cookie.RefreshCSRFName = orElse(cookie.RefreshCSRFName, "csrf_refresh_token")
	cookie.AccessCSRFHeader = orElse(cookie.AccessCSRFHeader, "X-CSRF-TOKEN")
	cookie.RefreshCSRFHeader = orElse(cookie.RefreshCSRFHeader, "X-CSRF-TOKEN")
	cookie.CSRFField = orElse(cookie.CSRFField, "csrf_token")
}

func orElse[V comparable](value, fallback V) V {
	if value == *new(V) {
		return fallback
	}
	return value
}
