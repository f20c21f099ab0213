package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// claimsOf reads the claims of an access token that a test was just given.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func basic(name, password string) map[string]string {
	return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id := s.signUp("alice")
	for _, r := range []request{
		{Do: "POST /v1/login", Body: object("username", "alice", "password", passwordOf("alice"))},
		{Do: "POST /v1/login", Body: object("username", "ALICE", "password", passwordOf("alice"))},
		{Do: "POST /v1/login", Header: basic("alice", passwordOf("alice"))},
	} {
		got := s.do(r).want(200, "")
		if got.Header.Get("Cache-Control") != "no-store" || len(got.JSON) != 7 || got.str("token_type") != "Bearer" {
			t.Errorf("answered %v %s", got.Header, got.Text)
		}
		if got.JSON["expires_in"] != 900.0 || got.JSON["refresh_expires_in"] != 2592000.0 || got.str("scope") != "" {
			t.Errorf("answered %s", got.Text)
		}
		token := got.str("access_token")
		header, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
		if !strings.HasPrefix(string(header), `{"alg":"ES256","typ":"at+jwt","kid":"`) {
			t.Errorf("header %s", header)
		}
		claims := claimsOf(t, token)
		for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid",
			"auth_time", "scope", "roles"} {
			if claims[name] == nil {
				t.Errorf("no %s in %v", name, claims)
			}
		}
		if claims["sub"] != id || claims["sid"] != got.str("session_id") ||
			claims["exp"].(float64)-claims["iat"].(float64) != 900 {
			t.Errorf("claims %v", claims)
		}
	}
	s.do(request{Do: "POST /v1/login", Header: basic("alice", "wrong")}).want(401, "invalid_credentials")
	s.do(request{Do: "POST /v1/login", Header: map[string]string{"Authorization": "Basic !"}}).
		want(400, "malformed_request")
	s.do(request{Do: "POST /v1/login", Header: basic("a", "b"), Body: object("username", "a", "password", "b")}).
		want(400, "malformed_request")
}

// Unknown user, wrong password, disabled user: the same bytes and headers.
func TestLogin_failuresAreTheSame(t *testing.T) {
	t.Parallel()
	s := serve(t, "--login-limit-account=0", "--login-limit-address=0")
	root := s.admin("root")
	s.signUp("alice")
	disabled := s.signUp("dora")
	s.do(request{Do: "POST /v1/users/" + disabled + "/disable", Token: root.Access}).want(200, "")

	failures := map[string]string{
		"unknown user":   object("username", "nobody", "password", passwordOf("n")),
		"wrong password": object("username", "alice", "password", passwordOf("b")),
		"disabled user":  object("username", "dora", "password", passwordOf("dora")),
		"no user's name": object("username", "a\nb", "password", passwordOf("n")),
	}
	// The least of some rounds is compared. On a machine that is busy with something else there are
	// more of them; a difference that the server makes stays, however many.
	took := map[string][]time.Duration{}
	var first answer
	for round := 0; round < 12 || round < 80 && toldApart(took) != ""; round++ {
		for name, body := range failures {
			started := time.Now()
			got := s.do(request{Do: "POST /v1/login", Body: body}).want(401, "invalid_credentials")
			took[name] = append(took[name], time.Since(started))
			got.Text = strings.ReplaceAll(got.Text, got.str("request_id"), "ID")
			for _, varying := range []string{"Date", "X-Request-Id"} {
				got.Header.Del(varying)
			}
			if first.Status == 0 {
				first = got
			}
			if got.Text != first.Text || !sameHeader(got, first) {
				t.Fatalf("%s is told apart: %v %s\nfrom %v %s", name, got.Header, got.Text, first.Header, first.Text)
			}
		}
	}
	if difference := toldApart(took); difference != "" {
		t.Error(difference)
	}
}

