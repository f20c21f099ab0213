package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/users"
)

// ask sends a form, of pairs, to the token endpoint.
func (f *fixture) ask(headers []string, pairs ...string) answer {
	f.t.Helper()
	return f.form("/v1/token", headers, pairs...)
}

func (f *fixture) form(path string, headers []string, pairs ...string) answer {
	f.t.Helper()
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return f.do("POST "+path, values.Encode(), append(headers, form)...)
}

func basicOf(id, secret string) []string {
	return []string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))}
}

// ofOwn asks for a token of the client's own.
func (f *fixture) ofOwn(c machineClient, pairs ...string) answer {
	f.t.Helper()
	return f.ask([]string{c.basic()}, append([]string{"grant_type", "client_credentials"}, pairs...)...)
}

func (f *fixture) introspect(c machineClient, token string) answer {
	f.t.Helper()
	return f.form("/v1/introspect", []string{c.basic()}, "token", token)
}

func TestToken_refreshesAsTheOtherRouteDoes(t *testing.T) {
	f := newFixture(t, options{})
	alice := f.join("alice")
	a := f.ask(nil, "grant_type", "refresh_token", "refresh_token", alice.refresh).want(http.StatusOK, "")
	var members map[string]any
	a.object(&members)
	if members["token_type"] != "Bearer" || members["expires_in"] != 900.0 || len(members) != 4 ||
		a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" {
		t.Errorf("answered %v %s", a.Header, a.Body)
	}
	f.do("GET /v1/me", "", "Authorization: Bearer "+a.str("access_token")).want(http.StatusOK, "")
	// The used token gets the same successor for 30 seconds, by either route, and then ends the session.
	again := f.ask(nil, "grant_type", "refresh_token", "refresh_token", alice.refresh).want(http.StatusOK, "")
	other := f.do("POST /v1/refresh", `{"refresh_token":"`+alice.refresh+`"}`).want(http.StatusOK, "")
	if next := a.str("refresh_token"); next == alice.refresh || again.str("refresh_token") != next ||
		other.str("refresh_token") != next {
		t.Errorf("successors %s, %s and %s", next, again.str("refresh_token"), other.str("refresh_token"))
	}
	f.clock.Advance(31 * time.Second)
	f.ask(nil, "grant_type", "refresh_token", "refresh_token", alice.refresh).
		wantOAuth(http.StatusBadRequest, "invalid_grant")
	f.ask(nil, "grant_type", "refresh_token", "refresh_token", a.str("refresh_token")).
		wantOAuth(http.StatusBadRequest, "invalid_grant")
	if !strings.Contains(f.log.String(), `"code":"refresh_token_reused"`) {
		t.Error("the log does not say that the token was reused")
	}
}

func TestToken_publicClientNamesTheClientOfItsTokens(t *testing.T) {
	f := newFixture(t, options{})
	alice, c := f.join("alice"), f.machine("billing")
	refresh := []string{"grant_type", "refresh_token", "refresh_token", alice.refresh}
	f.ask(nil, append(refresh, "client_id", "https://issuer.test")...).want(http.StatusOK, "")
	f.ask(basicOf(url.QueryEscape("https://issuer.test"), ""), refresh...).want(http.StatusOK, "")
	f.ask(nil, append(refresh, "client_id", "another")...).wantOAuth(http.StatusUnauthorized, "invalid_client")
	f.ask(nil, append(refresh, "client_id", c.ID)...).wantOAuth(http.StatusUnauthorized, "invalid_client")
	// Refresh tokens are not issued to machine clients, and are not used up by them.
	f.ask([]string{c.basic()}, refresh...).wantOAuth(http.StatusBadRequest, "invalid_grant")
	f.ask(nil, append(refresh, "scope", "more")...).wantOAuth(http.StatusBadRequest, "invalid_scope")
	f.ask(nil, append(refresh, "scope", "")...).want(http.StatusOK, "")
	f.clock.Advance(time.Minute)
	next := f.ask(nil, refresh...)
	next.wantOAuth(http.StatusBadRequest, "invalid_grant") // used by the first
}

// A refused request has not used the refresh token.
func TestToken_refusalsLeaveTheRefreshTokenUnused(t *testing.T) {
	f := newFixture(t, options{})
	alice, c := f.join("alice"), f.machine("billing")
	refresh := []string{"grant_type", "refresh_token", "refresh_token", alice.refresh}
	f.ask([]string{c.basic()}, refresh...).wantOAuth(http.StatusBadRequest, "invalid_grant")
	f.ask(nil, append(refresh, "scope", "more")...).wantOAuth(http.StatusBadRequest, "invalid_scope")
	f.ask(nil, append(refresh, "client_id", "another")...).wantOAuth(http.StatusUnauthorized, "invalid_client")
	f.clock.Advance(time.Hour) // longer than the grace for a used one
	f.ask(nil, refresh...).want(http.StatusOK, "")
}

