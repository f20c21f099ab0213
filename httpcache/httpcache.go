// Package httpcache keeps the answers of handlers and gives them to the requests that ask for the
// same. It is a middleware for net/http, and keeps answers to GET only; HEAD is answered from them.
//
// It is private by default: an answer is given only to the identity for whom it was made, and a
// request without an identity passes by the cache. [Route.Shared] says that an answer is for
// everybody.
//
// What allows a request, such as the check of a token and of roles, belongs around this middleware,
// so that it runs for each request. [Cache.Invalidate] belongs into the request that writes, after
// the write has been committed: then the next request sees what was written.
package httpcache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// Defaults of [Config].
const (
	DefaultTTL      = 5 * time.Second
	DefaultMaxBytes = 64 << 20
	DefaultMaxBody  = 1 << 20
)

// Config is what [New] needs. The zero Config is complete, for routes that are [Route.Shared].
type Config struct {
	// Identity returns whom an answer is for, and all that the answer depends on beside the request
	// itself, such as roles; or "" for somebody who is not known. Keys hold only a hash of it. It must
	// trust nothing that has not been verified: hallpass.ByToken and hallpass.ByGrant are such
	// functions. Defaults to nobody being known.
	Identity func(*http.Request) string
	// Credentials are header fields that say who asks, beside Authorization, Proxy-Authorization and
	// Cookie: "X-Api-Key". See [Route.Shared]. Defaults to none.
	Credentials []string
	// TTL is how long an answer is used, from the moment when its handler was called. It bounds what
	// nobody invalidates, such as a write by another process. Defaults to [DefaultTTL].
	TTL time.Duration
	// MaxBody is the size in bytes up to which a body is kept. Defaults to [DefaultMaxBody].
	MaxBody int
	// Store keeps the answers. Defaults to [NewMemory] with [DefaultMaxBytes].
	Store Store
	// Name is that of this cache in Cache-Status (RFC 9211): letters, digits, "-" and "_". Defaults to
	// "hallpass".
	Name string
	// Failed is told the errors of the store, and panics while an answer is renewed in the background,
	// where they reach no request. Defaults to an error in the default log.
	Failed func(context.Context, error)
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Cache is a response cache. It is safe for concurrent use.
type Cache struct {
	c       Config
	flights flights
	renewed chan struct{} // has room for each answer that may be renewed in the background at a time
	routes  atomic.Int64
}

// New returns a cache, or every mistake in c at once.
func New(c Config) (*Cache, error) {
	var mistakes []error
	if c.TTL < 0 || c.MaxBody < 0 {
		mistakes = append(mistakes, fmt.Errorf("httpcache: TTL is %v and MaxBody is %d", c.TTL, c.MaxBody))
	}
	for _, letter := range []byte(c.Name) {
		if !isNameByte(letter) {
			mistakes = append(mistakes, fmt.Errorf("httpcache: %q has more than letters, digits, - and _", c.Name))
			break
		}
	}
	if mistakes != nil {
		return nil, errors.Join(mistakes...)
	}
	if c.Identity == nil {
		c.Identity = func(*http.Request) string { return "" }
	}
	if c.TTL == 0 {
		c.TTL = DefaultTTL
	}
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.Store == nil {
		c.Store = NewMemory(0)
	}
	if c.Name == "" {
		c.Name = "hallpass"
	}
	if c.Failed == nil {
		c.Failed = func(ctx context.Context, err error) { slog.ErrorContext(ctx, "response cache failed", "err", err) }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	credentials := []string{"Authorization", "Proxy-Authorization", "Cookie"}
	for _, name := range c.Credentials {
		credentials = append(credentials, http.CanonicalHeaderKey(name))
	}
	c.Credentials = credentials
	return &Cache{
		c: c, flights: flights{running: map[Key]*flight{}}, renewed: make(chan struct{}, maxRenewals),
	}, nil
}

// isNameByte reports whether c may stand in a name that needs no quotes (RFC 9651 §3.3.4).
func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// Route is how the answers of some handlers are kept.
type Route struct {
	// Name keeps the answers of one route apart from those of another. Processes that share a store
	// need the same names. Defaults to a number: the first route of a cache is 1.
	Name string
	// Shared says that the answers are for everybody who gets as far as the handler. If a request
	// has credentials and no identity, it shares an answer only if that says so itself: with public,
	// s-maxage or must-revalidate in Cache-Control (RFC 9111 §3.5).
	Shared bool
	// Identity is that of [Config] for this route. Defaults to the cache's.
	Identity func(*http.Request) string
	// TTL is that of [Config] for this route. A shorter time in an answer's Cache-Control or Expires
	// is used instead. Defaults to the cache's.
	TTL time.Duration
	// StaleFor is how long after TTL an answer is still used, while it is renewed in the background
	// (stale-while-revalidate, RFC 5861 §3). Invalidated answers are never used. A cache renews at most
	// 64 answers at a time; others are used as they are meanwhile. Defaults to 0.
	StaleFor time.Duration
	// Tags returns what an answer is made of, by names of your own: [Cache.Invalidate] takes them.
	// A handler can add others with [Tag]. Defaults to none.
	Tags func(*http.Request) []string
	// AnyOrder says that the order of query parameters with different names means nothing to the
	// handler, as to one that uses [url.URL.Query]: requests that differ only in that, or in how a
	// parameter is escaped, share an answer. By default the query is used as it was sent.
	AnyOrder bool
	// KeepNoCache keeps answers with no-cache in Cache-Control: it says that they mean clients, who
	// then ask this cache each time. By default they are not kept (RFC 9111 §5.2.2.4).
	KeepNoCache bool
}

// Middleware is [Cache.Route] with the zero [Route]: answers are private.
func (c *Cache) Middleware(next http.Handler) http.Handler { return c.Route(Route{})(next) }

// Route returns a middleware that keeps answers in that way.
func (c *Cache) Route(r Route) func(http.Handler) http.Handler {
	if r.Name == "" {
		r.Name = strconv.FormatInt(c.routes.Add(1), 10)
	}
	if r.Identity == nil {
		r.Identity = c.c.Identity
	}
	if r.TTL <= 0 {
		r.TTL = c.c.TTL
	}
	if r.Tags == nil {
		r.Tags = func(*http.Request) []string { return nil }
	}
	return func(next http.Handler) http.Handler { return &middleware{c, r, next} }
}

// Invalidate makes the answers with any of these tags unusable, also those that are being made now.
// Call it after the write has been committed and before it is answered. An error is that of the
// store, and the answers may live as long as their TTL then. If the client may hang up meanwhile, pass
// [context.WithoutCancel] of its context.
func (c *Cache) Invalidate(ctx context.Context, tags ...string) error {
	if len(tags) == 0 {
		return nil
	}
	if err := c.c.Store.Invalidate(ctx, tags...); err != nil {
		return fmt.Errorf("invalidating cached answers: %w", err)
	}
	return nil
}

type fillKey struct{}

// Tag adds tags to the answer that is being made, for a handler that knows only by then what the
// answer is made of. Ctx is that of its request. Without a cache around the handler it does nothing.
func Tag(ctx context.Context, tags ...string) {
	if f, ok := ctx.Value(fillKey{}).(*fill); ok {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.tags = append(f.tags, tags...)
	}
}