// toldApart says which failure's time differs from the others', or nothing.
func toldApart(took map[string][]time.Duration) string {
	reference := slices.Min(took["wrong password"])
	for name, times := range took {
		if ratio := float64(slices.Min(times)) / float64(reference); ratio < 0.75 || ratio > 1.33 {
			return fmt.Sprintf("%s takes %.2f times as long as a wrong password", name, ratio)
		}
	}
	return ""
}

func sameHeader(a, b answer) bool {
	x, _ := json.Marshal(a.Header)
	y, _ := json.Marshal(b.Header)
	return string(x) == string(y)
}

func TestLogin_isLimited(t *testing.T) {
	t.Parallel()
	s := serve(t, "--login-limit-account=3/1h", "--login-limit-address=6/1h")
	alice := s.join("alice")
	wrong := request{Do: "POST /v1/login", Body: object("username", "Alice", "password", "wrong")}
	for range 5 {
		s.login("alice") // who knows the password uses nothing up
	}
	for range 3 {
		s.do(wrong).want(401, "invalid_credentials")
	}
	got := s.do(wrong).want(429, "rate_limited")
	for _, name := range []string{"Retry-After", "RateLimit", "RateLimit-Policy"} {
		if got.Header.Get(name) == "" {
			t.Errorf("no %s in %v", name, got.Header)
		}
	}
	// The sibling paths that prove who somebody is count with it.
	s.do(request{Do: "POST /v1/reauthenticate", Token: alice.Access, Body: object("password", passwordOf("alice"))}).
		want(429, "rate_limited")
	s.do(request{Do: "PATCH /v1/users/" + alice.ID, Token: alice.Access,
		Body: object("password", "some new long secret", "current_password", "x")}).
		want(429, "rate_limited")
	// So do all names from an address together, whatever it says of itself.
	for n := range 6 {
		s.do(
			request{
				Do:     "POST /v1/login",
				Body:   object("username", fmt.Sprint("nobody", n), "password", "x"),
				Header: map[string]string{"X-Forwarded-For": "1.2.3.4"},
			},
		).want(401, "invalid_credentials")
	}
	s.do(request{Do: "POST /v1/login", Body: object("username", "another", "password", "x"),
		Header: map[string]string{"X-Forwarded-For": "5.6.7.8"}}).
		want(429, "rate_limited")
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	s := serve(t, "--refresh-grace=1s")
	alice := s.join("alice")
	for body, code := range map[string]string{`{}`: "validation_failed",
		`{"refresh_token":7}`: "validation_failed", `[]`: "malformed_request"} {
		got := s.do(request{Do: "POST /v1/refresh", Body: body})
		got.want(map[string]int{"validation_failed": 422, "malformed_request": 400}[code], code)
	}
	s.refresh("nonsense").want(401, "refresh_token_invalid")
	s.refresh(alice.Access).want(401, "refresh_token_invalid")
	s.refresh(alice.Refresh[:75]).want(401, "refresh_token_invalid")
	next := s.refresh(alice.Refresh).want(200, "")
	if next.str("refresh_token") == alice.Refresh || next.str("session_id") != alice.Session ||
		next.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("answered %s", next.Text)
	}
	s.me(next.str("access_token")).want(200, "")
	s.me(alice.Access).want(200, "")

	time.Sleep(1200 * time.Millisecond)
	s.refresh(alice.Refresh).want(401, "refresh_token_reused")
	s.me(next.str("access_token")).want(401, "token_revoked")
	s.me(alice.Access).want(401, "token_revoked")
	s.refresh(next.str("refresh_token")).want(401, "refresh_token_invalid")
}

func TestRefresh_expired(t *testing.T) {
	t.Parallel()
	s := serve(t, "--access-ttl=1s", "--session-idle=1s")
	alice := s.join("alice")
	time.Sleep(1100 * time.Millisecond)
	s.refresh(alice.Refresh).want(401, "refresh_token_expired")
}

