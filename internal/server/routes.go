package server

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/metrics"
	"github.com/hallpass-go/hallpass/internal/openapi"
	"github.com/hallpass-go/hallpass/internal/page"
	"github.com/hallpass-go/hallpass/internal/users"
)

type (
	route   = hallpass.Route[noClaims]
	request = hallpass.Request[noClaims]
	answer  = hallpass.Answer
)

// row is a line of the table: which requests a route takes, who may send them, what serves them,
// and what the document says. Refusals that follow from the rest, such as token_missing where a
// token is wanted, are not listed: described adds them.
type row struct {
	Pattern    string // as in [hallpass.Route], and so are Parameters and Serve
	Who        access
	Parameters []string
	Serve      func(request) (answer, error)
	Limit      users.Limit                     // of each caller, beside those of all requests
	Counts     []string                        // the names of the limits that Serve takes from
	Around     func(http.Handler) http.Handler // as in [hallpass.Route]: a cache
	Cookie     cookieUse                       // whether a browser's cookie may have the refresh token
	Open       bool                            // pages of every origin may read the answer

	Does    string // a sentence
	Takes   openapi.Body
	Answers []openapi.Answer
	Refuses []*hallpass.Error // what Serve may refuse with
}

// routes is the whole table. The mux, the checks, /openapi.json, /docs, docs/api.md and the tests
// are made from it. It includes the library's own routes.
func (s *Server) routes() []row {
	table := slices.Concat(s.userRoutes(), s.loginRoutes(), s.libraryRoutes(), s.serviceRoutes(), s.clientRoutes(),
		s.operationRoutes())
	for i := range table {
		table[i] = s.withCookie(table[i])
	}
	return table
}

func (s *Server) userRoutes() []row {
	mayRegister := anyone
	if s.c.ClosedSignup {
		mayRegister = freshAdmin
	}
	return []row{
		{
			Pattern: "POST /v1/users", Who: mayRegister, Serve: s.createUser,
			Does: "Makes a user.", Takes: openapi.JSON(newUser{}), Answers: created(userDocument{}),
			Counts: []string{"signup"}, Refuses: refuse(passwordChecked, errUsernameTaken),
		},
		{
			Pattern: "GET /v1/users", Who: admin, Parameters: page.Parameters, Serve: s.listUsers,
			Does: "Lists the users.", Answers: ok(page.List[userDocument]{}),
			Refuses: storeAsked,
		},
		{
			Pattern: "GET /v1/users/{id}", Who: selfOrAdmin, Serve: s.showUser, Around: s.cached(userInPath),
			Does: "Shows a user.", Answers: ok(userDocument{}), Refuses: refuse(storeAsked, hallpass.ErrNotFound),
		},
		{
			Pattern: "PATCH /v1/users/{id}", Who: selfOrFreshAdmin, Serve: s.changeUser, Cookie: givesToken,
			Does: "Changes a user. Who changes their own password sends current_password too, and gets new tokens; " +
				"their own name or e-mail address wants a recent login. Other sessions end with the old password.",
			Counts: append([]string{"rename"}, wrongPasswords...),
			Takes:  openapi.JSON(userChanges{}), Answers: ok(userDocument{}, changedDocument{}),
			Refuses: refuse(passwordChecked, hallpass.ErrNotFound, hallpass.ErrFreshTokenRequired, errUsernameTaken,
				errChangedSince),
		},
		{
			Pattern: "DELETE /v1/users/{id}", Who: freshSelfOrAdmin, Serve: s.deleteUser,
			Does: "Deletes a user and ends their sessions.", Answers: noContent(),
			Refuses: refuse(storeAsked, hallpass.ErrNotFound, errChangedSince, errLastAdmin),
		},
		{
			Pattern: "PUT /v1/users/{id}/roles", Who: freshAdmin, Serve: s.setRoles,
			Does: "Sets the roles of a user.", Takes: openapi.JSON(rolesBody{}), Answers: ok(userDocument{}),
			Refuses: refuse(storeAsked, hallpass.ErrNotFound, errChangedSince, errLastAdmin),
		},
		{
			Pattern: "POST /v1/users/{id}/disable", Who: freshAdmin, Serve: s.disable,
			Does: "Disables a user and ends their sessions.", Takes: nothing, Answers: ok(userDocument{}),
			Refuses: refuse(storeAsked, hallpass.ErrNotFound, errChangedSince, errLastAdmin),
		},
		{
			Pattern: "POST /v1/users/{id}/enable", Who: freshAdmin, Serve: s.enable,
			Does: "Lets a disabled user log in again.", Takes: nothing, Answers: ok(userDocument{}),
			Refuses: refuse(storeAsked, hallpass.ErrNotFound, errChangedSince),
		},
	}
}

