// Package flaskjwtextended speaks the wire of Flask-JWT-Extended 4.7: its tokens and the four
// places where it looks for them, its cookies and their double-submit CSRF check, fresh and refresh
// tokens, and each of its error bodies, so that clients of such an API can stay as they are while
// the server moves.
//
// What one gives up by choosing it, compared with package hallpass: a refresh token is a token like
// any other, which whoever has it may use until it expires; it is never rotated, so that a thief is
// not noticed. A logout holds only as far as [Config].Revoked knows of it, and needs both tokens.
// There are no sessions and no key set. An error says what is wrong with a token in PyJWT's words,
// and is 422 where others say 401. Nothing here changes the defaults of package hallpass.
//
// # Other answers than the original's
//
// They differ only where the original is unsafe or falls over. Nothing is refused that its own
// tokens and clients send:
//   - A secret must be long, random and not a published one.
//   - A token has iat, jti and type, and exp unless [Never] says otherwise. The original takes one without a
//     type as an access token, one of any type that is not "refresh" likewise, and one without exp for ever.
//   - A token that names an audience is refused when none is configured (RFC 7519 §4.1.3); the original
//     overlooks it.
//   - An identity that is empty or null is none.
//   - JSON with a member twice or with NaN, another "typ" than JWT, headers that would bring keys,
//     "crit", stray characters, and tokens over 8 KiB are refused.
//   - Cookies are Secure and SameSite=Lax unless [Config] says otherwise; there they are neither.
//   - What makes the original answer 500, such as a claim of a wrong type, is refused like its kin.
//   - OPTIONS is answered without a call of the handler, as Flask itself does, rather than with one that has
//     no identity.
//
// # What is not carried over
//
//   - JWT_DECODE_ALGORITHMS with one key: a key has one algorithm; see AlsoVerify.
//   - JWT_ENCODE_ and JWT_DECODE_ issuer and audience apart, and lists: an API makes tokens for itself and
//     takes those.
//   - decode_key_loader, encode_key_loader: a key that is chosen by what an unverified token says.
//   - additional_headers_loader and additional_headers: nothing reads them. Additional claims that take the
//     place of a token's own are an error.
//   - skip_revocation_check, allow_expired, get_unverified_jwt_headers: what they return proves nothing.
//   - The max_age and domain of single cookies: both are the API's.
package flaskjwtextended

import (
	"context"
	"net/http"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
)

// Never is the lifetime of tokens that do not expire, False in the original. Revoked is then all
// that ends one.
const Never time.Duration = -1

// Location is a place in a request where a token may be.
type Location string

// The locations.
const (
	Headers     Location = "headers"
	Cookies     Location = "cookies"
	QueryString Location = "query_string" // ends up in logs and histories: for clients that know no other way
	JSON        Location = "json"         // a member of a body of at most 1 MiB
)

// CookieNames are the names around the cookie of one type of token. Its defaults are the ones of
// access tokens, with those of refresh tokens behind them where they differ.
type CookieNames struct {
	// Name is JWT_ACCESS_COOKIE_NAME. Defaults to "access_token_cookie"; "refresh_token_cookie".
	Name string
	// Path is JWT_ACCESS_COOKIE_PATH. Defaults to "/".
	Path string
	// CSRFName is JWT_ACCESS_CSRF_COOKIE_NAME. Defaults to "csrf_access_token";
	// "csrf_refresh_token".
	CSRFName string
	// CSRFPath is JWT_ACCESS_CSRF_COOKIE_PATH. Defaults to "/".
	CSRFPath string
	// CSRFHeader is JWT_ACCESS_CSRF_HEADER_NAME. Defaults to "X-CSRF-TOKEN".
	CSRFHeader string
	// CSRFField is JWT_ACCESS_CSRF_FIELD_NAME. Defaults to "csrf_token".
	CSRFField string
}