func TestToken_ofAClient(t *testing.T) {
	f := newFixture(t, options{})
	c, asker := f.machine("billing", "read", "write"), f.machine("asker")
	for _, by := range []answer{
		f.ofOwn(c),
		f.ask(nil, "grant_type", "client_credentials", "client_id", c.ID, "client_secret", c.secret),
		f.ask(basicOf(strings.ReplaceAll(c.ID, "-", "%2D"), strings.ReplaceAll(c.secret, "_", "%5f")),
			"grant_type", "client_credentials", "client_id", c.ID, "unknown", "passed over"),
	} {
		var members map[string]any
		by.want(http.StatusOK, "").object(&members)
		if len(members) != 4 || members["scope"] != "read write" || members["expires_in"] != 900.0 {
			t.Errorf("answered %s", by.Body)
		}
		var about map[string]any
		f.introspect(asker, by.str("access_token")).want(http.StatusOK, "").object(&about)
		for member, want := range map[string]any{
			"active": true, "sub": c.ID, "client_id": c.ID, "scope": "read write", "sid": nil, "roles": nil,
			"auth_time": nil, "token_type": "Bearer",
		} {
			if about[member] != want {
				t.Errorf("%s is %v, want %v", member, about[member], want)
			}
		}
	}
	if a := f.ofOwn(c, "scope", "write"); a.str("scope") != "write" {
		t.Errorf("answered %s", a.Body)
	}
	for _, scope := range []string{"admin", "read admin", "READ"} {
		f.ofOwn(c, "scope", scope).wantOAuth(http.StatusBadRequest, "invalid_scope")
	}
	f.ofOwn(asker, "scope", "read").wantOAuth(http.StatusBadRequest, "invalid_scope")
}

// A client's token opens what needs no user, and nothing of a user's.
func TestToken_ofAClientIsNoUsers(t *testing.T) {
	f := newFixture(t, options{})
	c := f.machine("billing", "read", "admin")
	bearer := "Authorization: Bearer " + f.ofOwn(c).str("access_token")
	a := f.do("GET /v1/verify?scope=read", "", bearer).want(http.StatusNoContent, "")
	if h := a.Header; h.Get("X-Auth-Subject") != c.ID || h.Get("X-Auth-Roles") != "" || h.Get("X-Auth-Session") != "" {
		t.Errorf("identity %v", h)
	}
	f.do("GET /v1/verify?role=admin", "", bearer).want(http.StatusForbidden, "insufficient_role")
	f.do("GET /v1/users", "", bearer).want(http.StatusForbidden, "insufficient_role")
	f.do("GET /v1/clients", "", bearer).want(http.StatusForbidden, "insufficient_role")
	f.do("GET /v1/me", "", bearer).want(http.StatusForbidden, "insufficient_role")
	f.do("POST /v1/reauthenticate", `{"password":"x"}`, bearer).want(http.StatusForbidden, "insufficient_role")
	f.do("POST /v1/introspect", "token=x", bearer, form).want(http.StatusForbidden, "insufficient_role")
	f.do("GET /v1/users/"+c.ID, "", bearer).want(http.StatusForbidden, "insufficient_role")
	f.do("DELETE /v1/users/"+c.ID, "", bearer).want(http.StatusForbidden, "insufficient_role")
	f.do("PATCH /v1/users/"+c.ID, `{"email":"a@b.example"}`, bearer).want(http.StatusForbidden, "insufficient_role")
	if a := f.do("GET /v1/sessions", "", bearer).want(http.StatusOK, ""); !strings.Contains(a.Body, `"items":[]`) {
		t.Errorf("sessions %s", a.Body)
	}
	// A token of its own with the scope may introspect, as that of any service.
	trusted := f.machine("gateway", "introspect")
	bearer = "Authorization: Bearer " + f.ofOwn(trusted).str("access_token")
	f.do("POST /v1/introspect", "token=x", bearer, form).want(http.StatusOK, "")
}

