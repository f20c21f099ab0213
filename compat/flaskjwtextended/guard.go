package flaskjwtextended

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/hallpass-go/hallpass/compat/internal/pyjwt"
)

// Guard says what a route wants: the arguments of jwt_required.
type Guard struct {
	Optional  bool       // lets a request without a token through, never one with an invalid one
	Fresh     bool       // wants a fresh access token
	Refresh   bool       // wants a refresh token; otherwise none is taken
	Locations []Location // where to look; defaults to the API's
}

// Caller is who a request is from.
type Caller[U any] struct {
	Token
	Present bool // false only behind an Optional guard: there is no token, and the rest is empty
	User    U    // what Lookup returned
}

// Handler is a handler that is told its caller.
type Handler[U any] func(w http.ResponseWriter, r *http.Request, caller Caller[U])

// Func guards a handler as jwt_required() does.
func (m *Manager[U]) Func(handler Handler[U]) http.Handler { return m.FuncWith(Guard{}, handler) }

// FuncWith guards a handler as jwt_required with arguments does. OPTIONS is let through without a caller.
func (m *Manager[U]) FuncWith(g Guard, handler Handler[U]) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			handler(w, r, Caller[U]{})
			return
		}
		caller, failed := m.caller(r, g)
		if failed != nil {
			if failed.cause != nil {
				m.c.Failed(r.Context(), failed.cause)
			}
			m.writeMessage(w, failed.status, failed.text)
			return
		}
		handler(w, r, caller)
	})
}

// failure is an answer to a request that may not pass.
type failure struct {
	status int
	text   string
	absent bool  // there was no token
	cause  error // of the application
}

func absent(format string, args ...any) *failure {
	return &failure{status: http.StatusUnauthorized, text: fmt.Sprintf(format, args...), absent: true}
}

func invalid(format string, args ...any) *failure {
	return &failure{status: http.StatusUnprocessableEntity, text: fmt.Sprintf(format, args...)}
}

func unauthorized(text string) *failure { return &failure{status: http.StatusUnauthorized, text: text} }

func internal(cause error) *failure {
	return &failure{status: http.StatusInternalServerError, text: "Internal Server Error", cause: cause}
}

// caller checks in the original's order: token, type, freshness, blocklist, claims, user.
func (m *Manager[U]) caller(r *http.Request, g Guard) (Caller[U], *failure) {
	var c Caller[U]
	token, failed := m.find(r, g)
	if failed != nil {
		if failed.absent && g.Optional {
			return c, nil
		}
		return c, failed
	}
	switch {
	case !g.Refresh && token.Type != "access":
		return c, invalid("Only non-refresh tokens are allowed")
	case g.Refresh && token.Type != "refresh":
		return c, invalid("Only refresh tokens are allowed")
	case g.Fresh && !token.isFresh(m.c.Now()):
		return c, unauthorized("Fresh token required")
	}
	if failed := m.ask(r.Context(), token); failed != nil {
		return c, failed
	}
	c = Caller[U]{Token: token, Present: true}
	if m.c.Lookup == nil {
		return c, nil
	}
	user, found, err := m.c.Lookup(r.Context(), token)
	switch {
	case err != nil:
		return Caller[U]{}, internal(fmt.Errorf("looking up a user: %w", err))
	case !found:
		return Caller[U]{}, unauthorized("Error loading the user " + token.Identity)
	}
	c.User = user
	return c, nil
}

// ask asks the application whether a token still holds.
func (m *Manager[U]) ask(ctx context.Context, token Token) *failure {
	if m.c.IsRevoked != nil {
		revoked, err := m.c.IsRevoked(ctx, token)
		if err != nil {
			return internal(fmt.Errorf("looking up a revocation: %w", err))
		}
		if revoked {
			return unauthorized("Token has been revoked")
		}
	}
	if m.c.VerifyClaims != nil && !m.c.VerifyClaims(ctx, token) {
		return &failure{status: http.StatusBadRequest, text: "User claims verification failed"}
	}
	return nil
}

// find returns the token of the first location that has one.
func (m *Manager[U]) find(r *http.Request, g Guard) (Token, *failure) {
	locations := g.Locations
	if len(locations) == 0 {
		locations = m.c.Locations
	}
	var missing []string
	for _, location := range locations {
		text, csrf, failed := m.look(r, location, g.Refresh)
		if failed == nil {
			return m.decode(text, csrf, location)
		}
		if !failed.absent {
			return Token{}, failed
		}
		missing = append(missing, failed.text)
	}
	if len(locations) == 1 {
		return Token{}, absent("%s", missing[0])
	}
	names := make([]string, len(locations))
	for i, location := range locations {
		names[i] = string(location)
	}
	last := len(names) - 1
	return Token{}, absent("Missing JWT in %s or %s (%s)", strings.Join(names[:last], ", "), names[last], strings.Join(missing, "; "))
}