// Config has Flask-JWT-Extended's settings and loaders. U is the application's user; struct{}
// without a Lookup.
type Config[U any] struct {
	// Secret is JWT_SECRET_KEY: at least as many random bytes as the algorithm's hash has. This or
	// a key is required.
	Secret []byte
	// PrivateKey is JWT_PRIVATE_KEY in PEM. Defaults to none.
	PrivateKey []byte
	// PublicKey is JWT_PUBLIC_KEY in PEM, for an API that makes no tokens. Defaults to the public
	// half of PrivateKey.
	PublicKey []byte
	// Algorithm is JWT_ALGORITHM. Defaults to HS256.
	Algorithm jwk.Algorithm
	// AlsoVerify are further keys whose tokens are taken, each of another algorithm
	// (JWT_DECODE_ALGORITHMS): secrets beside a Secret, public keys beside a public one. Defaults
	// to none.
	AlsoVerify []jwk.Key

	// AccessExpires is JWT_ACCESS_TOKEN_EXPIRES; [Never] for False. Defaults to 15 minutes.
	AccessExpires time.Duration
	// RefreshExpires is JWT_REFRESH_TOKEN_EXPIRES; [Never] for False. Defaults to 30 days.
	RefreshExpires time.Duration
	// Issuer is JWT_ENCODE_ISSUER and JWT_DECODE_ISSUER. Defaults to none.
	Issuer string
	// Audience is JWT_ENCODE_AUDIENCE and JWT_DECODE_AUDIENCE. Defaults to none.
	Audience string
	// Leeway is JWT_DECODE_LEEWAY, how far clocks may differ, in whole seconds. Defaults to none.
	Leeway time.Duration
	// NoNotBefore leaves out "nbf" (JWT_ENCODE_NBF = False). Defaults to tokens that have it.
	NoNotBefore bool
	// IdentityClaim is JWT_IDENTITY_CLAIM. Defaults to "sub".
	IdentityClaim string
	// AnySubject takes tokens whose "sub" is no string (JWT_VERIFY_SUB = False). Defaults to
	// refusing them.
	AnySubject bool
	// MessageKey is JWT_ERROR_MESSAGE_KEY. Defaults to "msg".
	MessageKey string

	// Locations is JWT_TOKEN_LOCATION, in the order in which they are looked at. Defaults to
	// Headers.
	Locations []Location
	// HeaderName is JWT_HEADER_NAME. Defaults to "Authorization".
	HeaderName string
	// HeaderType is JWT_HEADER_TYPE, in just this case. Defaults to "Bearer".
	HeaderType string
	// BareHeader is JWT_HEADER_TYPE = "": the header has the token and nothing else. Defaults to a
	// type before it.
	BareHeader bool
	// QueryName is JWT_QUERY_STRING_NAME. Defaults to "jwt".
	QueryName string
	// QueryPrefix is JWT_QUERY_STRING_VALUE_PREFIX. Defaults to none.
	QueryPrefix string
	// JSONKey is JWT_JSON_KEY. Defaults to "access_token".
	JSONKey string
	// RefreshJSONKey is JWT_REFRESH_JSON_KEY. Defaults to "refresh_token".
	RefreshJSONKey string

	// AccessCookie has the JWT_ACCESS_COOKIE_ and JWT_ACCESS_CSRF_ settings. Defaults to what
	// CookieNames says.
	AccessCookie CookieNames
	// RefreshCookie has the JWT_REFRESH_COOKIE_ and JWT_REFRESH_CSRF_ settings. Defaults to what
	// CookieNames says.
	RefreshCookie CookieNames
	// CookieDomain is JWT_COOKIE_DOMAIN. Defaults to the host that sets the cookie.
	CookieDomain string
	// CookieSameSite is JWT_COOKIE_SAMESITE; http.SameSiteDefaultMode leaves it out. Defaults to
	// Lax.
	CookieSameSite http.SameSite
	// InsecureCookies lets cookies go over plain HTTP (JWT_COOKIE_SECURE = False). Defaults to
	// Secure cookies.
	InsecureCookies bool
	// PersistentCookies live for a year (JWT_SESSION_COOKIE = False). Defaults to cookies that end
	// with the browser.
	PersistentCookies bool
	// AllowCookiesWithoutCSRF takes cookies that any site may have had the browser send, and makes
	// tokens without "csrf" (JWT_COOKIE_CSRF_PROTECT = False). Defaults to the check.
	AllowCookiesWithoutCSRF bool
	// CSRFMethods is JWT_CSRF_METHODS. Defaults to POST, PUT, PATCH and DELETE.
	CSRFMethods []string
	// CSRFForm looks for the value in form bodies too, in their first MiB (JWT_CSRF_CHECK_FORM).
	// Defaults to the header alone.
	CSRFForm bool
	// NoCSRFCookies sets no cookie with the value (JWT_CSRF_IN_COOKIES = False): [Token] has it.
	// Defaults to the cookie.
	NoCSRFCookies bool

	// AdditionalClaims is the additional_claims_loader. Defaults to none.
	AdditionalClaims func(ctx context.Context, subject string) (map[string]any, error)
	// Revoked is the token_in_blocklist_loader: whether a verified token has been taken back, by
	// its "jti". Defaults to never.
	Revoked func(ctx context.Context, claims Claims) (bool, error)
	// VerifyClaims is the token_verification_loader. Defaults to taking all.
	VerifyClaims func(ctx context.Context, claims Claims) (bool, error)
	// Lookup is the user_lookup_loader: the user of a verified token, or false for one who is gone.
	// Defaults to no user.
	Lookup func(ctx context.Context, claims Claims) (U, bool, error)
	// Answer writes a failure; it stands for the eight loaders of answers, such as
	// expired_token_loader. Defaults to the original's answers.
	Answer func(w http.ResponseWriter, r *http.Request, f Failure)
	// Failed is told the errors of the functions above, which a client sees as 500 only. Defaults
	// to nobody.
	Failed func(ctx context.Context, err error)
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}