// What a client asks wrongly is refused as RFC 6749 §5.2 has it.
func TestToken_refusesAsTheStandardSays(t *testing.T) {
	f := newFixture(t, options{})
	c := f.machine("billing", "read")
	basic, grant := c.basic(), "grant_type=client_credentials"
	post := "&client_id=" + c.ID + "&client_secret=" + c.secret
	for _, r := range []struct {
		body    string
		headers []string
		status  int
		code    string
	}{
		{"", nil, 400, "invalid_request"},
		{"grant_type=", nil, 400, "invalid_request"},
		{"grant_type=password", []string{basic}, 400, "unsupported_grant_type"},
		{grant + "&" + grant, []string{basic}, 400, "invalid_request"},
		{grant + "&x=1&x=2", []string{basic}, 400, "invalid_request"},
		{grant, nil, 401, "invalid_client"},
		{grant + "&client_id=" + c.ID, nil, 401, "invalid_client"},
		{grant + "&client_secret=" + c.secret, nil, 401, "invalid_client"},
		{grant + "&client_id=" + c.ID + "&client_secret=wrong", nil, 401, "invalid_client"},
		{grant, basicOf(c.ID, "wrong"), 401, "invalid_client"},
		{grant, basicOf("client-unknown", c.secret), 401, "invalid_client"},
		{grant, basicOf(c.ID, ""), 401, "invalid_client"},
		{grant, basicOf("billing", c.secret), 401, "invalid_client"}, // a name is no ID
		{grant, basicOf(c.ID, "%zz"), 401, "invalid_client"},
		{grant, []string{"Authorization: Basic !!"}, 401, "invalid_client"},
		{grant, []string{"Authorization: Bearer x"}, 401, "invalid_client"},
		{grant, []string{basic, basic}, 400, "invalid_request"},
		{grant + post, []string{basic}, 400, "invalid_request"},
		{grant + "&client_id=other", []string{basic}, 400, "invalid_request"},
		{grant + post + "&client_assertion=x", nil, 401, "invalid_client"},
		{"grant_type=refresh_token&refresh_token=x&client_assertion_type=y", nil, 401, "invalid_client"},
		{"grant_type=refresh_token", nil, 400, "invalid_request"},
		{"grant_type=refresh_token&refresh_token=x", nil, 400, "invalid_grant"},
		{"%zz", []string{basic}, 400, "invalid_request"},
		{strings.Repeat("x", 65<<10), []string{basic}, 400, "invalid_request"},
	} {
		a := f.do("POST /v1/token", r.body, append(r.headers, form)...)
		if a.Status != r.status || a.str("error") != r.code {
			t.Errorf("%.80q %q: answered %d %s, want %d %s", r.body, r.headers, a.Status, a.Body, r.status, r.code)
			continue
		}
		a.wantOAuth(r.status, r.code)
	}
	f.do("POST /v1/token", `{"grant_type":"client_credentials"}`, basic).wantOAuth(400, "invalid_request")
	f.do("POST /v1/token?grant_type=client_credentials", post[1:], form).wantOAuth(400, "invalid_request")
	f.do("POST /v1/token", grant, basic, form, "X: "+strings.Repeat("x", 17<<10)).wantOAuth(431, "invalid_request")
	f.do("GET /v1/token", "").want(405, "method_not_allowed")
	if strings.Contains(f.log.String(), c.secret) {
		t.Error("the log has the secret")
	}
}

// Guesses at a secret are limited, and lock out neither the client nor users who are known.
func TestToken_guessesAreLimited(t *testing.T) {
	f := newFixture(t, options{config: func(c *server.Config) {
		c.Limits.LoginAccount = users.Limit{Burst: 5, Per: time.Minute}
		c.Limits.LoginAddress = users.Limit{Burst: 20, Per: time.Minute}
	}})
	c := f.machine("billing")
	counts := map[int]int{}
	var last answer
	for i := range 200 {
		paths := []string{"/v1/token", "/v1/introspect", "/v1/revoke"}
		guess := basicOf(c.ID, fmt.Sprint("guess", i))
		last = f.form(paths[i%3], guess, "grant_type", "client_credentials", "token", "x")
		counts[last.Status]++
	}
	if counts[401] != 5 || counts[429] != 195 {
		t.Errorf("200 guesses are answered %v", counts)
	}
	last.wantOAuth(http.StatusTooManyRequests, "temporarily_unavailable")
	if h := last.Header; h.Get("Retry-After") == "" || h.Get("RateLimit") == "" || h.Get("RateLimit-Policy") == "" {
		t.Errorf("fields %v", h)
	}
	f.ofOwn(c).want(http.StatusOK, "")
	// Guesses at many clients from one address are limited together, whether there is such a client or
	// not.
	counts = map[int]int{}
	for i := range 50 {
		counts[f.ofOwn(machineClient{fmt.Sprint("client-", i), "x"}).Status]++
	}
	if counts[401] != 15 || counts[429] != 35 {
		t.Errorf("50 guesses from an address are answered %v", counts)
	}
	f.ofOwn(c).want(http.StatusOK, "")
}