func (s *Server) loginRoutes() []row {
	return []row{
		{
			Pattern: "POST /v1/login", Who: anyone, Serve: s.login, Cookie: givesToken,
			Does:  "Logs a user in, by a JSON body or by HTTP Basic without a body.",
			Takes: openapi.JSON(credentials{}).OrBasic(), Answers: ok(tokensDocument{}),
			Counts: wrongPasswords, Refuses: refuse(passwordChecked, hallpass.ErrInvalidCredentials),
		},
		{
			Pattern: "POST /v1/reauthenticate", Who: user, Serve: s.reauthenticate, Cookie: givesToken,
			Does:  "Makes the login recent again. The refresh token changes.",
			Takes: openapi.JSON(passwordBody{}), Answers: ok(tokensDocument{}),
			Counts: wrongPasswords, Refuses: refuse(passwordChecked, hallpass.ErrInvalidCredentials),
		},
		{
			Pattern: "GET /v1/me", Who: user, Serve: s.me, Around: s.cached(userWhoCalls),
			Does: "Shows who is calling.", Answers: ok(meDocument{}),
			Refuses: storeAsked,
		},
	}
}

// serviceRoutes are for what takes the tokens: proxies, and services that verify them.
func (s *Server) serviceRoutes() []row {
	return []row{
		{
			Pattern: "GET /v1/verify", Who: caller, Parameters: []string{"role*", "scope*"}, Serve: s.verifyRequest,
			Does: "Tells a proxy who sent the request that it asks about (forward-auth).", Answers: identityFields,
			Refuses: refuse(nil, hallpass.ErrInsufficientRole, hallpass.ErrInsufficientScope),
		},
		{
			Pattern: "POST " + tokenPath, Who: holder, Serve: s.token,
			Does: "Gives tokens to OAuth clients (RFC 6749): the next tokens of a session for its refresh token, " +
				"and an access token of its own to a machine client with its secret, by HTTP Basic or in the form.",
			Takes: openapi.Form(tokenForm{}), Answers: ok(tokenAnswer{}),
			Counts: append([]string{"refresh"}, wrongPasswords...), Refuses: oauthRefusals,
		},
		{
			Pattern: "POST /v1/introspect", Who: introspector, Serve: s.introspect,
			Limit: s.c.Limits.Introspection, Counts: wrongPasswords,
			Does:  "Tells whether a token would be accepted now (RFC 7662).",
			Takes: openapi.Form(tokenBody{}), Answers: ok(introspection{}),
			Refuses: refuse(storeAsked, refusalsOfClients...),
		},
		{
			Pattern: "POST /v1/revoke", Who: holder, Serve: s.revoke,
			Does: "Ends the session of a token (RFC 7009). The answer is the same for a token that is unknown. " +
				"A machine client that sends its secret can revoke its own tokens only.",
			Takes: openapi.Form(tokenBody{}), Answers: []openapi.Answer{{Status: http.StatusOK}},
			Counts: wrongPasswords, Refuses: refuse(refuse(storeAsked, errInvalidGrant), refusalsOfClients...),
		},
		{
			Pattern: "GET /.well-known/oauth-authorization-server", Who: anyone, Open: true, Serve: s.metadata,
			Does: "Describes the server to OAuth clients (RFC 8414).", Answers: ok(map[string]any{}),
		},
	}
}

