package hallpass

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hallpass-go/hallpass/internal/limit"
	"github.com/hallpass-go/hallpass/internal/page"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/sessions"
)

// Routes returns the routes of [Auth.Mount], for programs that have a table of their own: login,
// refresh, logout and sessions, and what services need that verify tokens by themselves. Login and
// reauthenticate are included if [Config] says how to check a password. The patterns have no
// prefix.
func (a *Auth[T]) Routes() []Route[T] {
	routes := []Route[T]{
		{Pattern: "POST /refresh", Public: true, Serve: a.refresh},
		{Pattern: "POST /logout", Public: true, Serve: a.logout}, // by either token: see there
		{Pattern: "POST /logout/all", Serve: a.logoutAll},
		{Pattern: "GET /sessions", Parameters: page.Parameters, Serve: a.listSessions},
		{Pattern: "DELETE /sessions/{id}", Serve: a.deleteSession},
		{Pattern: "GET /jwks.json", Public: true, Serve: a.jwks},
		{Pattern: "GET /revocations", Parameters: []string{"since"}, Public: true, Serve: a.revocationPage},
	}
	if a.c.Authenticate != nil {
		routes = append(routes, Route[T]{Pattern: "POST /login", Public: true, Serve: a.login})
	}
	if a.c.CheckPassword != nil {
		routes = append(routes, Route[T]{Pattern: "POST /reauthenticate", Serve: a.reauthenticate})
	}
	return routes
}

// login counts the attempt, checks the password, and starts a session.
func (a *Auth[T]) login(r Request[T]) (Answer, error) {
	username, password, err := r.ReadCredentials()
	if err != nil {
		return Answer{}, err
	}
	login := Login{Username: username, Password: password, Client: a.c.Client(r.Request)}
	name := fmt.Sprintf("name %.256s", strings.ToLower(username))
	attempt, err := a.guesses.Login(r.Context(), name, login.Client.IP)
	if err != nil {
		return Answer{}, err
	}
	tokens, err := a.LogIn(r.Context(), login.Client, func(ctx context.Context) (string, *Grant[T], error) {
		subject, err := a.c.Authenticate(attempt.Context(ctx), login)
		return subject, nil, err
	})
	if err != nil {
		return Answer{}, a.loginFailed(r.Context(), attempt, Event{Client: login.Client, Err: err})
	}
	attempt.Succeeded(r.Context())
	return Answer{Body: tokens}, nil
}

// loginFailed ends an attempt that failed, and returns the error for the client. It reports the
// attempt only if the credentials were wrong: that a store could not be asked says nothing about the
// client. A client that hangs up does not keep it from being recorded.
func (a *Auth[T]) loginFailed(ctx context.Context, attempt limit.Attempt, e Event) error {
	wrong := errors.Is(e.Err, ErrInvalidCredentials)
	attempt.Failed(ctx, e.Err, wrong)
	if wrong {
		e.Name = EventLoginFailed
		if err := a.Tell(context.WithoutCancel(ctx), e); err != nil {
			return err
		}
	}
	return e.Err
}

type credentials struct {
	Username *string `json:"username" hallpass:"required"`
	Password *string `json:"password" hallpass:"required"`
}

// ReadCredentials reads a user name and a password, from a JSON body or from HTTP Basic without a
// body (RFC 7617).
func (r Request[T]) ReadCredentials() (username, password string, err error) {
	if scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Basic") {
		return basicCredentials(r.Request)
	}
	var body credentials
	if err := r.ReadJSON(&body); err != nil {
		return "", "", err
	}
	return *body.Username, *body.Password, nil
}

func basicCredentials(r *http.Request) (username, password string, err error) {
	username, password, ok := r.BasicAuth()
	switch {
	case len(r.Header.Values("Authorization")) > 1:
		err = ErrMalformedRequest.WithDetail("Send one Authorization field.")
	case !ok || !utf8.ValidString(username) || !utf8.ValidString(password):
		err = ErrMalformedRequest.WithDetail("The Authorization field is not HTTP Basic in UTF-8.")
	case hasBody(r):
		err = ErrMalformedRequest.WithDetail("The credentials came by HTTP Basic. Send no body with it.")
	}
	return username, password, err
}

func (a *Auth[T]) refresh(r Request[T]) (Answer, error) {
	var body struct {
		RefreshToken *string `json:"refresh_token" hallpass:"required"`
	}
	if err := r.ReadJSON(&body); err != nil {
		return Answer{}, err
	}
	tokens, err := a.Refresh(r.Context(), *body.RefreshToken, a.c.Client(r.Request))
	return Answer{Body: tokens}, err
}

// logout ends the session of the refresh token in the body or, without one, of the access token.
func (a *Auth[T]) logout(r Request[T]) (Answer, error) {
	var body struct {
		RefreshToken *string `json:"refresh_token"`
	}
	if hasBody(r.Request) {
		if err := r.ReadJSON(&body); err != nil {
			return Answer{}, err
		}
	}
	if body.RefreshToken == nil {
		return a.logoutByAccessToken(r)
	}
	if _, err := findToken(r.Request, a.sources); !errors.Is(err, ErrTokenMissing) {
		return Answer{}, ErrMalformedRequest.WithDetail(
			"Send the access token or the refresh token of the session to end, not both.")
	}
	s, err := a.SessionOf(r.Context(), *body.RefreshToken)
	if err != nil {
		return Answer{}, err
	}
	return Answer{}, a.RevokeSession(WithActor(r.Context(), s.Subject), s.ID)
}

