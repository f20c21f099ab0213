package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/openapi"
	"github.com/hallpass-go/hallpass/internal/server"
)

// mistake is something that can be wrong with a request of any route, and what is answered.
type mistake struct {
	name   string
	status int
	code   string
	at     func(openapi.Operation) bool // where it can be made
	make   func(*sent)
}

// sent is a request as [fixture.do] takes it.
type sent struct {
	request, body, contentType, token string
}

func wantsToken(o openapi.Operation) bool {
	return o.Security != openapi.NoToken && o.Security != openapi.OptionalClient
}
func takesJSON(o openapi.Operation) bool { return o.Takes.ContentType == "application/json" }
func takesForm(o openapi.Operation) bool {
	return o.Takes.Value != nil && o.Takes.ContentType != "application/json"
}
func takesBody(o openapi.Operation) bool { return o.Takes.Value != nil }
func anyRoute(openapi.Operation) bool    { return true }

var mistakes = []mistake{
	{"a forged token", 401, "token_invalid", wantsToken, func(s *sent) {
		s.token = s.token[:len(s.token)-4] + "AAAA"
	}},
	{"an unknown parameter", 400, "malformed_request", anyRoute, func(s *sent) { s.request += "?colour=red" }},
	{"no JSON", 400, "malformed_request", takesJSON, func(s *sent) { s.body = `{"a":` }},
	{"a list", 400, "malformed_request", takesJSON, func(s *sent) { s.body = `[]` }},
	{"an unknown member", 422, "validation_failed", takesJSON, func(s *sent) { s.body = `{"colour":"red"}` }},
	{"no form", 400, "malformed_request", takesForm, func(s *sent) { s.body = `%zz` }},
	{"another type", 415, "unsupported_media_type", takesBody, func(s *sent) {
		s.contentType, s.body = "text/plain", "red"
	}},
	{"too much", 413, "too_large", takesBody, func(s *sent) { s.body = strings.Repeat("x", 65<<10) }},
	{"a page of none", 422, "validation_failed", takesParameter("limit"), func(s *sent) { s.request += "?limit=0" }},
	{"no cursor", 422, "validation_failed", takesParameter("cursor"), func(s *sent) { s.request += "?cursor=!" }},
	{"a header of 17 KiB", 431, "too_large", anyRoute, func(s *sent) {
		s.request += "?" + strings.Repeat("x", 17<<10)
	}},
	{"no beginning", 422, "validation_failed", takesParameter("since"), func(s *sent) { s.request += "?since=soon" }},
}

func takesParameter(name string) func(openapi.Operation) bool {
	return func(o openapi.Operation) bool {
		return slices.ContainsFunc(o.Parameters, func(p openapi.Parameter) bool { return p.Name == name })
	}
}

// Every mistake that can be made at a route is refused as the document says, and changes nothing:
// the requests share one server.
func TestRoutes_refuseEveryMistake(t *testing.T) {
	f, requests, _ := newRequests(t, options{})
	for _, m := range mistakes {
		made := 0
		for _, r := range requests {
			if m.at(r.operation) {
				made++
				r.wrong(f, m)
			}
		}
		if made == 0 {
			t.Errorf("%s: made nowhere", m.name)
		}
	}
}

// A token that has expired or been revoked opens no route.
func TestRoutes_refuseTokensThatAreOver(t *testing.T) {
	for _, signup := range []bool{true, false} {
		closed := options{config: func(c *server.Config) { c.ClosedSignup = !signup }}
		for _, m := range []mistake{
			{name: "an expired token", status: 401, code: "token_expired", at: wantsToken},
			{name: "a revoked token", status: 401, code: "token_revoked", at: wantsToken},
			{name: "a forged token", status: 401, code: "token_invalid", at: wantsToken, make: mistakes[0].make},
		} {
			f, requests, _ := newRequests(t, closed)
			switch m.code {
			case "token_expired":
				f.clock.Advance(16 * time.Minute)
			case "token_revoked":
				for _, r := range requests {
					if r.token != "" {
						f.do("POST /v1/logout/all", "", "Authorization: Bearer "+r.token)
					}
				}
			}
			for _, r := range requests {
				if m.at(r.operation) {
					r.wrong(f, m)
				}
			}
		}
	}
}

// A refresh token that is over gives nothing, and one that is none ends nothing.
func TestRoutes_refuseRefreshTokensThatAreOver(t *testing.T) {
	f := newFixture(t, options{})
	alice := f.join("alice")
	f.clock.Advance(31 * 24 * time.Hour)
	f.do("POST /v1/refresh", `{"refresh_token":"`+alice.refresh+`"}`).
		want(http.StatusUnauthorized, "refresh_token_expired")
	f.do("POST /v1/logout", `{"refresh_token":"red"}`).want(http.StatusUnauthorized, "refresh_token_invalid")
}

