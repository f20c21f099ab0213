// Package flaskjwt speaks the wire protocol of Flask-JWT 0.3: its login, its "Authorization: JWT
// <token>", its claims and each of its error bodies. So clients of such an API need not change when
// the server moves.
//
// It gives up some properties of package hallpass. Tokens name no issuer and no audience. The
// secret that verifies them also creates them. There are no refresh tokens and no sessions. Anyone
// who has a token can use it until it expires, which is why it lives only five minutes. Nothing
// here changes the defaults of package hallpass.
//
// Its answers differ from the original only where the original fails or is unsafe. The secret must
// be strong. Requests that made the original fail with 500 (a list as login, a token without
// "identity") are refused like similar ones. Refused as well are duplicate members and NaN in JSON,
// a "typ" other than JWT, headers that would supply keys, "crit", stray characters and tokens over
// 8 KiB. Clients that guess passwords get 429.
package flaskjwt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/hallpass-go/hallpass/compat/internal/pyjwt"
	"github.com/hallpass-go/hallpass/internal/limit"
	"github.com/hallpass-go/hallpass/jwk"
)

// Config contains Flask-JWT's settings and handlers. U is the type of the application's users.
type Config[U any] struct {
	// Secret signs and verifies (JWT_SECRET_KEY). It must have at least as many random bytes as the
	// algorithm's hash. Required.
	Secret []byte
	// Authenticate is the authentication_handler. It returns the user with this user name and
	// password, or false. It should take as long for an unknown user as for a wrong password.
	// Required.
	Authenticate func(ctx context.Context, username, password string) (U, bool, error)
	// Identify is the identity_handler. It returns the user of a verified token, or false if the
	// user no longer exists. Required.
	Identify func(ctx context.Context, claims Claims) (U, bool, error)
	// Identity returns the "identity" claim of a user: their ID in JSON, usually a number.
	// Required.
	Identity func(user U) any
	// Payload returns additional claims of a user, the rest of the jwt_payload_handler. Optional.
	Payload func(user U) map[string]any

	// Algorithm is JWT_ALGORITHM: HS256, HS384 or HS512. Defaults to HS256.
	Algorithm jwk.Algorithm
	// HeaderPrefix is JWT_AUTH_HEADER_PREFIX. Case is ignored in requests. Defaults to "JWT".
	HeaderPrefix string
	// Realm is JWT_DEFAULT_REALM. Defaults to "Login Required".
	Realm string
	// AuthPath is JWT_AUTH_URL_RULE, the path where [Auth.Mount] puts the login. Defaults to
	// "/auth".
	AuthPath string
	// UsernameKey is JWT_AUTH_USERNAME_KEY. Defaults to "username".
	UsernameKey string
	// PasswordKey is JWT_AUTH_PASSWORD_KEY. Defaults to "password".
	PasswordKey string
	// Expiration is JWT_EXPIRATION_DELTA, the lifetime of a token. Defaults to 5 minutes.
	Expiration time.Duration
	// NotBefore is JWT_NOT_BEFORE_DELTA, the time from a token's creation until it becomes valid.
	// Defaults to none.
	NotBefore time.Duration
	// Leeway is JWT_LEEWAY, the allowed difference between clocks. Defaults to 10 seconds; a
	// negative value means none.
	Leeway time.Duration
	// RequiredClaims is JWT_REQUIRED_CLAIMS, in addition to exp, iat and nbf, which are always
	// required. Defaults to no others.
	RequiredClaims []string

	// GuessesPerAccount is the number of wrong passwords per minute for a user name. Further logins
	// are refused with 429 before Authenticate is called. Addresses that have logged in with the
	// name before are counted separately, so strangers lock nobody out. Each process counts in
	// memory. Flask-JWT has no limit. Defaults to 10; a negative value means no limit.
	GuessesPerAccount int
	// GuessesPerAddress is the same for a client's address (for IPv6 its /64), for all names
	// together. Defaults to 100; a negative value means no limit.
	GuessesPerAddress int
	// ClientAddress returns the IP address of the client. Defaults to the address of the
	// connection, which behind a proxy is that of the proxy.
	ClientAddress func(r *http.Request) string

	// Indented writes JSON as Flask does in debug mode or with JSONIFY_PRETTYPRINT_REGULAR.
	// Defaults to one line.
	Indented bool
	// Failed is called with errors of Authenticate and Identify, for which the client only sees
	// 500. It is not called for errors that are an [Error]. Optional.
	Failed func(ctx context.Context, err error)
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Claims are the claims of a verified token. Values are JSON texts.
type Claims map[string]string

// String returns the value of a claim that is a string.
func (c Claims) String(name string) (string, bool) { return pyjwt.Members(c).String(name) }

// Int returns the value of a claim that is an integer.
func (c Claims) Int(name string) (int64, bool) { return pyjwt.Members(c).Int(name) }

// Auth provides the login and the guard of one API. It is safe for concurrent use.
type Auth[U any] struct {
	c       Config[U]
	key     *jwk.SecretKey
	decoder pyjwt.Decoder
	guesses *limit.Guard
}

// New returns an API's login and guard. Its error lists every mistake in c. Errors about the secret
// wrap [jwk.ErrWeakKey] or [jwk.ErrInvalidKey].
func New[U any](c Config[U]) (*Auth[U], error) {
	c.Algorithm = orElse(c.Algorithm, jwk.HS256)
	c.HeaderPrefix = orElse(c.HeaderPrefix, "JWT")
	c.Realm = orElse(c.Realm, "Login Required")
	c.AuthPath = orElse(c.AuthPath, "/auth")
	c.UsernameKey = orElse(c.UsernameKey, "username")
	c.PasswordKey = orElse(c.PasswordKey, "password")
	c.Expiration = orElse(c.Expiration, 5*time.Minute)
	c.Leeway = max(orElse(c.Leeway, 10*time.Second), 0)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Failed == nil {
		c.Failed = func(context.Context, error) {}
	}
	if c.ClientAddress == nil {
		c.ClientAddress = connectionAddress
	}
	key, err := jwk.NewSecret(c.Algorithm, "flask-jwt", c.Secret)
	if err != nil {
		err = fmt.Errorf("flaskjwt: Secret: %w", err)
	}
	if err := errors.Join(c.mistakes(), err); err != nil {
		return nil, err
	}
	required := append([]string{"exp", "iat", "nbf"}, c.RequiredClaims...)
	decoder := pyjwt.Decoder{Version: pyjwt.V1, Key: key, Leeway: c.Leeway, Required: required}
	perAccount := limit.PerMinute(c.GuessesPerAccount, 10)
	perAddress := limit.PerMinute(c.GuessesPerAddress, 100)
	guesses := limit.InMemory(perAccount, perAddress, c.Now)
	return &Auth[U]{c: c, key: key, decoder: decoder, guesses: guesses}, nil
}

// mistakes returns the mistakes in c after the defaults are set, except those in the secret. Each
// of them would make logins impossible.
func (c *Config[U]) mistakes() error {
	var found []error
	for _, check := range []struct {
		wrong bool
		text  string
	}{
		{c.Authenticate == nil, "Authenticate is nil"},
		{c.Identify == nil, "Identify is nil"},
		{c.Identity == nil, "Identity is nil"},
		{c.Expiration < time.Second, "Expiration is less than a second"},
		{c.NotBefore < 0, "NotBefore is negative"},
		{c.NotBefore >= c.Expiration, "NotBefore is not before Expiration"},
		{strings.ContainsFunc(c.HeaderPrefix, unicode.IsSpace), "HeaderPrefix has blanks"},
		{!strings.HasPrefix(c.AuthPath, "/") || strings.ContainsAny(c.AuthPath, "{} "), "AuthPath is no path"},
		{c.UsernameKey == c.PasswordKey, "UsernameKey and PasswordKey are the same"},
	} {
		if check.wrong {
			found = append(found, errors.New("flaskjwt: "+check.text))
		}
	}
	return errors.Join(found...)
}

func orElse[V comparable](value, fallback V) V {
	if value == *new(V) {
		return fallback
	}
	return value
}

// Token creates a token for a user, as the login does (jwt_encode_callback).
func (a *Auth[U]) Token(user U) (string, error) {
	now := a.c.Now().Truncate(time.Second)
	claims := map[string]any{}
	if a.c.Payload != nil {
		maps.Copy(claims, a.c.Payload(user))
	}
	claims["identity"] = a.c.Identity(user)
	claims["iat"] = now.Unix()
	claims["nbf"] = now.Add(a.c.NotBefore).Unix()
	claims["exp"] = now.Add(a.c.Expiration).Unix()
	for _, name := range a.decoder.Required {
		if claims[name] == nil {
			return "", fmt.Errorf("flaskjwt: Payload is missing required claims: %s", name)
		}
	}
	header := struct {
		Type      string        `json:"typ"`
		Algorithm jwk.Algorithm `json:"alg"`
	}{"JWT", a.c.Algorithm}
	return pyjwt.Encode(a.key, header, claims)
}

// user returns the user that a request's Authorization header identifies.
func (a *Auth[U]) user(ctx context.Context, header []string, realm string) (U, *Error) {
	var nobody U
	token, failed := a.token(header, realm)
	if failed != nil {
		return nobody, failed
	}
	read, err := a.decoder.Decode(token, a.c.Now())
	if err != nil {
		return nobody, &Error{err.Error(), "Invalid token", http.StatusUnauthorized, nil}
	}
	if read.Claims["identity"] == "" {
		return nobody, userDoesNotExist
	}
	user, found, err := a.c.Identify(ctx, Claims(read.Claims))
	switch {
	case err != nil:
		return nobody, a.failed(ctx, "identifying a user", err)
	case !found:
		return nobody, userDoesNotExist
	}
	return user, nil
}

var userDoesNotExist = &Error{"User does not exist", "Invalid JWT", http.StatusUnauthorized, nil}

// token is Flask-JWT's request_handler.
func (a *Auth[U]) token(header []string, realm string) (string, *Error) {
	value := strings.Join(header, ",")
	parts := strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || '\t' <= r && r <= '\r' })
	problem := func(description string) (string, *Error) {
		return "", &Error{description, "Invalid JWT header", http.StatusUnauthorized, nil}
	}
	switch {
	case len(parts) == 0:
		return "", &Error{
			"Request does not contain an access token", "Authorization Required", http.StatusUnauthorized,
			http.Header{"Www-Authenticate": {fmt.Sprintf("JWT realm=%q", realm)}},
		}
	case !strings.EqualFold(parts[0], a.c.HeaderPrefix):
		return problem("Unsupported authorization type")
	case len(parts) == 1:
		return problem("Token missing")
	case len(parts) > 2:
		return problem("Token contains spaces")
	}
	return parts[1], nil
}

// credentials returns the user name and password in the body of a login, which must have exactly
// these two members, neither of them empty.
func (a *Auth[U]) credentials(members map[string]string) (username, password string, ok bool) {
	names := slices.Sorted(maps.Keys(members))
	wanted := []string{a.c.UsernameKey, a.c.PasswordKey}
	slices.Sort(wanted)
	if !slices.Equal(names, wanted) {
		return "", "", false
	}
	username, password = members[a.c.UsernameKey], members[a.c.PasswordKey]
	return username, password, username != "" && password != ""
}
