package server

import (
	"context"
	"net/http"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/httpcache"
	"github.com/hallpass-go/hallpass/internal/users"
)

// cacheBytes is how much memory the answers about users may take.
const cacheBytes = 16 << 20

// newCache returns the cache of answers about users, or nil if there is to be none. Each token has
// answers of its own, so that an answer may say what the token says, and nothing is shared.
func newCache(c Config) (*httpcache.Cache, error) {
	if c.UserCache == 0 {
		return nil, nil
	}
	return httpcache.New(httpcache.Config{
		TTL: c.UserCache, Identity: hallpass.ByToken[noClaims], Store: httpcache.NewMemory(cacheBytes), Now: c.Now,
		Failed: func(ctx context.Context, err error) {
			c.Observe(ctx, hallpass.Event{Name: hallpass.EventFailed, Err: err})
		},
	})
}

// cached returns what keeps the answers of a route that are made of one user, or nil if nothing does.
// Of returns the user's ID. The checks of the route, and its limits, are outside.
func (s *Server) cached(of func(*http.Request) string) func(http.Handler) http.Handler {
	if s.cache == nil {
		return nil
	}
	return s.cache.Route(httpcache.Route{
		Tags:        func(r *http.Request) []string { return []string{of(r)} },
		KeepNoCache: true, // that is for the client, who asks here each time
	})
}

func userInPath(r *http.Request) string { return r.PathValue("id") }

func userWhoCalls(r *http.Request) string {
	id, _ := hallpass.IdentityFrom[noClaims](r.Context())
	return id.Subject
}

// changesUser are the events after which a user looks different.
var changesUser = map[string]bool{
	users.EventChanged: true, users.EventRoles: true, users.EventDisabled: true, users.EventEnabled: true,
	users.EventDeleted: true,
}

// forget makes what is kept of a user unusable, if the event says that they have changed. Events are
// told after the commit and before the answer, so the next request sees the change.
func forget(ctx context.Context, cache *httpcache.Cache, e hallpass.Event) {
	if cache != nil && changesUser[e.Name] {
		_ = cache.Invalidate(ctx, e.Subject) // memory does not fail
	}
}
