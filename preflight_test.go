package hallpass_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hallpass-go/hallpass"
)

// A preflight holds no token, so Require lets it through to the handler that answers it, without an
// identity. Nothing else gets through.
func TestRequire_letsAPreflightThrough(t *testing.T) {
	a := newAPI(t, nil)
	var reached, known bool
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reached = true
		_, known = hallpass.IdentityFrom[appClaims](r.Context())
	})
	token := "Bearer " + a.login("alice").String(t, "access_token")
	preflight := map[string]string{"Origin": "https://app.test", "Access-Control-Request-Method": "DELETE"}
	without := func(name string) map[string]string {
		h := map[string]string{}
		for n, value := range preflight {
			if n != name {
				h[n] = value
			}
		}
		return h
	}
	for _, c := range []struct {
		name, method   string
		header         map[string]string
		token          string
		reached, known bool
	}{
		{"a preflight", "OPTIONS", preflight, "", true, false},
		{"a preflight with a token", "OPTIONS", preflight, token, true, false},
		{"no origin", "OPTIONS", without("Origin"), "", false, false},
		{"no method asked for", "OPTIONS", without("Access-Control-Request-Method"), "", false, false},
		{"another method", "GET", preflight, "", false, false},
		{"another method", "DELETE", preflight, "", false, false},
		{"another method", "options", preflight, "", false, false},
		{"a request", "GET", nil, token, true, true},
	} {
		for name, protect := range map[string]func(http.Handler) http.Handler{"Require": a.Require(),
			"Require a role": a.Require(hallpass.Role("user"))} {
			reached, known = false, false
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Method = c.method
			for n, value := range c.header {
				r.Header.Set(n, value)
			}
			if c.token != "" {
				r.Header.Set("Authorization", c.token)
			}
			protect(next).ServeHTTP(httptest.NewRecorder(), r)
			if reached != c.reached || known != c.known {
				t.Errorf("%s, %s %s: reached %v with an identity %v", name, c.name, c.method, reached, known)
			}
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodOptions, "/", nil)
	for n, value := range preflight {
		r.Header.Set(n, value)
	}
	a.Func(func(http.ResponseWriter, *http.Request, identity) { t.Error("a handler without an identity") }).
		ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("Func answered %d", w.Code)
	}
}

// A parameter that a route of Mount would pass over is refused, and one where a token may stand is
// known.
func TestMount_unknownParametersAreRefused(t *testing.T) {
	a := newAPI(t, func(c *hallpass.Config[appClaims]) {
		c.Sources = []hallpass.TokenSource{hallpass.FromHeader("Authorization", "Bearer"), hallpass.FromQuery("token")}
	})
	access := a.login("alice").String(t, "access_token")
	for _, route := range []string{"GET /auth/sessions", "POST /auth/logout",
		"GET /auth/revocations", "GET /auth/jwks.json", "POST /auth/refresh"} {
		for _, query := range []string{"?x=1", "?limit=%zz", "?a;b"} {
			a.do(route+query, "", bearer(access)).want(t, 400, "malformed_request")
		}
	}
	a.do("GET /auth/sessions?limit=1&token="+access, "").want(t, 200, "")
	a.do("GET /auth/sessions?token="+access+"&token="+access, "").want(t, 400, "malformed_request")
	a.do("GET /func?token=%zz", "").want(t, 400, "malformed_request")
}