// Twenty uses at once: one rotation, twenty answers with one successor.
func TestRefresh_inParallel(t *testing.T) {
	t.Parallel()
	s := serve(t)
	alice := s.join("alice")
	const uses = 20
	answers := make([]answer, uses)
	var wg sync.WaitGroup
	for n := range uses {
		wg.Go(func() { answers[n] = s.refresh(alice.Refresh) })
	}
	wg.Wait()
	access := map[string]bool{}
	for _, got := range answers {
		got.want(200, "")
		if got.str("refresh_token") != answers[0].str("refresh_token") {
			t.Errorf("two successors")
		}
		access[got.str("access_token")] = true
		s.me(got.str("access_token")).want(200, "")
	}
	if len(access) != uses {
		t.Errorf("%d access tokens", len(access))
	}
	if n := strings.Count(s.log.String(), "msg=session_refreshed"); n != 1 {
		t.Errorf("%d rotations in the log", n)
	}
	s.refresh(answers[0].str("refresh_token")).want(200, "")
}

func TestLogout(t *testing.T) {
	t.Parallel()
	s := serve(t)
	alice := s.join("alice")
	second, third := s.login("alice"), s.login("alice")
	s.do(request{Do: "POST /v1/logout"}).want(401, "token_missing")
	s.do(request{Do: "POST /v1/logout", Body: object("refresh_token", "x")}).want(401, "refresh_token_invalid")
	s.do(request{Do: "POST /v1/logout", Token: alice.Access}).want(204, "")
	s.do(request{Do: "POST /v1/logout", Body: object("refresh_token", second.Refresh)}).want(204, "")
	for _, ended := range []person{alice, second} {
		s.me(ended.Access).want(401, "token_revoked")
		s.refresh(ended.Refresh).want(401, "refresh_token_invalid")
	}
	s.me(third.Access).want(200, "")

	fourth := s.login("alice")
	s.do(request{Do: "POST /v1/logout/all"}).want(401, "token_missing")
	s.do(request{Do: "POST /v1/logout/all", Token: third.Access}).want(204, "")
	for _, ended := range []person{third, fourth} {
		s.me(ended.Access).want(401, "token_revoked")
		s.refresh(ended.Refresh).want(401, "refresh_token_invalid")
	}
	s.me(s.login("alice").Access).want(200, "")
}

func TestReauthenticate(t *testing.T) {
	t.Parallel()
	s := serve(t)
	alice := s.join("alice")
	before := claimsOf(t, alice.Access)["auth_time"].(float64)
	time.Sleep(1100 * time.Millisecond)
	s.do(request{Do: "POST /v1/reauthenticate", Body: object("password", passwordOf("alice"))}).
		want(401, "token_missing")
	s.do(request{Do: "POST /v1/reauthenticate", Token: alice.Access, Body: object("password", "wrong")}).
		want(401, "invalid_credentials")
	s.do(request{Do: "POST /v1/reauthenticate", Token: alice.Access, Body: `{}`}).
		want(422, "validation_failed").
		wantField("password", "missing")
	got := s.do(request{Do: "POST /v1/reauthenticate", Token: alice.Access,
		Body: object("password", passwordOf("alice"))}).
		want(200, "")
	if after := claimsOf(t, got.str("access_token"))["auth_time"].(float64); after <= before {
		t.Errorf("auth_time %v, before %v", after, before)
	}
	if got.str("session_id") != alice.Session {
		t.Error("another session")
	}
}

func TestMe(t *testing.T) {
	t.Parallel()
	s := serve(t)
	alice := s.join("alice")
	got := s.me(alice.Access).want(200, "")
	user := got.JSON["user"].(map[string]any)
	if user["id"] != alice.ID || got.str("session_id") != alice.Session || got.JSON["scope"] != "" ||
		len(got.JSON) != 6 {
		t.Errorf("answered %s", got.Text)
	}
	for _, name := range []string{"auth_time", "expires_at"} {
		if _, err := time.Parse(time.RFC3339, got.str(name)); err != nil {
			t.Error(err)
		}
	}
	s.do(request{Do: "GET /v1/me"}).want(401, "token_missing")
	s.do(request{Do: "GET /v1/me?access_token=" + alice.Access}).want(401, "token_missing")
	s.me("garbage").want(401, "token_invalid")
	s.me(alice.Refresh).want(401, "token_invalid")
	s.do(request{Do: "GET /v1/me", Header: map[string]string{"Authorization": "bEARER " + alice.Access}}).want(200, "")
}

