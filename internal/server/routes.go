package server

import (
	"net/http"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/account"
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
		return s.auth.Func(known(h), rules...)
	}
	mux := http.NewServeMux()

	// POST login, refresh, logout, logout/all, reauthenticate; GET and DELETE sessions; GET jwks.json, revocations.
	s.auth.Mount(mux, "/v1")
	mux.Handle("GET /.well-known/jwks.json", s.auth.JWKS())
	mux.Handle("GET /v1/me", protect(s.me))

	mux.Handle("POST /v1/users", s.signup(freshAdmin))
	mux.Handle("GET /v1/users", protect(s.listUsers, admin))
	mux.Handle("GET /v1/users/{id}", protect(s.showUser, selfOrAdmin))
	mux.Handle("PATCH /v1/users/{id}", protect(s.changeUser, hallpass.AnyOf(self, freshAdmin))) // self: see mayChange
	mux.Handle("DELETE /v1/users/{id}", protect(s.deleteUser, freshEither))
	mux.Handle("PUT /v1/users/{id}/roles", protect(s.setRoles, freshAdmin))
	mux.Handle("POST /v1/users/{id}/disable", protect(s.disable, freshAdmin))
	mux.Handle("POST /v1/users/{id}/enable", protect(s.enable, freshAdmin))

	mux.Handle("GET /v1/verify", protect(s.verifyRequest))
	mux.Handle("POST /v1/introspect", protect(s.introspect, hallpass.AnyOf(admin, hallpass.Scope(introspectScope))))
	mux.HandleFunc("POST /v1/revoke", s.revoke)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", s.metadata)

	mux.Handle("GET /v1/keys", protect(s.listKeys, admin))
	mux.Handle("POST /v1/keys/rotate", protect(s.rotateKeys, freshAdmin))

	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	return mux
}
