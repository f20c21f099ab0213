package hallpass

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hallpass-go/hallpass/internal/guess"
	"github.com/hallpass-go/hallpass/internal/page"
	"github.com/hallpass-go/hallpass/sessions"
)

// jwksMaxAge is how long a verifier may keep the published keys.
const jwksMaxAge = 5 * time.Minute

type loginRequest struct {
	Username *string `json:"username"`
	Password *string `json:"password"`
}

// login checks who it is, then starts a session.
func (a *Auth[T]) login(w http.ResponseWriter, r *http.Request) {
	login, err := a.readLogin(w, r)
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	tokens, err := a.startSession(r.Context(), login)
	a.answer(w, r, tokens, err)
}

// startSession checks a password and starts a session, as one: when the password, or what its owner may
// do, changes in between, both are done again.
func (a *Auth[T]) startSession(ctx context.Context, login Login) (Tokens, error) {
	attempt, refused := a.guesses.Login(fmt.Sprintf("name %.256s", strings.ToLower(login.Username)), login.Client.IP)
	if refused != nil {
		return Tokens{}, rateLimited(refused)
	}
	for range attempts {
		since, err := a.Sequence(ctx)
		if err != nil {
			attempt.Failed(err, false)
			return Tokens{}, err
		}
		subject, err := a.c.Authenticate(ctx, login)
		if err != nil {
			attempt.Failed(err, errors.Is(err, ErrInvalidCredentials))
			a.c.Observe(ctx, Event{Name: EventLoginFailed, Client: login.Client, Err: err})
			return Tokens{}, err
		}
		tokens, err := a.StartSessionSince(ctx, since, subject, login.Client)
		if !errors.Is(err, sessions.ErrSubjectChanged) {
			if err == nil {
				attempt.Succeeded()
			}
			return tokens, err
		}
	}
	return Tokens{}, errBusySubject
}

// rateLimited is [ErrRateLimited] with what a client has to know.
func rateLimited(r *guess.Refused) error {
	e := *ErrRateLimited
	e.RetryAfter = r.RetryAfter
	e.Limit = &RateLimit{Policy: r.Policy, Quota: r.Limit, Remaining: r.Remaining, Window: r.Window, Reset: r.ResetAfter}
	return &e
}

// readLogin takes credentials from a JSON body, or from HTTP Basic with an empty one (RFC 7617).
func (a *Auth[T]) readLogin(w http.ResponseWriter, r *http.Request) (Login, error) {
	login := Login{Client: a.c.Client(r)}
	if scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Basic") {
		username, password, ok := r.BasicAuth()
		if len(r.Header.Values("Authorization")) > 1 {
			return Login{}, ErrMalformedRequest.WithDetail("Send one Authorization field.")
		}
		if !ok || !utf8.ValidString(username) || !utf8.ValidString(password) {
			return Login{}, ErrMalformedRequest.WithDetail("The Authorization field is not HTTP Basic in UTF-8.")
		}
		if hasBody(r) {
			return Login{}, ErrMalformedRequest.WithDetail("The credentials came by HTTP Basic. Send no body with it.")
		}
		login.Username, login.Password = username, password
		return login, nil
	}
	var body loginRequest
	if err := ReadJSON(w, r, &body); err != nil {
		return Login{}, err
	}
	var fields []FieldError
	if body.Username == nil {
		fields = append(fields, missing("username"))
	}
	if body.Password == nil {
		fields = append(fields, missing("password"))
	}
	if fields != nil {
		return Login{}, InvalidFields(fields...)
	}
	login.Username, login.Password = *body.Username, *body.Password
	return login, nil
}

type refreshRequest struct {
	RefreshToken *string `json:"refresh_token"`
}

func (a *Auth[T]) refresh(w http.ResponseWriter, r *http.Request) {
	var body refreshRequest
	if err := ReadJSON(w, r, &body); err != nil {
		a.WriteError(w, r, err)
		return
	}
	if body.RefreshToken == nil {
		a.WriteError(w, r, InvalidFields(missing("refresh_token")))
		return
	}
	tokens, err := a.Refresh(r.Context(), *body.RefreshToken, a.c.Client(r))
	a.answer(w, r, tokens, err)
}

// logout ends the session of the refresh token in the body or, without one, of the access token.
func (a *Auth[T]) logout(w http.ResponseWriter, r *http.Request) {
	var body refreshRequest
	if hasBody(r) {
		if err := ReadJSON(w, r, &body); err != nil {
			a.WriteError(w, r, err)
			return
		}
	}
	if body.RefreshToken == nil {
		a.Func(a.logoutSession).ServeHTTP(w, r)
		return
	}
	if a.holdsToken(r) {
		a.WriteError(w, r, ErrMalformedRequest.WithDetail("Send the access token or the refresh token of the session to end, not both."))
		return
	}
	s, err := a.SessionOf(r.Context(), *body.RefreshToken)
	if err == nil {
		err = a.RevokeSession(r.Context(), s.ID)
	}
	a.done(w, r, err)
}

// holdsToken reports whether a request brings an access token, or more than one, good or bad.
func (a *Auth[T]) holdsToken(r *http.Request) bool {
	_, err := findToken(r, a.sources)
	return !errors.Is(err, ErrTokenMissing)
}

