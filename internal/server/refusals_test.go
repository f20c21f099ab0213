package server_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/internal/server"
)

// A filter that is misspelt or malformed is refused, at forward-auth and on every other route:
// passed over it would let in whom it was to keep out.
func TestQuery_unknownAndMalformedParametersAreRefused(t *testing.T) {
	f := newFixture(t, options{})
	alice := f.join("alice")
	for _, query := range []string{
		"role=admin;x", "role=%zz", "roles=admin", "Role=admin", "role=", "scope=", "role=user&role=",
		"role=user&x=1", "role[]=admin", "role=user;role=admin",
	} {
		f.do("GET /v1/verify?"+query, "", alice.bearer()).want(http.StatusBadRequest, "malformed_request")
	}
	f.do("GET /v1/verify?role=user", "", alice.bearer()).want(http.StatusNoContent, "")
	f.do("GET /v1/verify?role=user&role=admin", "", alice.bearer()).want(http.StatusForbidden, "insufficient_role")
	for _, c := range freshness {
		method, path, _ := strings.Cut(strings.TrimSuffix(c.pattern, " (closed)"), " ")
		path = strings.ReplaceAll(path, "{id}", alice.id)
		for _, query := range []string{"?unknown=1", "?x=%zz", "?a;b", "?limit=1&limit=2"} {
			a := f.do(method+" "+path+query, c.body, alice.bearer())
			if path == "/v1/token" {
				a.wantOAuth(http.StatusBadRequest, "invalid_request")
				continue
			}
			a.want(http.StatusBadRequest, "malformed_request")
		}
	}
	root := f.admin("root")
	f.do("GET /v1/users?limit=1", "", root.bearer()).want(http.StatusOK, "")
	f.do("GET /v1/sessions?limit=1", "", alice.bearer()).want(http.StatusOK, "")
	f.do("GET /v1/revocations?since=0", "").wantStatus(http.StatusOK)
}

func TestBody_withoutAContentTypeIsRefused(t *testing.T) {
	f := newFixture(t, options{})
	for _, body := range []string{credentials("alice", "x"), " "} {
		r := httptest.NewRequest(http.MethodPost, "/v1/login", strings.NewReader(body))
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		if w.Code != http.StatusUnsupportedMediaType ||
			!strings.Contains(w.Body.String(), "Content-Type: application/json") {
			t.Errorf("%q: answered %d %s", body, w.Code, w.Body)
		}
	}
}

// A handler that panics is answered like any other failure, and the cause is in the log alone.
func TestPanic_isAnswered(t *testing.T) {
	f := newFixture(t, options{config: func(c *server.Config) {
		c.Ping = func(context.Context) error { panic("a secret of the panic") }
	}})
	a := f.do("GET /readyz", "").want(http.StatusInternalServerError, "internal")
	if strings.Contains(a.Body, "secret") || a.str("request_id") != a.Header.Get("X-Request-Id") {
		t.Errorf("answered %v %s", a.Header, a.Body)
	}
	if log := f.log.String(); !strings.Contains(log, "handler panicked") ||
		!strings.Contains(log, a.str("request_id")) {
		t.Errorf("the log has no panic of request %s: %s", a.str("request_id"), log)
	}
	f.do("GET /healthz", "").want(http.StatusOK, "")
}

// A handler that gives up its connection does so: nothing is answered.
func TestPanic_thatAbortsIsPassedOn(t *testing.T) {
	f := newFixture(t, options{config: func(c *server.Config) {
		c.Ping = func(context.Context) error { panic(http.ErrAbortHandler) }
	}})
	w := httptest.NewRecorder()
	w.Body = &bytes.Buffer{}
	defer func() {
		if p := recover(); p != http.ErrAbortHandler || w.Body.Len() != 0 {
			t.Errorf("recovered %v, answered %q", p, w.Body)
		}
	}()
	f.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	t.Error("it was not passed on")
}