// look returns the token of one location, and what the request says of CSRF, if it must.
func (m *Manager[U]) look(r *http.Request, location Location, refresh bool) (token, csrf string, failed *failure) {
	switch location {
	case Cookies:
		return m.fromCookies(r, refresh)
	case QueryString:
		token, failed = m.fromQuery(r)
	case JSON:
		token, failed = m.fromJSON(r, refresh)
	default:
		token, failed = m.fromHeader(r)
	}
	return token, "", failed
}

func (m *Manager[U]) fromHeader(r *http.Request) (string, *failure) {
	name, scheme := m.c.HeaderName, m.c.HeaderType
	value := strings.Trim(strings.TrimSpace(strings.Join(r.Header.Values(name), ",")), ",")
	if value == "" {
		return "", absent("Missing %s Header", name)
	}
	if m.c.BareHeader {
		parts := strings.Fields(value)
		if len(parts) != 1 {
			return "", invalid("Bad %s header. Expected '%s: <JWT>'", name, name)
		}
		return parts[0], nil
	}
	var ours [][]string
	for field := range strings.SplitSeq(value, ",") {
		if parts := strings.Fields(field); len(parts) > 0 && parts[0] == scheme {
			ours = append(ours, parts)
		}
	}
	switch {
	case len(ours) != 1:
		return "", absent("Missing '%s' type in '%s' header. Expected '%s: %s <JWT>'", scheme, name, name, scheme)
	case len(ours[0]) != 2:
		return "", invalid("Bad %s header. Expected '%s: %s <JWT>'", name, name, scheme)
	}
	return ours[0][1], nil
}

func (m *Manager[U]) fromCookies(r *http.Request, refresh bool) (token, csrf string, failed *failure) {
	c := m.c.Cookie
	name, header := c.AccessName, c.AccessCSRFHeader
	if refresh {
		name, header = c.RefreshName, c.RefreshCSRFHeader
	}
	cookie, err := r.Cookie(name)
	if err != nil || cookie.Value == "" {
		return "", "", absent("Missing cookie \"%s\"", name)
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return cookie.Value, "", nil
	}
	csrf = r.Header.Get(header)
	if csrf == "" && c.CSRFForm {
		r.Body = http.MaxBytesReader(nil, r.Body, maxBody)
		csrf = r.PostFormValue(c.CSRFField)
	}
	if csrf == "" {
		return "", "", unauthorized("Missing CSRF token")
	}
	return cookie.Value, csrf, nil
}

func (m *Manager[U]) fromQuery(r *http.Request) (string, *failure) {
	name, prefix := m.c.QueryName, m.c.QueryPrefix
	value := r.URL.Query().Get(name)
	if value == "" {
		return "", absent("Missing '%s' query paramater", name) // as the original spells it
	}
	token, ok := strings.CutPrefix(value, prefix)
	if !ok {
		return "", invalid("Invalid value for query parameter '%s'. Expected the value to start with '%s'", name, prefix)
	}
	return token, nil
}

// maxBody is how many bytes of a body are read to find a token in it.
const maxBody = 64 << 10

// fromJSON leaves the body to be read again.
func (m *Manager[U]) fromJSON(r *http.Request, refresh bool) (string, *failure) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json") {
		return "", absent("Invalid content-type. Must be application/json.")
	}
	key := m.c.JSONKey
	if refresh {
		key = m.c.RefreshJSONKey
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return "", absent("Missing \"%s\" key in json data.", key)
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
	members, err := pyjwt.ReadObject(string(body))
	if err != nil {
		members = nil
	}
	token, isText := members.String(key)
	if !isText || token == "" {
		return "", absent("Missing \"%s\" key in json data.", key)
	}
	return token, nil
}

// decode verifies a token, and its CSRF value unless there is none to be.
func (m *Manager[U]) decode(text, csrf string, location Location) (Token, *failure) {
	read, err := m.decoder.Decode(text, m.c.Now())
	if errors.Is(err, pyjwt.ErrExpired) {
		return Token{}, unauthorized("Token has expired")
	}
	if err != nil {
		return Token{}, invalid("%s", err)
	}
	t := Token{Claims: read.Claims, Header: read.Header, Location: location}
	var isText bool
	if t.Identity, isText = read.Claims.String(m.c.IdentityClaim); !isText {
		t.Identity = read.Claims[m.c.IdentityClaim] // a claim of another name may be a number
	}
	if t.Identity == "" {
		return Token{}, invalid("Missing claim: %s", m.c.IdentityClaim)
	}
	if t.Type, isText = read.Claims.String("type"); !isText {
		return Token{}, invalid("Missing claim: type")
	}
	t.ID, _ = read.Claims.String("jti")
	if csrf == "" {
		return t, nil
	}
	own, isText := read.Claims.String("csrf")
	if !isText {
		return Token{}, invalid("Missing claim: csrf")
	}
	if subtle.ConstantTimeCompare([]byte(own), []byte(csrf)) != 1 {
		return Token{}, unauthorized("CSRF double submit tokens do not match")
	}
	return t, nil
}