func (a *Auth[T]) logoutSession(w http.ResponseWriter, r *http.Request, id Identity[T]) {
	if id.SessionID == "" {
		a.done(w, r, a.RevokeToken(r.Context(), id.ID, id.ExpiresAt))
		return
	}
	a.done(w, r, a.RevokeSession(r.Context(), id.SessionID))
}

func (a *Auth[T]) logoutAll(w http.ResponseWriter, r *http.Request, id Identity[T]) {
	a.done(w, r, a.RevokeSubject(r.Context(), id.Subject))
}

type reauthenticateRequest struct {
	Password *string `json:"password"`
}

func (a *Auth[T]) reauthenticate(w http.ResponseWriter, r *http.Request, id Identity[T]) {
	var body reauthenticateRequest
	err := ReadJSON(w, r, &body)
	switch {
	case err != nil:
		a.WriteError(w, r, err)
		return
	case body.Password == nil:
		a.WriteError(w, r, InvalidFields(missing("password")))
		return
	}
	client := a.c.Client(r)
	since, err := a.Sequence(r.Context())
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	attempt, refused := a.guesses.Session("subject "+id.Subject, client.IP)
	if refused != nil {
		a.WriteError(w, r, rateLimited(refused))
		return
	}
	if err := a.c.CheckPassword(r.Context(), id.Subject, *body.Password); err != nil {
		attempt.Failed(err, errors.Is(err, ErrInvalidCredentials))
		a.c.Observe(r.Context(), Event{Name: EventLoginFailed, Subject: id.Subject, SessionID: id.SessionID, Client: client, Err: err})
		a.WriteError(w, r, err)
		return
	}
	attempt.Succeeded()
	if id.SessionID == "" {
		a.WriteError(w, r, ErrTokenInvalid.Because(errNoSession))
		return
	}
	tokens, err := a.reauthenticateSince(r.Context(), since, id.SessionID, client)
	if errors.Is(err, sessions.ErrSubjectChanged) {
		err = ErrInvalidCredentials.Because(err) // the password may be an old one by now
	}
	a.answer(w, r, tokens, err)
}

type sessionDocument struct {
	ID         string    `json:"id"`
	Current    bool      `json:"current"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	IP         string    `json:"ip"`
	UserAgent  string    `json:"user_agent"`
}

func (a *Auth[T]) listSessions(w http.ResponseWriter, r *http.Request, id Identity[T]) {
	p, err := page.Parse(r.URL.Query())
	if err != nil {
		a.WriteError(w, r, pageError(err))
		return
	}
	list, err := a.Sessions(r.Context(), id.Subject, p.After, p.Limit+1)
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	documents := make([]sessionDocument, len(list))
	for i, s := range list {
		documents[i] = sessionDocument{
			ID: s.ID, Current: s.ID == id.SessionID, CreatedAt: s.CreatedAt, LastUsedAt: s.LastUsedAt, ExpiresAt: s.ExpiresAt(),
			IP: s.Client.IP, UserAgent: s.Client.UserAgent,
		}
	}
	writeJSON(w, http.StatusOK, "application/json", page.NewList(p, documents, func(d sessionDocument) string { return d.ID }))
}

// deleteSession ends one session. Somebody else's looks like none, so that IDs cannot be tried out.
func (a *Auth[T]) deleteSession(w http.ResponseWriter, r *http.Request, id Identity[T]) {
	s, err := a.Session(r.Context(), r.PathValue("id"))
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	administers := a.c.AdminRole != "" && id.HasRole(a.c.AdminRole)
	if s.Subject != id.Subject && !administers || s.Ended(a.Issuer.now()) {
		a.WriteError(w, r, ErrNotFound)
		return
	}
	a.done(w, r, a.RevokeSession(r.Context(), s.ID))
}

// JWKS serves the public keys (RFC 7517 §5), which verifiers may keep for five minutes.
func (a *Auth[T]) JWKS() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set, err := a.c.Keys.Published(r.Context())
		if err != nil {
			a.WriteError(w, r, ErrStoreUnavailable.Because(err))
			return
		}
		body, err := set.MarshalJSON()
		if err != nil {
			a.WriteError(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(jwksMaxAge.Seconds())))
		_, _ = w.Write(body)
	})
}

func (a *Auth[T]) answer(w http.ResponseWriter, r *http.Request, tokens Tokens, err error) {
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	a.c.Profile.WriteTokens(w, r, tokens)
}

func (a *Auth[T]) done(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// pageError says which parameter of a list is wrong.
func pageError(err error) *Error {
	field := "limit"
	if errors.Is(err, page.ErrCursor) {
		field = "cursor"
	}
	return InvalidFields(FieldError{Field: field, Code: "invalid", Detail: err.Error()})
}

// Client says where a request came from.
type Client = sessions.Client

const maxUserAgent = 256 // bytes

// ClientOf returns where a request comes from: the address of its connection and its User-Agent.
func ClientOf(r *http.Request) Client {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	agent := strings.ToValidUTF8(r.UserAgent(), "\uFFFD")
	if len(agent) > maxUserAgent {
		agent = strings.ToValidUTF8(agent[:maxUserAgent], "")
	}
	return Client{IP: host, UserAgent: agent}
}
