package server

import (
	"net/http"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/query"
)

// freshFor is how recently somebody must have logged in to do what could give them, or keep, power: to change or delete a user
// (their own too), to give roles, to disable and enable, to make a user where only administrators may, to rotate keys.
const freshFor = 5 * time.Minute

// routes is the whole table: method and path, handler, and who may.
func (s *Server) routes() *http.ServeMux {
	var (
		admin       = hallpass.Role(account.AdminRole)
		self        = hallpass.Self("id")
		selfOrAdmin = hallpass.AnyOf(self, admin)
		freshAdmin  = hallpass.AllOf(admin, hallpass.Fresh(freshFor))
		freshEither = hallpass.AllOf(selfOrAdmin, hallpass.Fresh(freshFor))
	)
	protect := func(h func(http.ResponseWriter, *http.Request, identity), rules ...hallpass.Rule) http.Handler {
		return protected{s.auth.Func(known(h), rules...)}
	}
	mux := http.NewServeMux()
	// A route has the parameters that stand here, and refuses every other; one with a star may be there more than once.
	handle := func(pattern string, h http.Handler, parameters ...string) {
		mux.Handle(pattern, s.only(h, parameters...))
	}

	// POST login, refresh, logout, logout/all, reauthenticate; GET and DELETE sessions; GET jwks.json, revocations.
	s.auth.Mount(mux, "/v1")
	handle("GET /.well-known/jwks.json", s.auth.JWKS())
	handle("GET /v1/me", protect(s.me))

	handle("POST /v1/users", s.signup(freshAdmin))
	handle("GET /v1/users", protect(s.listUsers, admin), "limit", "cursor")
	handle("GET /v1/users/{id}", protect(s.showUser, selfOrAdmin))
	handle("PATCH /v1/users/{id}", protect(s.changeUser, hallpass.AnyOf(self, freshAdmin))) // self: see mayChange
	handle("DELETE /v1/users/{id}", protect(s.deleteUser, freshEither))
	handle("PUT /v1/users/{id}/roles", protect(s.setRoles, freshAdmin))
	handle("POST /v1/users/{id}/disable", protect(s.disable, freshAdmin))
	handle("POST /v1/users/{id}/enable", protect(s.enable, freshAdmin))

	handle("GET /v1/verify", protect(s.verifyRequest), "role*", "scope*")
	handle("POST /v1/introspect", protect(s.introspect, hallpass.AnyOf(admin, hallpass.Scope(introspectScope))))
	handle("POST /v1/revoke", http.HandlerFunc(s.revoke))
	handle("GET /.well-known/oauth-authorization-server", http.HandlerFunc(s.metadata))

	handle("GET /v1/keys", protect(s.listKeys, admin))
	handle("POST /v1/keys/rotate", protect(s.rotateKeys, freshAdmin))

	handle("GET /healthz", http.HandlerFunc(s.healthz))
	handle("GET /readyz", http.HandlerFunc(s.readyz))
	return mux
}

// protected is a handler that wants a token.
type protected struct{ http.Handler }

// only refuses a request with a parameter that the handler would pass over. Whoever has no token is told that first.
func (s *Server) only(h http.Handler, parameters ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := query.Parse(r.URL.RawQuery, parameters...)
		if err == nil {
			h.ServeHTTP(w, r)
			return
		}
		refuse := func(w http.ResponseWriter, r *http.Request, _ identity) {
			s.fail(w, r, hallpass.ErrMalformedRequest.WithDetail(query.Detail(err)))
		}
		if _, ok := h.(protected); ok {
			s.auth.Func(known(refuse)).ServeHTTP(w, r)
			return
		}
		refuse(w, r, identity{})
	})
}
