// Package server is the JSON API of hallpass serve: users, tokens and sessions over HTTP. It uses
// the exported API of package hallpass only. All routes are in routes.go.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/httpcache"
	"github.com/hallpass-go/hallpass/internal/audit"
	"github.com/hallpass-go/hallpass/internal/clients"
	"github.com/hallpass-go/hallpass/internal/keyring"
	"github.com/hallpass-go/hallpass/internal/metrics"
	"github.com/hallpass-go/hallpass/internal/users"
	"github.com/hallpass-go/hallpass/ratelimit"
	"github.com/hallpass-go/hallpass/sessions"
)

// noClaims are the server's own claims: it has none.
type noClaims = struct{}

// Config is what [New] needs.
type Config struct {
	// Issuer is the URL by which clients know this server ("iss"). Required.
	Issuer string
	// Audience is the API that the tokens are for. Defaults to Issuer.
	Audience string
	// Keys sign and verify. Required.
	Keys *keyring.Ring
	// Store keeps sessions and revocations. Required.
	Store sessions.Store
	// Accounts are the users. Required.
	Accounts *users.Accounts
	// Clients are the machine clients. Required.
	Clients *clients.Registry
	// Ping returns an error if the database does not answer. Required.
	Ping func(context.Context) error
	// ClosedSignup lets only administrators make users.
	ClosedSignup bool
	// AccessTTL, IdleTTL, SessionTTL and RefreshGrace are those of [hallpass.Config], with its
	// defaults.
	AccessTTL, IdleTTL, SessionTTL, RefreshGrace time.Duration
	// MaxSessions is how many sessions a user may have at a time. Defaults to no limit.
	MaxSessions int
	// Limits are how often things may be done. Defaults to no limits.
	Limits users.Limits
	// UserCache is how long answers about users are kept, or 0 for not at all. What another process
	// changes can be seen that much later.
	UserCache time.Duration
	// Origins are those of pages of other origins that may use the API ("https://app.example").
	Origins []string
	// SecurityContact is a URL by which to tell of a weakness ("mailto:…"), for security.txt. Defaults to
	// no such text.
	SecurityContact string
	// BrowserCookies lets pages leave their refresh token to a cookie.
	BrowserCookies bool
	// TrustedProxies are the networks of proxies whose X-Forwarded-For is used. Defaults to none.
	TrustedProxies []netip.Prefix
	// Audit gets an entry for each event. Required.
	Audit *audit.Log
	// AuditRetention is how long entries are kept. Defaults to 90 days.
	AuditRetention time.Duration
	// Metrics count what happens. Defaults to metrics that nobody sees.
	Metrics *metrics.Metrics
	// ShowMetrics answers GET /metrics, to clients on this machine only.
	ShowMetrics bool
	// Trace begins to trace a request. It returns the request to go on with, and what ends the trace.
	// Defaults to no traces.
	Trace func(*http.Request) (*http.Request, func(Answered))
	// Log gets a line for each request. Required.
	Log *slog.Logger
	// Observe receives each event. Defaults to [LogEvents] with Log.
	Observe func(context.Context, hallpass.Event)
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Server is the API. It is safe for concurrent use.
type Server struct {
	c           Config
	auth        *hallpass.Auth[noClaims]
	users       *users.Service
	clients     *clients.Service
	limiter     *ratelimit.Limiter
	open        map[string]bool             // paths of the table that pages of every origin may read
	origins     map[string]bool             // that may use the API
	sameOrigin  *http.CrossOriginProtection // of the cookie
	cache       *httpcache.Cache            // of answers about users; nil for none
	revocations *hallpass.Revocations
	handler     http.Handler
	draining    atomic.Bool
	description description
}

// New returns the server. It reads all revocations first, so that no revoked token is accepted;
// [Server.Run] then follows them.
func New(ctx context.Context, c Config) (*Server, error) {
	if c.Keys == nil || c.Store == nil || c.Accounts == nil || c.Ping == nil || c.Audit == nil || c.Log == nil {
		return nil, errors.New("server: Keys, Store, Accounts, Ping, Audit and Log are required")
	}
	if c.AuditRetention == 0 {
		c.AuditRetention = 90 * 24 * time.Hour
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
	if c.Metrics == nil {
		c.Metrics = metrics.New()
	}
	listen := c.Observe
	cache, err := newCache(c)
	if err != nil {
		return nil, err
	}
	c.Observe = func(ctx context.Context, e hallpass.Event) {
		forget(ctx, cache, e)
		listen(ctx, e)
		c.Metrics.Event(ctx, e)
	}
	c.Limits = c.Limits.Named()
	limiter, err := ratelimit.New(ratelimit.Config{Now: c.Now})
	if err != nil {
		return nil, err
	}
	s := &Server{
		c: c, limiter: limiter, cache: cache, open: map[string]bool{}, origins: originSet(c.Origins),
		sameOrigin: http.NewCrossOriginProtection(), revocations: hallpass.NewRevocations(),
	}
	for _, origin := range c.Origins {
		if err := s.sameOrigin.AddTrustedOrigin(strings.ToLower(origin)); err != nil {
			return nil, err
		}
	}
	// Without a way to check passwords it has no login of its own: the server's routes use
	// users.Service.
	s.auth, err = hallpass.New(hallpass.Config[noClaims]{
		Issuer: c.Issuer, Audience: c.Audience, Keys: c.Keys, Store: c.Store, Revocations: s.revocations,
		Authorize: users.Authorize(c.Accounts), AccessTTL: c.AccessTTL, IdleTTL: c.IdleTTL, SessionTTL: c.SessionTTL,
		RefreshGrace: c.RefreshGrace, MaxSessions: c.MaxSessions, AdminRole: users.AdminRole, Client: client,
		MayRefresh: s.mayRefresh, Profile: profile{}, Record: RecordEvents(c.Audit, c.Now), Observe: c.Observe,
		Now: c.Now,
	})
	if err != nil {
		return nil, err
	}
	s.users = users.New(users.Config{
		Accounts: c.Accounts, Issuer: s.auth.Issuer, Limiter: limiter, Limits: c.Limits, Now: c.Now,
	})
	s.clients = clients.New(clients.Config{
		Registry: c.Clients, Issuer: s.auth.Issuer, Limiter: limiter, PerClient: c.Limits.LoginAccount,
		PerAddress: c.Limits.LoginAddress, MayIssue: s.mayRefresh, Now: c.Now,
	})
	if err := s.revocations.Update(ctx, c.Store, c.Now()); err != nil {
		return nil, err
	}
	if err := s.describe(); err != nil {
		return nil, err
	}
	s.measure()
	s.handler = s.wrap(s.mux())
	return s, nil
}

// Handler is the whole API.
func (s *Server) Handler() http.Handler { return s.handler }

// HTTPServer returns an HTTP server for the API, with limits on the size and the slowness of
// requests.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader + 8<<10, // so that most headers that are too large get our answer
		ErrorLog:          slog.NewLogLogger(s.c.Log.Handler(), slog.LevelDebug),
	}
}

// Drain makes /readyz answer 503, so that a balancer sends no more requests.
func (s *Server) Drain() { s.draining.Store(true) }

// The intervals of [Server.Run]. Those of sessions and revocations are in [hallpass.Auth.Run].
const (
	keysInterval  = 500 * time.Millisecond // what other processes rotate is known here within a second
	sweepInterval = time.Minute
	sweepBatch    = 500
)

// Run follows revocations and keys, and deletes what has expired, until ctx ends. Failures are
// logged and tried again.
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

// sweep deletes reservations of names that have ended and old entries of the audit, in batches that
// occupy the database only briefly.
func (s *Server) sweep(ctx context.Context) error {
	now := s.c.Now()
	return errors.Join(
		inBatches(func() (int, error) { return s.c.Accounts.Sweep(ctx, now, sweepBatch) }),
		inBatches(func() (int, error) { return s.c.Audit.Sweep(ctx, now.Add(-s.c.AuditRetention), sweepBatch) }),
	)
}

func inBatches(sweep func() (int, error)) error {
	for {
		if n, err := sweep(); err != nil || n < sweepBatch {
			return err
		}
	}
}
