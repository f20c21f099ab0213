package hallpass

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/limit"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/sessions"
)

// Config says how an API authenticates: who its users are, and how their tokens are made and
// checked. T holds your own claims; use struct{} for none. Most programs set Issuer, Audience, Keys
// and Authenticate only.
type Config[T any] struct {
	// Issuer is who issues the tokens ("iss"), by custom the URL of this server. Required.
	Issuer string
	// Audience is the API that the tokens are for ("aud"). Required.
	Audience string
	// Keys sign and verify: [jwk.OpenFile] for one server. Required.
	Keys jwk.Ring

	// Authenticate checks a login and returns the subject: the user's stable ID. It returns
	// [ErrInvalidCredentials] for an unknown user and for a wrong password alike, after the same
	// work. Its context names the client to a governor of package password, so that clients take
	// turns and known ones are preferred. Defaults to no login route.
	Authenticate func(ctx context.Context, login Login) (subject string, err error)
	// CheckPassword checks the password of a subject who is logged in, with the errors of
	// Authenticate. Defaults to no reauthenticate route.
	CheckPassword func(ctx context.Context, subject, password string, client Client) error
	// GuessesPerAccount is how many wrong passwords per minute are allowed for a user name, at
	// login and reauthentication. Further attempts are refused with [ErrRateLimited] before
	// [Config.Authenticate] is called. Addresses from which the account has logged in before, and
	// clients with a session, are counted separately, so that strangers cannot lock anybody out.
	// Each process counts in memory. Defaults to 10; negative for no limit.
	GuessesPerAccount int
	// GuessesPerAddress is the same for a client's address (its /64 with IPv6), for all names
	// together. Defaults to 100; negative for no limit.
	GuessesPerAddress int
	// AdminRole is the role that may end anybody's session. Defaults to none.
	AdminRole string
	// Client returns where a request comes from. Defaults to [ClientOf], the address of the
	// connection. Behind a proxy that is the proxy's, so set it there.
	Client func(*http.Request) Client

	// Store keeps sessions and revocations. Package sqlstore has a durable one; with it, call
	// [Auth.Run], since no token is accepted before the revocations have been read. Defaults to
	// [sessions.NewMemory], which forgets everything when the program ends.
	Store sessions.Store

	// The rest of the issuing half, with the defaults of [IssuerConfig].
	Authorize    func(ctx context.Context, subject string) (Grant[T], error)
	MayRefresh   func(ctx context.Context, sessionID string) error
	ClientID     string
	AccessTTL    time.Duration
	IdleTTL      time.Duration
	SessionTTL   time.Duration
	RefreshGrace time.Duration
	MaxSessions  int

	// The rest of the checking half, with the defaults of [VerifierConfig].
	Leeway      time.Duration
	MaxLifetime time.Duration
	Remember    int
	Sources     []TokenSource
	Profile     Profile

	// Of both halves.
	Revocations *Revocations
	Record      func(context.Context, Event) error
	Observe     func(context.Context, Event)
	Now         func() time.Time
}

func (c Config[T]) issuer() IssuerConfig[T] {
	return IssuerConfig[T]{
		Issuer: c.Issuer, Audience: c.Audience, Keys: c.Keys, Store: c.Store, Revocations: c.Revocations,
		Authorize: c.Authorize, MayRefresh: c.MayRefresh, ClientID: c.ClientID, AccessTTL: c.AccessTTL,
		IdleTTL: c.IdleTTL, SessionTTL: c.SessionTTL, RefreshGrace: c.RefreshGrace, MaxSessions: c.MaxSessions,
		Record: c.Record, Observe: c.Observe, Now: c.Now,
	}
}

func (c Config[T]) verifier() VerifierConfig {
	return VerifierConfig{
		Issuer: c.Issuer, Audience: c.Audience, Keys: c.Keys, Revocations: c.Revocations, Leeway: c.Leeway,
		MaxLifetime: c.MaxLifetime, Remember: c.Remember, Sources: c.Sources, Profile: c.Profile,
		Observe: c.Observe, Now: c.Now,
	}
}

// Login is what somebody sent to prove who they are.
type Login struct {
	Username string
	Password string
	Client   Client
}

// Auth is both halves and their routes: the one value that an API with its own users needs.
type Auth[T any] struct {
	*Verifier[T]
	*Issuer[T]
	c        Config[T]
	lastPage signedPage
	guesses  *limit.Guard
}

// New returns the authentication of an API, or every mistake in c at once. It starts no goroutine
// and does no I/O.
func New[T any](c Config[T]) (*Auth[T], error) {
	c.Revocations = defaultTo(c.Revocations, NewRevocations())
	if c.Client == nil {
		c.Client = ClientOf
	}
	if c.Observe == nil {
		c.Observe = func(context.Context, Event) {}
	}
	issuer, issuerErr := NewIssuer(c.issuer())
	verifier, verifierErr := NewVerifier[T](c.verifier())
	if err := joinOnce(issuerErr, verifierErr); err != nil {
		return nil, err
	}
	if _, inMemory := issuer.c.Store.(*sessions.Memory); !inMemory {
		c.Revocations.mustBeRead() // it may hold what was revoked before this program began
	}
	guesses := limit.InMemory(
		limit.PerMinute(c.GuessesPerAccount, 10), limit.PerMinute(c.GuessesPerAddress, 100), issuer.c.Now)
	return &Auth[T]{Verifier: verifier, Issuer: issuer, c: c, guesses: guesses}, nil
}

// joinOnce joins the mistakes of both halves, each of them once.
func joinOnce(errs ...error) error {
	var mistakes []error
	said := map[string]bool{}
	var add func(error)
	add = func(err error) {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				add(e)
			}
			return
		}
		if err == nil {
			return
		}
		_, what, _ := strings.Cut(err.Error(), ": ") // without the package
		if !said[what] {
			said[what] = true
			mistakes = append(mistakes, err)
		}
	}
	add(errors.Join(errs...))
	return errors.Join(mistakes...)
}

// Mount adds [Auth.Routes] to a mux under a prefix ("/auth"): POST login, refresh, logout,
// logout/all and reauthenticate, GET and DELETE sessions, and GET jwks.json and revocations for
// services that verify tokens by themselves.
func (a *Auth[T]) Mount(mux *http.ServeMux, prefix string) {
	for _, route := range a.Routes() {
		mux.Handle(WithPrefix(route.Pattern, prefix), a.Handler(route))
	}
}

// WithPrefix puts a prefix before the path of a pattern: "GET /sessions" with "/auth" becomes "GET
// /auth/sessions".
func WithPrefix(pattern, prefix string) string {
	method, path, _ := strings.Cut(pattern, " ")
	return method + " " + prefix + path
}

// WriteError answers a request with err, as the [Profile] writes it: an [Error] as it is, any other
// error as [ErrInternal]. It is reported to Observe.
func (a *Auth[T]) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	e := asError(err)
	a.c.Observe(r.Context(), Event{Name: EventRequestRefused, Err: e})
	a.profile.WriteError(w, r, e)
}