// A client that asks for token after token is told to keep one.
func TestToken_tokensOfAClientAreLimited(t *testing.T) {
	f := newFixture(t, options{config: func(c *server.Config) { c.Limits.Refresh = twoAnHour }})
	c, other := f.machine("billing"), f.machine("other")
	for range 2 {
		f.ofOwn(c).want(http.StatusOK, "")
	}
	f.ofOwn(c).wantOAuth(http.StatusTooManyRequests, "temporarily_unavailable")
	f.ofOwn(other).want(http.StatusOK, "")
	f.introspect(c, "x").want(http.StatusOK, "")
}

// A client asks about any token, and revokes its own only.
func TestClient_introspectsAllAndRevokesItsOwn(t *testing.T) {
	f := newFixture(t, options{})
	alice, c, other := f.join("alice"), f.machine("billing"), f.machine("other")
	for _, token := range []string{alice.access, alice.refresh} {
		if a := f.introspect(c, token).want(http.StatusOK, ""); !strings.Contains(a.Body, `"active":true`) {
			t.Errorf("introspection %s", a.Body)
		}
		f.form("/v1/revoke", []string{c.basic()}, "token", token).wantOAuth(http.StatusBadRequest, "invalid_grant")
	}
	f.do("GET /v1/me", "", alice.bearer()).want(http.StatusOK, "")
	own := f.ofOwn(c).str("access_token")
	f.form("/v1/revoke", []string{other.basic()}, "token", own).wantOAuth(http.StatusBadRequest, "invalid_grant")
	f.form("/v1/revoke", basicOf(c.ID, "wrong"), "token", own).wantOAuth(http.StatusUnauthorized, "invalid_client")
	f.form("/v1/revoke", []string{c.basic()}).wantOAuth(http.StatusBadRequest, "invalid_request")
	f.introspect(c, own).want(http.StatusOK, "")
	byForm := []string{"client_id", c.ID, "client_secret", c.secret}
	f.form("/v1/revoke", nil, append(byForm, "token", own, "token_type_hint", "access_token")...).wantStatus(200)
	if a := f.form("/v1/introspect", nil, append(byForm, "token", own)...); a.Body != `{"active":false}`+"\n" {
		t.Errorf("introspection %s", a.Body)
	}
	f.form("/v1/revoke", []string{c.basic()}, "token", "unknown").wantStatus(http.StatusOK)
	f.form("/v1/introspect", nil, "token", own).want(http.StatusUnauthorized, "token_missing")
	f.form("/v1/introspect", []string{c.basic()}, append(byForm, "token", own)...).
		wantOAuth(http.StatusBadRequest, "invalid_request")
	f.form("/v1/introspect", []string{alice.bearer()}, append(byForm, "token", own)...).
		wantOAuth(http.StatusUnauthorized, "invalid_client")
}

// The document names what a client of the standard can use, and has no empty array (RFC 8414 §3.2).
func TestMetadata_namesWhatClientsCanUse(t *testing.T) {
	f := newFixture(t, options{})
	c := f.machine("billing")
	var document map[string]any
	f.do("GET /.well-known/oauth-authorization-server", "").want(http.StatusOK, "").object(&document)
	for member, value := range document {
		if list, ok := value.([]any); ok && len(list) == 0 {
			t.Errorf("%s is empty", member)
		}
	}
	for _, required := range []string{"issuer", "response_types_supported", "token_endpoint", "jwks_uri"} {
		if document[required] == nil {
			t.Errorf("there is no %s", required)
		}
	}
	for _, grant := range document["grant_types_supported"].([]any) {
		if a := f.ask([]string{c.basic()}, "grant_type", grant.(string)); a.str("error") == "unsupported_grant_type" {
			t.Errorf("%s is not supported", grant)
		}
	}
	for _, endpoint := range []string{"token", "introspection", "revocation"} {
		methods := document[endpoint+"_endpoint_auth_methods_supported"].([]any)
		path := strings.TrimPrefix(document[endpoint+"_endpoint"].(string), "https://issuer.test")
		for _, method := range methods {
			var headers, pairs []string
			switch method {
			case "client_secret_basic":
				headers = []string{c.basic()}
			case "client_secret_post":
				pairs = []string{"client_id", c.ID, "client_secret", c.secret}
			case "Bearer":
				headers = []string{f.admin("root").bearer()}
			case "none":
				if endpoint == "token" {
					pairs = []string{"refresh_token", f.join("alice").refresh}
				}
			default:
				t.Errorf("%s of %s", method, endpoint)
			}
			grant := "client_credentials"
			if slices.Contains(pairs, "refresh_token") {
				grant = "refresh_token"
			}
			f.form(path, headers, append(pairs, "grant_type", grant, "token", "x")...).wantStatus(http.StatusOK)
		}
	}
}