func TestSessions(t *testing.T) {
	t.Parallel()
	s := serve(t)
	root, alice := s.admin("root"), s.join("alice")
	other, bob := s.login("alice"), s.join("bob")
	list := s.do(request{Do: "GET /v1/sessions", Token: alice.Access}).want(200, "")
	items := list.JSON["items"].([]any)
	if len(items) != 2 || list.JSON["next_cursor"] != nil {
		t.Fatalf("listed %s", list.Text)
	}
	for n, want := range []person{other, alice} {
		item := items[n].(map[string]any)
		if item["id"] != want.Session || item["current"] != (want.Session == alice.Session) ||
			item["ip"] != "127.0.0.1" ||
			item["user_agent"] == "" ||
			len(item) != 7 {
			t.Errorf("item %v", item)
		}
	}
	s.do(request{Do: "GET /v1/sessions"}).want(401, "token_missing")
	s.do(request{Do: "DELETE /v1/sessions/" + other.Session}).want(401, "token_missing")
	s.do(request{Do: "DELETE /v1/sessions/" + bob.Session, Token: alice.Access}).want(404, "not_found")
	s.do(request{Do: "DELETE /v1/sessions/" + other.Session, Token: alice.Access}).want(204, "")
	s.me(other.Access).want(401, "token_revoked")
	s.do(request{Do: "DELETE /v1/sessions/" + alice.Session, Token: root.Access}).want(204, "")
	s.me(alice.Access).want(401, "token_revoked")
	s.me(bob.Access).want(200, "")
}

func TestJWKS(t *testing.T) {
	t.Parallel()
	s := serve(t)
	token := s.join("alice").Access
	got := s.do(request{Do: "GET /.well-known/jwks.json"}).want(200, "")
	if !strings.HasPrefix(got.Header.Get("Cache-Control"), "public, max-age=") {
		t.Errorf("Cache-Control %q", got.Header.Get("Cache-Control"))
	}
	keys := got.JSON["keys"].([]any)
	if len(keys) != 1 {
		t.Fatalf("keys %s", got.Text)
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
		if _, there := keys[0].(map[string]any)[private]; there {
			t.Errorf("the private member %s is published", private)
		}
	}
	if s.do(request{Do: "GET /v1/jwks.json"}).want(200, "").Text != got.Text {
		t.Error("two sets of keys")
	}
	if !strings.Contains(token, ".") {
		t.Error("no token")
	}
}

func TestRoutesThatAreNone(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, r := range []string{"GET /", "GET /v1", "GET /v1/nothing", "POST /nothing",
		"GET /v1/users/", "GET //v1/me", "GET /v1/../v1/me", "GET /v1/me/"} {
		s.do(request{Do: r}).want(404, "not_found")
	}
	for r, allow := range map[string]string{
		"GET /v1/login": "POST", "PUT /v1/me": "GET, HEAD", "DELETE /v1/users": "GET, HEAD, POST",
		"POST /readyz": "GET, HEAD", "TRACE /v1/login": "POST",
	} {
		if got := s.do(request{Do: r}).want(405, "method_not_allowed"); got.Header.Get("Allow") != allow {
			t.Errorf("%s: Allow %q, want %q", r, got.Header.Get("Allow"), allow)
		}
	}
	s.do(request{Do: "GET /healthz"}).want(200, "")
	s.do(request{Do: "GET /readyz"}).want(200, "")
}