// withoutStore are the routes that answer while the store is away.
var withoutStore = []string{
	"GET /healthz", "GET /metrics", "GET /.well-known/security.txt",
	"GET /openapi.json", "GET /docs", "GET /docs/style.css", "GET /v1/verify",
	"GET /v1/jwks.json", "GET /.well-known/jwks.json", "GET /.well-known/oauth-authorization-server",
}

// While the store is away every route that needs it says so, and when to come again.
func TestRoutes_whileTheStoreIsAway(t *testing.T) {
	f, requests, alice := newRequests(t, options{})
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, r := range requests {
		r.body = strings.ReplaceAll(r.body, alice.access, alice.refresh) // only refresh tokens are in the store
		a := r.send(f)
		if slices.Contains(withoutStore, r.operation.Pattern) {
			if a.Status >= 300 {
				t.Errorf("%s: answered %d %s, and needs no store", r.request, a.Status, a.Body)
			}
			continue
		}
		if a.Status != http.StatusServiceUnavailable || a.code() != hallpass.ErrStoreUnavailable.Code ||
			a.Header.Get("Retry-After") == "" {
			t.Errorf("%s %s: answered %d %s %v", r.request, r.body, a.Status, a.Body, a.Header)
		}
	}
}

// Whoever has the answer of a GET already is told so.
func TestRoutes_sayThatAnAnswerIsStillCurrent(t *testing.T) {
	f, requests, _ := newRequests(t, options{})
	n := 0
	for _, r := range requests {
		if !strings.HasPrefix(r.request, "GET ") {
			continue
		}
		first := r.send(f)
		if r.operation.Answers[0].Status != http.StatusOK || r.operation.Answers[0].Changing {
			continue
		}
		n++
		a := r.send(f, "If-None-Match: "+first.Header.Get("ETag"))
		if a.Status != http.StatusNotModified || a.Body != "" {
			t.Errorf("%s: answered %d %s", r.request, a.Status, a.Body)
		}
	}
	if n < 10 {
		t.Errorf("only %d routes answer a GET", n)
	}
}

// sendable is a right request of a route.
type sendable struct {
	sent
	operation openapi.Operation
}

// newRequests returns a server, and the requests of the table of freshness for it: one a route,
// each by somebody who may.
func newRequests(t *testing.T, o options) (f *fixture, requests []sendable, alice person) {
	t.Helper()
	f = newFixture(t, o)
	api, err := f.server.API()
	if err != nil {
		t.Fatal(err)
	}
	alice = f.user("alice")
	people := map[string]person{"root": f.admin("root"), "bob": f.admin("bob"), "alice": alice}
	fill := strings.NewReplacer("{alice}", alice.id, "{root}", people["root"].id, "{session}", alice.session,
		"{token}", alice.access, "{refresh}", alice.refresh, "{id}", alice.id,
		"{client}", f.machine("warehouse").ID)
	for _, operation := range api.Operations {
		i := slices.IndexFunc(freshness, func(c freshCase) bool { return c.pattern == operation.Pattern })
		if i < 0 {
			t.Fatalf("the table of freshness has no %s", operation.Pattern)
		}
		c := freshness[i]
		method, path, _ := strings.Cut(c.pattern, " ")
		if c.path != "" {
			path = c.path
		}
		by := c.by
		if by == "" && operation.Security == openapi.Token {
			by = "root" // sign-up, where it is closed
		}
		r := sendable{operation: operation, sent: sent{
			request: method + " " + fill.Replace(path), body: fill.Replace(c.body), token: people[by].access,
		}}
		if takesBody(operation) {
			r.contentType = operation.Takes.ContentType
		}
		requests = append(requests, r)
	}
	return f, requests, alice
}

func (s sent) send(f *fixture, headers ...string) answer {
	f.t.Helper()
	if s.token != "" {
		headers = append(headers, "Authorization: Bearer "+s.token)
	}
	if s.contentType != "" && s.body != "" {
		headers = append(headers, "Content-Type: "+s.contentType)
	}
	if s.request == "GET /metrics" {
		headers = append(headers, here)
	}
	return f.do(s.request, s.body, headers...)
}

// wrong sends the request with a mistake.
func (r sendable) wrong(f *fixture, m mistake) {
	f.t.Helper()
	s := r.sent
	if m.make != nil {
		m.make(&s)
	}
	if r.operation.Pattern == "POST /v1/token" { // whose refusals are those of RFC 6749
		status := http.StatusBadRequest
		if m.status == http.StatusRequestHeaderFieldsTooLarge {
			status = m.status
		}
		if a := s.send(f); a.Status != status || a.str("error") != "invalid_request" {
			f.t.Errorf("%s with %s: answered %d %s, want invalid_request", s.request, m.name, a.Status, a.Body)
		}
		return
	}
	if a := s.send(f); a.Status != m.status || a.str("code") != m.code {
		f.t.Errorf("%s with %s: answered %d %s, want %d %s", s.request, m.name, a.Status, a.Body, m.status, m.code)
	}
}
