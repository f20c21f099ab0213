package server

import (
	"net/http"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/page"
	"github.com/hallpass-go/hallpass/internal/users"
)

type (
	route   = hallpass.Route[noClaims]
	request = hallpass.Request[noClaims]
	answer  = hallpass.Answer
)

// routes is the whole table: method and path, who may, and what answers. A route without Public
// wants a token. The library's own come first.
func (s *Server) routes() []route {
	var (
		admin       = hallpass.Role(users.AdminRole)
		fresh       = hallpass.Fresh(users.FreshFor)
		self        = hallpass.Self("id")
		selfOrAdmin = hallpass.AnyOf(self, admin)
		freshAdmin  = hallpass.AllOf(admin, fresh)
		maySignUp   []hallpass.Rule
	)
	if s.c.ClosedSignup {
		maySignUp = only(freshAdmin)
	}
	var table []route
	// POST refresh, logout, logout/all; GET and DELETE sessions; GET jwks.json, revocations.
	for _, r := range s.auth.Routes() {
		r.Pattern = hallpass.WithPrefix(r.Pattern, "/v1")
		table = append(table, r)
		if r.Pattern == "GET /v1/jwks.json" {
			r.Pattern = "GET /.well-known/jwks.json" // where discovery says
			table = append(table, r)
		}
	}
	return append(table, []route{
		{Pattern: "POST /v1/login", Public: true, Serve: s.login},
		{Pattern: "POST /v1/reauthenticate", Serve: s.reauthenticate},
		{Pattern: "GET /v1/me", Serve: s.me},

		{Pattern: "POST /v1/users", Public: !s.c.ClosedSignup, Rules: maySignUp, Serve: s.createUser},
		{Pattern: "GET /v1/users", Rules: only(admin), Parameters: page.Parameters, Serve: s.listUsers},
		{Pattern: "GET /v1/users/{id}", Rules: only(selfOrAdmin), Serve: s.showUser},
		{Pattern: "PATCH /v1/users/{id}", Rules: only(hallpass.AnyOf(self, freshAdmin)), Serve: s.changeUser},
		{Pattern: "DELETE /v1/users/{id}", Rules: only(selfOrAdmin, fresh), Serve: s.deleteUser},
		{Pattern: "PUT /v1/users/{id}/roles", Rules: only(freshAdmin), Serve: s.setRoles},
		{Pattern: "POST /v1/users/{id}/disable", Rules: only(freshAdmin), Serve: s.disable},
		{Pattern: "POST /v1/users/{id}/enable", Rules: only(freshAdmin), Serve: s.enable},

		{Pattern: "GET /v1/verify", Parameters: []string{"role*", "scope*"}, Serve: s.verifyRequest},
		{
			Pattern: "POST /v1/introspect",
			Rules:   only(hallpass.AnyOf(admin, hallpass.Scope(introspectScope))),
			Serve:   s.introspect,
		},
		{Pattern: "POST /v1/revoke", Public: true, Serve: s.revoke},
		{Pattern: "GET /.well-known/oauth-authorization-server", Public: true, Serve: s.metadata},
		{Pattern: "GET /v1/audit", Rules: only(admin), Parameters: auditParameters, Serve: s.listAudit},
		{Pattern: "GET /v1/keys", Rules: only(admin), Serve: s.listKeys},
		{Pattern: "POST /v1/keys/rotate", Rules: only(freshAdmin), Serve: s.rotateKeys},

		{Pattern: "GET /healthz", Public: true, Serve: s.healthz},
		{Pattern: "GET /readyz", Public: true, Serve: s.readyz},
	}...)
}

func only(rules ...hallpass.Rule) []hallpass.Rule { return rules }

// mux makes every route of the table a handler. Whose request it is goes to the log, and what an
// error of the packages below is to a client is said here, once.
func (s *Server) mux() *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		serve := r.Serve
		r.Serve = func(r request) (answer, error) {
			recordOf(r.Context()).subject = r.Identity.Subject
			a, err := serve(r)
			if err != nil {
				return answer{}, asError(err)
			}
			return a, nil
		}
		handler := s.auth.Handler(r)
		mux.HandleFunc(r.Pattern, func(w http.ResponseWriter, r *http.Request) {
			recordOf(r.Context()).routed = true
			handler.ServeHTTP(w, r)
		})
	}
	return mux
}