// clientRoutes are about machine clients.
func (s *Server) clientRoutes() []row {
	return []row{
		{
			Pattern: "GET /v1/clients", Who: admin, Parameters: page.Parameters, Serve: s.listClients,
			Does: "Lists the machine clients.", Answers: ok(page.List[clientDocument]{}), Refuses: storeAsked,
		},
		{
			Pattern: "POST /v1/clients", Who: freshAdmin, Serve: s.createClient,
			Does:  "Makes a machine client. The answer has its secret, which is never shown again.",
			Takes: openapi.JSON(newClient{}), Answers: created(secretDocument{}),
			Refuses: refuse(storeAsked, errClientNameTaken),
		},
		{
			Pattern: "GET /v1/clients/{id}", Who: admin, Serve: s.showClient,
			Does: "Shows a machine client.", Answers: ok(clientDocument{}),
			Refuses: refuse(storeAsked, hallpass.ErrNotFound),
		},
		{
			Pattern: "POST /v1/clients/{id}/rotate", Who: freshAdmin, Serve: s.rotateClient,
			Does: "Gives a machine client another secret. The present one is accepted for overlap_seconds more, 0 by " +
				"default. Without an overlap the client's tokens end, too.",
			Takes: openapi.JSON(rotation{}).OrNone(), Answers: ok(secretDocument{}),
			Refuses: refuse(storeAsked, hallpass.ErrNotFound),
		},
		{
			Pattern: "POST /v1/clients/{id}/disable", Who: freshAdmin, Serve: s.disableClient,
			Does: "Disables a machine client and ends its tokens.", Takes: nothing, Answers: ok(clientDocument{}),
			Refuses: refuse(storeAsked, hallpass.ErrNotFound),
		},
		{
			Pattern: "POST /v1/clients/{id}/enable", Who: freshAdmin, Serve: s.enableClient,
			Does: "Accepts a disabled machine client again.", Takes: nothing, Answers: ok(clientDocument{}),
			Refuses: refuse(storeAsked, hallpass.ErrNotFound),
		},
		{
			Pattern: "DELETE /v1/clients/{id}", Who: freshAdmin, Serve: s.deleteClient,
			Does: "Deletes a machine client and ends its tokens.", Answers: noContent(),
			Refuses: refuse(storeAsked, hallpass.ErrNotFound),
		},
	}
}

func (s *Server) operationRoutes() []row {
	return []row{
		{
			Pattern: "GET /v1/audit", Who: admin, Parameters: auditParameters, Serve: s.listAudit,
			Does: "Lists what happened, newest first.", Answers: ok(page.List[auditDocument]{}),
			Refuses: storeAsked,
		},
		{
			Pattern: "GET /v1/keys", Who: admin, Serve: s.listKeys,
			Does: "Lists the signing keys, without the keys themselves.", Answers: ok(page.List[keyDocument]{}),
			Refuses: storeAsked,
		},
		{
			Pattern: "POST /v1/keys/rotate", Who: freshAdmin, Serve: s.rotateKeys,
			Does:  "Makes the next signing key, or shows the one that waits already.",
			Takes: nothing, Answers: ok(keyDocument{}),
			Refuses: storeAsked,
		},
		{
			Pattern: "GET /healthz", Who: anyone, Serve: s.healthz,
			Does: "Tells that the process answers.", Answers: ok(stateDocument{}),
		},
		{
			Pattern: "GET /readyz", Who: anyone, Serve: s.readyz,
			Does: "Tells that requests can be served.", Answers: ok(stateDocument{}), Refuses: storeAsked,
		},
		{
			Pattern: "GET /metrics", Who: machine, Serve: s.showMetrics,
			Does: "Shows metrics for Prometheus.", Answers: changing(text(metrics.ContentType)),
			Refuses: refuse(nil, hallpass.ErrNotFound),
		},
		{
			Pattern: "GET /.well-known/security.txt", Who: anyone, Serve: s.securityText,
			Does:    "Tells whom to tell of a weakness (RFC 9116), if --security-contact is set.",
			Answers: text("text/plain; charset=utf-8"), Refuses: refuse(nil, hallpass.ErrNotFound),
		},
		{
			Pattern: "GET /openapi.json", Who: anyone, Open: true, Serve: s.description.document,
			Does: "Is the OpenAPI 3.1 document of these routes.", Answers: ok(map[string]any{}),
		},
		{
			Pattern: "GET /docs", Who: anyone, Serve: s.description.page,
			Does: "Is the page of documentation.", Answers: text("text/html; charset=utf-8"),
		},
		{
			Pattern: "GET /docs/style.css", Who: anyone, Serve: s.description.style,
			Does: "Is the style of the page of documentation.", Answers: text("text/css; charset=utf-8"),
		},
	}
}

