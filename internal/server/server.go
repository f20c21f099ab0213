// Package server is the JSON API of hallpass serve: users, tokens and sessions over HTTP. It is the
// first customer of package hallpass and uses its exported API only. routes.go has every route on
// one screen.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/keyring"
	"github.com/hallpass-go/hallpass/internal/limit"
	"github.com/hallpass-go/hallpass/internal/users"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/sessions"
)

// noClaims is what the server's tokens hold beside the registered claims.
type noClaims = struct{}

type identity = hallpass.Identity[noClaims]

// Config is what [New] needs.
type Config struct {
	// Issuer is the URL by which clients know this server ("iss"). Required.
	Issuer string
	// Audience is the API that the tokens are for. Defaults to Issuer.
	Audience string
	// Keys sign and verify. Required.
	Keys Keys
	// Store keeps sessions and revocations. Required.
	Store sessions.Store
	// Accounts are the users. Required.
	Accounts *account.Accounts
	// Ping tells whether the database answers. Required.
	Ping func(context.Context) error
	// ClosedSignup leaves the making of users to administrators.
	ClosedSignup bool
	// AccessTTL, IdleTTL, SessionTTL and RefreshGrace are those of [hallpass.Config], with its
	// defaults.
	AccessTTL, IdleTTL, SessionTTL, RefreshGrace time.Duration
	// MaxSessions is how many sessions a user may have at a time. Defaults to no limit.
	MaxSessions int
	// AccountLimit, AddressLimit and SignupLimit are those of [users.Config].
	AccountLimit, AddressLimit, SignupLimit limit.Rate
	// TrustedProxies are the networks whose X-Forwarded-For is believed. Defaults to none.
	TrustedProxies []netip.Prefix
	// Log is told of each request. Required.
	Log *slog.Logger
	// Observe is told of each event. Defaults to [LogEvents] of Log.
	Observe func(context.Context, hallpass.Event)
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Keys are the signing keys, which can be rotated: a [keyring.Ring].
type Keys interface {
	jwk.Ring
	// Refresh reads the keys anew from where they are kept; Advance takes the steps of a rotation
	// that are due.
	Refresh(ctx context.Context) error
	Advance(ctx context.Context) error
	Rotate(ctx context.Context, algorithm jwk.Algorithm) (keyring.KeyInfo, error)
	List(ctx context.Context) ([]keyring.KeyInfo, error)
}

// Server is the API. It is safe for concurrent use.
type Server struct {
	c           Config
	auth        *hallpass.Auth[noClaims]
	users       *users.Service
	revocations *hallpass.Revocations
	handler     http.Handler
	draining    atomic.Bool
}

// New returns the server. It reads the live revocations, so that nothing revoked is let in;
// [Server.Run] then follows them.
func New(ctx context.Context, c Config) (*Server, error) {
	if c.Keys == nil || c.Store == nil || c.Accounts == nil || c.Ping == nil || c.Log == nil {
		return nil, errors.New("server: Keys, Store, Accounts, Ping and Log are required")
	}
	if c.Audience == "" {
		c.Audience = c.Issuer
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = LogEvents(c.Log)
	}
	s := &Server{c: c, revocations: hallpass.NewRevocations()}
	var err error
	// It has no way to check a password: users.Service does, and login and reauthenticate are the
	// server's.
	s.auth, err = hallpass.New(hallpass.Config[noClaims]{
		Issuer: c.Issuer, Audience: c.Audience, Keys: c.Keys, Store: c.Store, Revocations: s.revocations,
		Authorize: users.Authorize(c.Accounts), AccessTTL: c.AccessTTL, IdleTTL: c.IdleTTL, SessionTTL: c.SessionTTL,
		RefreshGrace: c.RefreshGrace, MaxSessions: c.MaxSessions, AdminRole: account.AdminRole, Client: client,
		Observe: c.Observe, Now: c.Now,
	})
	if err != nil {
		return nil, err
	}
	s.users = users.New(users.Config{
		Accounts: c.Accounts, Issuer: s.auth.Issuer, AccountLimit: c.AccountLimit, AddressLimit: c.AddressLimit,
		SignupLimit: c.SignupLimit, Now: c.Now,
	})
	if err := s.revocations.Update(ctx, c.Store, c.Now()); err != nil {
		return nil, err
	}
	s.handler = s.wrap(s.mux())
	return s, nil
}

// Handler is the whole API.
func (s *Server) Handler() http.Handler { return s.handler }

// HTTPServer returns an HTTP server of the API with limits on what a client may send and how
// slowly.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.c.Log.Handler(), slog.LevelDebug),
	}
}

// Drain makes /readyz answer 503, so that no balancer sends more.
func (s *Server) Drain() { s.draining.Store(true) }

// How often the background looks after what; [hallpass.Auth.Run] has the rest.
const (
	keysInterval  = 500 * time.Millisecond // what other processes rotate is known here within a second
	sweepInterval = time.Minute
	sweepBatch    = 500
)

// Run looks after the server until ctx ends: it follows revocations and keys, and sweeps what has
// expired. Failures are logged, and tried again.
func (s *Server) Run(ctx context.Context) {
	followed := make(chan struct{})
	go func() { defer close(followed); s.auth.Run(ctx) }()
	defer func() { <-followed }()
	sweep := time.NewTicker(sweepInterval)
	defer sweep.Stop()
	keys := time.NewTicker(keysInterval)
	defer keys.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-keys.C:
			if err = s.c.Keys.Refresh(ctx); err == nil {
				err = s.c.Keys.Advance(ctx)
			}
		case <-sweep.C:
			err = s.sweep(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.c.Observe(ctx, hallpass.Event{Name: hallpass.EventFailed, Err: err})
		}
	}
}

// sweep deletes the reservations of names that are over, in batches that hold the database for a
// moment each.
func (s *Server) sweep(ctx context.Context) error {
	for {
		n, err := s.users.Sweep(ctx, s.c.Now(), sweepBatch)
		if err != nil || n < sweepBatch {
			return err
		}
	}
}
