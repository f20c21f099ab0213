// Package flaskjwtextended speaks the wire protocol of Flask-JWT-Extended 4.7: its tokens and the
// four places where it looks for them, its cookies and their double-submit CSRF check, fresh and
// refresh tokens, and each of its error bodies. So clients of such an API need not change when the
// server moves.
//
// It gives up some properties of package hallpass. Anyone who has a refresh token can use it until
// it expires. Refresh tokens are never rotated, so theft is not detected. A logout is only
// effective through [Config].Revoked, and needs both tokens. There are no sessions and no key set.
// Errors describe what is wrong with a token in PyJWT's words, and have status 422 where others use
// 401. Nothing here changes the defaults of package hallpass.
//
// # Differences from the original
//
// Answers differ only where the original is unsafe or fails. Whatever the original's own tokens and
// clients send is accepted. The differences are:
//   - A secret must be long, random and not a published one.
//   - A token must have iat, jti and type, and also exp unless [Never] is set. The original accepts
//     a token without a type, or with any type other than "refresh", as an access token, and
//     accepts one without exp forever.
//   - A token with an audience is refused if none is configured (RFC 7519 §4.1.3). The original
//     ignores the audience.
//   - An empty or null identity counts as missing.
//   - Refused are JSON with duplicate members or NaN, a "typ" other than JWT, headers that would
//     supply keys, "crit", stray characters, and tokens over 8 KiB.
//   - Cookies are Secure and SameSite=Lax unless [Config] says otherwise. In the original they are
//     neither.
//   - Input for which the original answers 500, such as a claim of a wrong type, is refused like
//     similar input.
//   - OPTIONS is answered without calling the handler, as in Flask itself. The original calls the
//     handler without an identity.
//
// # Features that are missing
//
//   - JWT_DECODE_ALGORITHMS with one key: a key has one algorithm; see AlsoVerify.
//   - Different values for JWT_ENCODE_ and JWT_DECODE_ issuer and audience, and lists: an API
//     creates tokens for itself and accepts those.
//   - decode_key_loader, encode_key_loader: they select a key based on an unverified token.
//   - additional_headers_loader and additional_headers: nothing reads them. Additional claims that
//     would replace a standard claim of a token are an error.
//   - skip_revocation_check, allow_expired, get_unverified_jwt_headers: their results prove
//     nothing.
//   - The max_age and domain of single cookies: both are set for the whole API.
package flaskjwtextended

import (
	"context"
	"net/http"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
)

// Never is the lifetime of tokens that do not expire, which is False in the original. Only Revoked
// can end such a token.
const Never time.Duration = -1

// Location is a place in a request where a token may be.
type Location string

// The locations.
const (
	Headers     Location = "headers"
	Cookies     Location = "cookies"
	QueryString Location = "query_string" // ends up in logs and histories
	JSON        Location = "json"         // a member of a body of up to 1 MiB
)

// CookieNames are the names for the cookie of one type of token. The comments give the defaults for
// access tokens, followed by those for refresh tokens where they differ.
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