func (a *Auth[T]) logoutByAccessToken(r Request[T]) (Answer, error) {
	id, err := a.identify(r.Request, nil)
	if err != nil {
		return Answer{}, err
	}
	ctx := WithActor(r.Context(), id.Subject)
	if id.SessionID == "" {
		return Answer{}, a.RevokeToken(ctx, id.ID, id.ExpiresAt)
	}
	return Answer{}, a.RevokeSession(ctx, id.SessionID)
}

func (a *Auth[T]) logoutAll(r Request[T]) (Answer, error) {
	return Answer{}, a.RevokeSubject(r.Context(), r.Identity.Subject)
}

// reauthenticate checks the password of a caller who is logged in. These attempts are limited too.
func (a *Auth[T]) reauthenticate(r Request[T]) (Answer, error) {
	password, err := r.ReadPassword()
	if err != nil {
		return Answer{}, err
	}
	id, client := r.Identity, a.c.Client(r.Request)
	attempt, err := a.guesses.Session(r.Context(), "subject "+id.Subject, client.IP)
	if err != nil {
		return Answer{}, err
	}
	tokens, err := a.Reauthenticate(r.Context(), id.SessionID, client, func(ctx context.Context) error {
		return a.c.CheckPassword(attempt.Context(ctx), id.Subject, password, client)
	})
	if err != nil {
		e := Event{Subject: id.Subject, SessionID: id.SessionID, Client: client, Err: err}
		return Answer{}, a.loginFailed(r.Context(), attempt, e)
	}
	attempt.Succeeded(r.Context())
	return Answer{Body: tokens}, nil
}

// ReadPassword reads a body that holds only a password, which a logged-in caller sends to prove
// again who they are.
func (r Request[T]) ReadPassword() (string, error) {
	var body struct {
		Password *string `json:"password" hallpass:"required"`
	}
	if err := r.ReadJSON(&body); err != nil {
		return "", err
	}
	return *body.Password, nil
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

func (a *Auth[T]) listSessions(r Request[T]) (Answer, error) {
	p, err := page.Parse(r.Query)
	if err != nil {
		return Answer{}, err
	}
	list, err := a.Sessions(r.Context(), r.Identity.Subject, p.After, p.Limit+1)
	if err != nil {
		return Answer{}, err
	}
	documents := make([]sessionDocument, len(list))
	for i, s := range list {
		documents[i] = sessionDocument{
			ID: s.ID, Current: s.ID == r.Identity.SessionID, CreatedAt: s.CreatedAt, LastUsedAt: s.LastUsedAt,
			ExpiresAt: s.ExpiresAt(), IP: s.Client.IP, UserAgent: s.Client.UserAgent,
		}
	}
	return Answer{Body: page.NewList(p, documents, func(d sessionDocument) string { return d.ID })}, nil
}

// deleteSession ends one session. Another subject's session looks like one that does not exist, so
// that IDs cannot be tried out.
func (a *Auth[T]) deleteSession(r Request[T]) (Answer, error) {
	s, err := a.Session(r.Context(), r.PathValue("id"))
	if err != nil {
		return Answer{}, err
	}
	administers := a.c.AdminRole != "" && r.Identity.HasRole(a.c.AdminRole)
	if s.Subject != r.Identity.Subject && !administers || s.Ended(a.Issuer.now()) {
		return Answer{}, ErrNotFound
	}
	return Answer{}, a.RevokeSession(WithActor(r.Context(), r.Identity.Subject), s.ID)
}

// JWKS serves the public keys (RFC 7517 §5), which verifiers may keep for five minutes.
func (a *Auth[T]) JWKS() http.Handler { return a.Handler(Route[T]{Public: true, Serve: a.jwks}) }

func (a *Auth[T]) jwks(r Request[T]) (Answer, error) {
	set, err := a.c.Keys.Published(r.Context())
	if err != nil {
		return Answer{}, ErrStoreUnavailable.Because(err)
	}
	text, err := set.MarshalJSON()
	if err != nil {
		return Answer{}, err
	}
	age := fmt.Sprintf("public, max-age=%d", int(jwk.PublishedMaxAge.Seconds()))
	return Answer{Header: http.Header{"Cache-Control": {age}}, Body: Raw{"application/jwk-set+json", text}}, nil
}

// Client says where a request came from.
type Client = sessions.Client

const maxUserAgent = 256 // bytes

// ClientOf returns the address of a request's connection and its User-Agent, in which U+FFFD stands for
// what could disturb a terminal: control characters, and those that change the direction of text.
func ClientOf(r *http.Request) Client {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	agent := strings.ToValidUTF8(r.UserAgent(), "\uFFFD")
	if strings.ContainsFunc(agent, disturbs) {
		agent = strings.Map(func(c rune) rune {
			if disturbs(c) {
				return unicode.ReplacementChar
			}
			return c
		}, agent)
	}
	if len(agent) > maxUserAgent {
		agent = strings.ToValidUTF8(agent[:maxUserAgent], "")
	}
	return Client{IP: host, UserAgent: agent}
}

func disturbs(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) }
