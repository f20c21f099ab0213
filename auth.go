package hallpass

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/guess"
	"github.com/hallpass-go/hallpass/internal/limit"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/sessions"
)

// Config says how an API authenticates: who its users are, and how their tokens are made and
// checked. T holds the application's own claims; struct{} for none. Only Issuer, Audience, Keys and
// Authenticate are wanted of most programs.
type Config[T any] struct {
	// Issuer is who issues the tokens ("iss"), by custom the URL of this server. Required.
	Issuer string
	// Audience is the API that the tokens are for ("aud"). Required.
	Audience string
	// Keys sign and verify: [jwk.OpenFile] for one server. Required.
	Keys jwk.Ring

	// Authenticate checks a login and returns the subject: the user's stable ID. It returns
	// [ErrInvalidCredentials] for an unknown user and for a wrong password alike, after the same
	// work. Defaults to no login route.
	Authenticate func(ctx context.Context, login Login) (subject string, err error)
	// CheckPassword checks the password of a subject who is logged in, with the errors of
	// Authenticate. Defaults to no reauthenticate route.
	CheckPassword func(ctx context.Context, subject, password string, client Client) error
	// GuessesPerAccount is how many wrong passwords a user name may be given a minute, at log-in
	// and at reauthentication: more are refused with [ErrRateLimited] before [Config.Authenticate]
	// is asked. Where the account was logged in to from before, and for whoever holds a session, it
	// is counted apart, so that strangers keep nobody out. Counted in memory, by each process.
	// Defaults to 10; negative for no limit.
	GuessesPerAccount int
	// GuessesPerAddress is the same for a client's address (of IPv6 its /64), whatever the names.
	// Defaults to 100; negative for no limit.
	GuessesPerAddress int
	// AdminRole is the role that may end anybody's session. Defaults to none.
	AdminRole string
	// Client says where a request comes from. Defaults to [ClientOf]: the address of the
	// connection, which behind a proxy is the proxy's.
	Client func(*http.Request) Client

	// Store keeps sessions and revocations: package sqlstore has durable ones. With one, call
	// [Auth.Run]: until it has read what has been revoked no token is accepted. Defaults to
	// [sessions.NewMemory], which forgets all when the program ends.
	Store sessions.Store

	// The rest of the issuing half, with the defaults of [IssuerConfig].
	Authorize    func(ctx context.Context, subject string) (Grant[T], error)
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
	Observe     func(context.Context, Event)
	Now         func() time.Time
}

func (c Config[T]) issuer() IssuerConfig[T] {
	return IssuerConfig[T]{
		Issuer: c.Issuer, Audience: c.Audience, Keys: c.Keys, Store: c.Store, Revocations: c.Revocations,
		Authorize: c.Authorize, ClientID: c.ClientID, AccessTTL: c.AccessTTL, IdleTTL: c.IdleTTL,
		SessionTTL: c.SessionTTL, RefreshGrace: c.RefreshGrace, MaxSessions: c.MaxSessions,
		Observe: c.Observe, Now: c.Now,
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
	guesses  *guess.Guard
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
	guesses := guess.New(perMinute(c.GuessesPerAccount, 10), perMinute(c.GuessesPerAddress, 100), issuer.c.Now)
	return &Auth[T]{Verifier: verifier, Issuer: issuer, c: c, guesses: guesses}, nil
}

// joinOnce joins the mistakes of both halves. What both say ("Issuer is empty") is said once.
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

// perMinute is n tries a minute, by default that many, and none that are limited when n is
// negative.
func perMinute(n, byDefault int) limit.Rate {
	if n < 0 {
		return limit.Rate{}
	}
	return limit.Rate{Burst: defaultTo(n, byDefault), Per: time.Minute}
}

// Mount adds the [Auth.Routes] to a mux, under a prefix ("/auth"): POST login, refresh, logout,
// logout/all and reauthenticate, GET and DELETE sessions, and GET jwks.json and revocations for
// services that verify by themselves.
func (a *Auth[T]) Mount(mux *http.ServeMux, prefix string) {
	for _, route := range a.Routes() {
		mux.Handle(WithPrefix(route.Pattern, prefix), a.Handler(route))
	}
}

// WithPrefix returns a pattern with a prefix before its path: of "GET /sessions" and "/auth" it
// makes "GET /auth/sessions".
func WithPrefix(pattern, prefix string) string {
	method, path, _ := strings.Cut(pattern, " ")
	return method + " " + prefix + path
}

// WriteError answers a request with err in the [Profile]: an [Error] as it is, anything else as
// [ErrInternal]. Observe is told of it.
func (a *Auth[T]) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	e := asError(err)
	a.c.Observe(r.Context(), Event{Name: EventRequestRefused, Err: e})
	a.profile.WriteError(w, r, e)
}