// Config contains Flask-JWT-Extended's settings and loaders. U is the type of the application's
// users. It is struct{} if there is no Lookup.
type Config[U any] struct {
	// Secret is JWT_SECRET_KEY. It must have at least as many random bytes as the algorithm's hash.
	// Either a secret or a key is required.
	Secret []byte
	// PrivateKey is JWT_PRIVATE_KEY in PEM. Defaults to none.
	PrivateKey []byte
	// PublicKey is JWT_PUBLIC_KEY in PEM, for an API that creates no tokens. Defaults to the public
	// half of PrivateKey.
	PublicKey []byte
	// Algorithm is JWT_ALGORITHM. Defaults to HS256.
	Algorithm jwk.Algorithm
	// AlsoVerify are additional keys whose tokens are accepted, each with a different algorithm
	// (JWT_DECODE_ALGORITHMS). They must be secrets if there is a Secret, otherwise public keys.
	// Defaults to none.
	AlsoVerify []jwk.Key

	// AccessExpires is JWT_ACCESS_TOKEN_EXPIRES; [Never] for False. Defaults to 15 minutes.
	AccessExpires time.Duration
	// RefreshExpires is JWT_REFRESH_TOKEN_EXPIRES; [Never] for False. Defaults to 30 days.
	RefreshExpires time.Duration
	// Issuer is JWT_ENCODE_ISSUER and JWT_DECODE_ISSUER. Defaults to none.
	Issuer string
	// Audience is JWT_ENCODE_AUDIENCE and JWT_DECODE_AUDIENCE. Defaults to none.
	Audience string
	// Leeway is JWT_DECODE_LEEWAY, the allowed difference between clocks, in whole seconds.
	// Defaults to none.
	Leeway time.Duration
	// NoNotBefore omits "nbf" (JWT_ENCODE_NBF = False). Defaults to tokens with "nbf".
	NoNotBefore bool
	// IdentityClaim is JWT_IDENTITY_CLAIM. Defaults to "sub".
	IdentityClaim string
	// AnySubject accepts tokens whose "sub" is not a string (JWT_VERIFY_SUB = False). Defaults to
	// refusing them.
	AnySubject bool
	// MessageKey is JWT_ERROR_MESSAGE_KEY. Defaults to "msg".
	MessageKey string

	// Locations is JWT_TOKEN_LOCATION, in the order in which they are searched. Defaults to
	// Headers.
	Locations []Location
	// HeaderName is JWT_HEADER_NAME. Defaults to "Authorization".
	HeaderName string
	// HeaderType is JWT_HEADER_TYPE, which is case-sensitive. Defaults to "Bearer".
	HeaderType string
	// BareHeader is JWT_HEADER_TYPE = "": the header contains only the token. Defaults to a header
	// with a type.
	BareHeader bool
	// QueryName is JWT_QUERY_STRING_NAME. Defaults to "jwt".
	QueryName string
	// QueryPrefix is JWT_QUERY_STRING_VALUE_PREFIX. Defaults to none.
	QueryPrefix string
	// JSONKey is JWT_JSON_KEY. Defaults to "access_token".
	JSONKey string
	// RefreshJSONKey is JWT_REFRESH_JSON_KEY. Defaults to "refresh_token".
	RefreshJSONKey string

	// AccessCookie contains the JWT_ACCESS_COOKIE_ and JWT_ACCESS_CSRF_ settings. Defaults to the
	// values that CookieNames documents.
	AccessCookie CookieNames
	// RefreshCookie contains the JWT_REFRESH_COOKIE_ and JWT_REFRESH_CSRF_ settings. Defaults to
	// the values that CookieNames documents.
	RefreshCookie CookieNames
	// CookieDomain is JWT_COOKIE_DOMAIN. Defaults to the host that sets the cookie.
	CookieDomain string
	// CookieSameSite is JWT_COOKIE_SAMESITE. http.SameSiteDefaultMode omits the attribute. Defaults
	// to Lax.
	CookieSameSite http.SameSite
	// InsecureCookies sends cookies over plain HTTP too (JWT_COOKIE_SECURE = False). Defaults to
	// Secure cookies.
	InsecureCookies bool
	// PersistentCookies makes cookies live for a year (JWT_SESSION_COOKIE = False). Defaults to
	// cookies that end with the browser session.
	PersistentCookies bool
	// AllowCookiesWithoutCSRF accepts cookies even if another site may have caused the request, and
	// creates tokens without "csrf" (JWT_COOKIE_CSRF_PROTECT = False). Defaults to the check.
	AllowCookiesWithoutCSRF bool
	// CSRFMethods is JWT_CSRF_METHODS. Defaults to POST, PUT, PATCH and DELETE.
	CSRFMethods []string
	// CSRFForm also looks for the CSRF value in the first MiB of form bodies (JWT_CSRF_CHECK_FORM).
	// Defaults to the header only.
	CSRFForm bool
	// NoCSRFCookies sets no cookie with the CSRF value (JWT_CSRF_IN_COOKIES = False). [Token]
	// contains the value. Defaults to setting the cookie.
	NoCSRFCookies bool

	// AdditionalClaims is the additional_claims_loader. Defaults to none.
	AdditionalClaims func(ctx context.Context, subject string) (map[string]any, error)
	// Revoked is the token_in_blocklist_loader. It reports whether a verified token has been
	// revoked, by its "jti". Defaults to no revocations.
	Revoked func(ctx context.Context, claims Claims) (bool, error)
	// VerifyClaims is the token_verification_loader. Defaults to accepting all.
	VerifyClaims func(ctx context.Context, claims Claims) (bool, error)
	// Lookup is the user_lookup_loader. It returns the user of a verified token, or false if the
	// user no longer exists. Defaults to no user.
	Lookup func(ctx context.Context, claims Claims) (U, bool, error)
	// Answer writes the answer to a failure. It replaces eight loaders of answers, such as
	// expired_token_loader. Defaults to the original's answers.
	Answer func(w http.ResponseWriter, r *http.Request, f Failure)
	// Failed is called with errors of the functions above, for which the client only sees 500.
	// Defaults to doing nothing.
	Failed func(ctx context.Context, err error)
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}
