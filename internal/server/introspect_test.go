package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/server"
)

const form = "Content-Type: application/x-www-form-urlencoded"

func tokenForm(token string) string {
	return url.Values{"token": {token}, "token_type_hint": {"access_token"}}.Encode()
}

func TestIntrospect(t *testing.T) {
	f := newFixture(t, options{})
	alice, root := f.join("alice"), f.admin("root")
	f.do("POST /v1/introspect", tokenForm(alice.access), form).want(http.StatusUnauthorized, "token_missing")
	f.do("POST /v1/introspect", tokenForm(alice.access), form, alice.bearer()).
		want(http.StatusForbidden, "insufficient_role")
	ask := func(token string) string {
		t.Helper()
		a := f.do("POST /v1/introspect", tokenForm(token), form, root.bearer()).want(http.StatusOK, "")
		if a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("Cache-Control %q", a.Header.Get("Cache-Control"))
		}
		return strings.TrimSpace(a.Body)
	}
	for token, kind := range map[string]string{alice.access: "Bearer", alice.refresh: "refresh_token"} {
		got := ask(token)
		for _, member := range []string{`"active":true`, `"token_type":"` + kind + `"`,
			`"sub":"` + alice.id + `"`, `"sid":"` + alice.session + `"`, `"exp":`} {
			if !strings.Contains(got, member) {
				t.Errorf("no %s in %s", member, got)
			}
		}
	}
	inactive := []string{
		"abc",
		alice.access[:len(alice.access)-6] + "AAAAAA",
		alice.refresh[:len(alice.refresh)-2] + "AA",
		strings.Repeat("x", 9000),
	}
	f.do("POST /v1/logout", "", alice.bearer()).want(http.StatusNoContent, "")
	for _, token := range append(inactive, alice.access, alice.refresh) {
		if got := ask(token); got != `{"active":false}` {
			t.Errorf("%.20s: %s", token, got)
		}
	}
	bob := f.login("root")
	f.clock.Advance(16 * time.Minute)
	if a := f.do("POST /v1/introspect", tokenForm(bob.access), form,
		f.login("root").bearer()).want(http.StatusOK, ""); strings.TrimSpace(
		a.Body,
	) != `{"active":false}` {
		t.Errorf("an expired token: %s", a.Body)
	}
	root = f.login("root")
	for _, body := range []string{"", "token=", "token=a&token=b", "other=x", "%zz"} {
		f.do("POST /v1/introspect", body, form, root.bearer()).want(http.StatusBadRequest, "malformed_request")
	}
	f.do("POST /v1/introspect", `{"token":"x"}`, root.bearer()).
		want(http.StatusUnsupportedMediaType, "unsupported_media_type")
	f.do("POST /v1/introspect", "token="+strings.Repeat("x", 70<<10), form, root.bearer()).
		want(http.StatusRequestEntityTooLarge, "too_large")
}

func TestRevoke(t *testing.T) {
	f := newFixture(t, options{})
	for _, token := range []func(person) string{func(p person) string {
		return p.access
	}, func(p person) string { return p.refresh }} {
		alice := person{}
		if _, err := f.accounts.UserByUsername(t.Context(), "alice"); err != nil {
			alice = f.join("alice")
		} else {
			alice = f.login("alice")
		}
		other := f.login("alice")
		for range 2 { // a second time there is nothing left to end
			f.do("POST /v1/revoke", tokenForm(token(alice)), form).want(http.StatusOK, "")
		}
		f.do("GET /v1/me", "", alice.bearer()).want(http.StatusUnauthorized, "token_revoked")
		f.do("POST /v1/refresh", `{"refresh_token":"`+alice.refresh+`"}`).
			want(http.StatusUnauthorized, "refresh_token_invalid")
		f.do("GET /v1/me", "", other.bearer()).want(http.StatusOK, "")
	}
	for _, token := range []string{"abc", "a.b.c", strings.Repeat("x", 9000)} {
		f.do("POST /v1/revoke", tokenForm(token), form).want(http.StatusOK, "")
	}
	f.do("POST /v1/revoke", "", form).want(http.StatusBadRequest, "malformed_request")
	last := f.login("alice")
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
	f.do("POST /v1/revoke", tokenForm(last.access), form).
		want(http.StatusServiceUnavailable, "store_unavailable")
	// never 200 for what was not done
}

func TestVerify_forwardAuth(t *testing.T) {
	f := newFixture(t, options{})
	alice := f.join("alice")
	a := f.do("GET /v1/verify?role=user", "", alice.bearer(), "X-Auth-Subject: root", "X-Auth-Roles: admin").
		want(http.StatusNoContent, "")
	for name, want := range map[string]string{"X-Auth-Subject": alice.id, "X-Auth-Roles": "user",
		"X-Auth-Scope": "", "X-Auth-Session": alice.session} {
		if got := a.Header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	f.do("GET /v1/verify", "").want(http.StatusUnauthorized, "token_missing")
	f.do("GET /v1/verify?role=admin", "", alice.bearer()).want(http.StatusForbidden, "insufficient_role")
	f.do("GET /v1/verify?role=user&role=admin", "", alice.bearer()).want(http.StatusForbidden, "insufficient_role")
	f.do("GET /v1/verify?scope=read", "", alice.bearer()).want(http.StatusForbidden, "insufficient_scope")
}

func TestMetadata(t *testing.T) {
	a := newFixture(t, options{}).do("GET /.well-known/oauth-authorization-server", "").want(http.StatusOK, "")
	if a.str("issuer") != "https://issuer.test" || a.str("jwks_uri") != "https://issuer.test/.well-known/jwks.json" ||
		a.str("introspection_endpoint") != "https://issuer.test/v1/introspect" {
		t.Errorf("answered %s", a.Body)
	}
}

func TestLogin_oldestSessionGoes(t *testing.T) {
	f := newFixture(t, options{config: func(c *server.Config) { c.MaxSessions = 3 }})
	sessions := []person{f.join("alice")}
	for range 4 {
		f.clock.Advance(time.Second)
		sessions = append(sessions, f.login("alice"))
	}
	for i, p := range sessions {
		if i < 2 {
			f.do("GET /v1/me", "", p.bearer()).want(http.StatusUnauthorized, "token_revoked")
		} else {
			f.do("GET /v1/me", "", p.bearer()).want(http.StatusOK, "")
		}
	}
}