// libraryRoutes are those that [hallpass.Auth] brings along: which they are, and who may, is for it
// to say.
func (s *Server) libraryRoutes() []row {
	var table []row
	for _, r := range s.auth.Routes() {
		described := ofLibrary[r.Pattern]
		described.Pattern, described.Parameters = hallpass.WithPrefix(r.Pattern, "/v1"), r.Parameters
		described.Who.public, described.Who.rules, described.Serve = r.Public, r.Rules, r.Serve
		table = append(table, described)
		if r.Pattern == "GET /jwks.json" {
			described.Pattern = "GET /.well-known/jwks.json" // where discovery says
			table = append(table, described)
		}
	}
	return table
}

var ofLibrary = map[string]row{
	"POST /refresh": {
		Who: anyone, Cookie: takesToken, Does: "Changes a refresh token for new tokens.",
		Takes: openapi.JSON(refreshBody{}), Answers: ok(tokensDocument{}), Counts: []string{"refresh"},
		Refuses: refuse(storeAsked, hallpass.ErrRefreshTokenInvalid, hallpass.ErrRefreshTokenExpired,
			hallpass.ErrRefreshTokenReused),
	},
	"POST /logout": {
		Who: eitherToken, Cookie: takesToken,
		Does:  "Ends the session of the access token, or of a refresh token in the body.",
		Takes: openapi.JSON(logoutBody{}).OrNone(), Answers: noContent(),
		Refuses: refuse(tokenChecked, hallpass.ErrRefreshTokenInvalid, hallpass.ErrStoreUnavailable),
	},
	"POST /logout/all": {
		Who: caller, Does: "Ends every session of the user.", Answers: noContent(), Refuses: storeAsked,
	},
	"GET /sessions": {
		Who: caller, Does: "Lists the sessions of the user.", Answers: ok(page.List[sessionDocument]{}),
		Refuses: storeAsked,
	},
	"DELETE /sessions/{id}": {
		Who: ownerOrAdmin, Does: "Ends a session.", Answers: noContent(),
		Refuses: refuse(storeAsked, hallpass.ErrNotFound),
	},
	"GET /jwks.json": {
		Who: anyone, Open: true, Does: "Publishes the keys that verify access tokens (RFC 7517).",
		Answers: as("application/jwk-set+json", keySet{}),
	},
	"GET /revocations": {
		Who: anyone, Open: true,
		Does: "Publishes which tokens have been revoked, as a signed page, for services that verify tokens by " +
			"themselves.",
		Answers: text("application/jwt"), Refuses: storeAsked,
	},
}

// mux makes every route of the table a handler. What an error of the packages below is to a client is
// said here, once.
func (s *Server) mux() *http.ServeMux {
	mux := http.NewServeMux()
	for _, line := range s.routes() {
		if line.Open {
			s.open[line.path()] = true
		}
		r := route{
			Pattern: line.Pattern, Parameters: line.Parameters, Public: line.Who.public || line.Who.orClient,
			Rules: line.Who.rulesOfRoute(), Around: line.Around,
		}
		if line.Around != nil { // what comes before that is a rule
			r.Rules = append(slices.Clip(r.Rules), s.admission(line.Limit))
		}
		r.Serve = func(r request) (answer, error) {
			var refusal error
			if line.Who.orClient {
				r.Identity, refusal = s.tokenOrClient(r, line.Who.rules)
			}
			if line.Around == nil {
				refusal = cmp.Or(s.admit(r.Request, r.Identity.Subject, line.Limit), refusal)
			}
			if refusal != nil {
				return answer{}, asError(refusal)
			}
			a, err := line.Serve(r)
			if err != nil {
				return answer{}, asError(err)
			}
			return a, nil
		}
		handler := s.auth.Handler(r)
		mux.HandleFunc(line.Pattern, func(w http.ResponseWriter, r *http.Request) {
			recordOf(r.Context()).routed = true
			handler.ServeHTTP(w, r)
		})
	}
	return mux
}

// admit lets a request pass that the rules have let pass. It tells the log whose it is, and counts it.
func (s *Server) admit(r *http.Request, user string, ofRoute users.Limit) error {
	recordOf(r.Context()).subject = user
	return s.mayCall(r.Context(), user, ofRoute)
}

// admission is admit as a rule. That costs a little more, since a rule gets the whole identity.
func (s *Server) admission(ofRoute users.Limit) hallpass.Rule {
	return hallpass.Check(func(r *http.Request, id hallpass.Identity[noClaims]) error {
		return s.admit(r, id.Subject, ofRoute)
	})
}
