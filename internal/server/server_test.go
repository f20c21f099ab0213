package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/users"
	"github.com/hallpass-go/hallpass/password"
)

func TestNew_wantsItsParts(t *testing.T) {
	if s, err := server.New(t.Context(), server.Config{Issuer: "https://issuer.test"}); err == nil || s != nil {
		t.Errorf("made without keys, store, accounts and log: %v", err)
	}
}

// Every route of the table, asked by whoever may not.
func TestRoutes_whoMay(t *testing.T) {
	f := newFixture(t, options{})
	alice, bob, root := f.join("alice"), f.join("bob"), f.admin("root")
	of := func(p person) string { return "/v1/users/" + p.id }
	for _, c := range []struct{ request, body string }{
		{"GET /v1/me", ""}, {"GET /v1/users", ""}, {"GET " + of(alice), ""}, {"PATCH " + of(alice), `{}`},
		{"DELETE " + of(alice), ""},
		{"PUT " + of(alice) + "/roles", `{"roles":[]}`}, {"POST " + of(alice) + "/disable", ""},
		{"POST " + of(alice) + "/enable", ""},
		{"GET /v1/keys", ""}, {"POST /v1/keys/rotate", ""}, {"GET /v1/sessions", ""},
		{"DELETE /v1/sessions/" + alice.session, ""}, {"POST /v1/logout/all", ""},
		{"POST /v1/reauthenticate", `{"password":"x"}`},
	} {
		a := f.do(c.request, c.body).want(http.StatusUnauthorized, "token_missing")
		if challenge := a.Header.Get("WWW-Authenticate"); challenge != `Bearer realm="api"` {
			t.Errorf("%s: challenge %q", c.request, challenge)
		}
		f.do(c.request, c.body, "Authorization: Bearer "+alice.access[:len(alice.access)-4]+"AAAA").
			want(http.StatusUnauthorized, "token_invalid")
	}
	for _, c := range []struct{ request, body, code string }{
		{"GET /v1/keys", "", "insufficient_role"}, {"POST /v1/keys/rotate", "", "insufficient_role"},
		{"GET /v1/users", "", "insufficient_role"}, {"GET " + of(alice), "", "not_owner"},
		{"PATCH " + of(alice), `{"email":"x@y.example"}`, "not_owner"},
		{"DELETE " + of(alice), "", "not_owner"},
		{"PUT " + of(bob) + "/roles", `{"roles":["admin"]}`, "insufficient_role"},
		{"POST " + of(alice) + "/disable", "", "insufficient_role"},
		{"POST " + of(bob) + "/enable", "", "insufficient_role"},
		{"GET /v1/users/none", "", "not_owner"}, // nobody but an administrator learns who there is
	} {
		f.do(c.request, c.body, bob.bearer()).want(http.StatusForbidden, c.code)
	}
	for _, request := range []string{"GET /v1/users/none", "DELETE /v1/users/none",
		"POST /v1/users/none/disable", "POST /v1/users/none/enable"} {
		f.do(request, "", root.bearer()).want(http.StatusNotFound, "not_found")
	}
	f.do("PUT /v1/users/none/roles", `{"roles":["user"]}`, root.bearer()).want(http.StatusNotFound, "not_found")
	f.do("PATCH /v1/users/none", `{"email":"x@y.example"}`, root.bearer()).want(http.StatusNotFound, "not_found")
	f.do("DELETE /v1/sessions/"+alice.session, "", bob.bearer()).want(http.StatusNotFound, "not_found")
	f.do("DELETE /v1/sessions/"+alice.session, "", root.bearer()).want(http.StatusNoContent, "")
	f.do("GET /v1/me", "", alice.bearer()).want(http.StatusUnauthorized, "token_revoked")
}

func TestUsers_lastAdministratorStays(t *testing.T) {
	f := newFixture(t, options{})
	root := f.admin("root")
	for _, c := range []struct{ request, body string }{
		{"PUT /v1/users/" + root.id + "/roles", `{"roles":["user"]}`},
		{"POST /v1/users/" + root.id + "/disable", ""}, {"DELETE /v1/users/" + root.id, ""},
	} {
		f.do(c.request, c.body, root.bearer()).want(http.StatusConflict, "last_admin")
	}
	// Two who take the role from each other at the same moment: one of them keeps it.
	for round := range 10 {
		other := f.admin(fmt.Sprint("other", round))
		again := f.login("root")
		again.id = root.id
		var all sync.WaitGroup
		for _, c := range []struct{ by, of person }{{again, other}, {other, again}} {
			all.Go(func() {
				r := httptest.NewRequest("PUT", "/v1/users/"+c.of.id+"/roles", strings.NewReader(`{"roles":["user"]}`))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Authorization", "Bearer "+c.by.access)
				f.handler.ServeHTTP(httptest.NewRecorder(), r)
			})
		}
		all.Wait()
		list, err := f.accounts.List(t.Context(), "", 200)
		if err != nil {
			t.Fatal(err)
		}
		admins := 0
		for _, u := range list {
			if slices.Contains(u.Roles, "admin") {
				admins++
				_, err := f.accounts.SetRoles(t.Context(), root.id, []string{"admin"})
				if err != nil && !errors.Is(err, users.ErrUnchanged) {
					t.Fatal(err)
				}
				if u.ID != root.id {
					if _, err := f.accounts.SetRoles(t.Context(), u.ID, []string{"user"}); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if admins != 1 {
			t.Fatalf("round %d: %d administrators", round, admins)
		}
	}
}

func TestChangeUser_membersThatCannotBeSet(t *testing.T) {
	f := newFixture(t, options{})
	alice, root := f.join("alice"), f.admin("root")
	for body, want := range map[string]string{
		`{"roles":["admin"]}`:             "roles forbidden",
		`{"id":"x"}`:                      "id forbidden",
		`{"disabled":false}`:              "disabled forbidden",
		`{"created_at":null}`:             "created_at forbidden",
		`{"admin":true}`:                  "admin unknown",
		`{"Username":"x"}`:                "Username unknown",
		`{"username":5}`:                  "username wrong_type",
		`{"username":null}`:               "username wrong_type",
		`{"password":"another password"}`: "current_password missing",
		`{"email":"a@b.example","current_password":"x"}`:  "current_password forbidden",
		`{"password":"p","current_password":"wrong one"}`: "current_password wrong",
	} {
		a := f.do("PATCH /v1/users/"+alice.id, body, alice.bearer()).
			want(http.StatusUnprocessableEntity, "validation_failed")
		var problem struct {
			Errors []struct{ Field, Code, Detail string }
		}
		a.object(&problem)
		if len(problem.Errors) != 1 || problem.Errors[0].Field+" "+problem.Errors[0].Code != want ||
			problem.Errors[0].Detail == "" {
			t.Errorf("%s: %s, want %s", body, a.Body, want)
		}
	}
	f.do("PATCH /v1/users/"+alice.id, `{"password":"set by an administrator"}`, root.bearer()).want(http.StatusOK, "")
	f.do("GET /v1/me", "", alice.bearer()).want(http.StatusUnauthorized, "token_revoked")
}

func TestLogin_storeIsAway(t *testing.T) {
	f := newFixture(t, options{})
	alice := f.join("alice")
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	for _, c := range []struct{ request, body string }{
		{"POST /v1/login", credentials("alice", passwordOf("alice"))},
		{"POST /v1/refresh", `{"refresh_token":"` + alice.refresh + `"}`},
		{"POST /v1/users", credentials("bob", passwordOf("bob"))},
		{"GET /readyz", ""},
	} {
		a := f.do(c.request, c.body).want(http.StatusServiceUnavailable, "store_unavailable")
		if a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", c.request)
		}
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	// The token itself still verifies: what is not there is the user's row.
	f.do("GET /v1/me", "", alice.bearer()).want(http.StatusServiceUnavailable, "store_unavailable")
	f.do("GET /v1/users", "", alice.bearer()).want(http.StatusForbidden, "insufficient_role")
	f.do("GET /healthz", "").want(http.StatusOK, "")
}

func TestLogin_overloaded(t *testing.T) {
	f := newFixture(t, options{governor: password.GovernorConfig{Workers: 1, MaxWait: time.Millisecond}})
	f.join("alice")
	answers := make(chan answer, 200)
	var all sync.WaitGroup
	for range cap(answers) {
		all.Go(func() { answers <- f.do("POST /v1/login", credentials("alice", passwordOf("alice"))) })
	}
	all.Wait()
	close(answers)
	refused := 0
	for a := range answers {
		if a.Status == http.StatusServiceUnavailable {
			refused++
			a.want(http.StatusServiceUnavailable, "overloaded")
			if a.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		} else {
			a.want(http.StatusOK, "")
		}
	}
	t.Logf("%d of %d refused", refused, cap(answers))
	if refused == 0 {
		t.Error("nothing was refused: the queue is not bounded")
	}
}

// What a client can spend of somebody else's attempts, and what it cannot.
func TestLogin_limits(t *testing.T) {
	f := newFixture(t, options{config: func(c *server.Config) {
		c.Limits.LoginAccount = users.Limit{Burst: 5, Per: time.Minute}
		c.Limits.LoginAddress = users.Limit{Burst: 20, Per: time.Minute}
	}})
	f.join("alice")
	f.join("bob")
	for range 30 {
		f.do("POST /v1/login", credentials("alice", passwordOf("alice"))).
			want(http.StatusOK, "")
		// who knows the password is not counted
	}
	for range 5 {
		f.do("POST /v1/login", credentials("alice", "wrong")).want(http.StatusUnauthorized, "invalid_credentials")
	}
	for _, spelling := range []string{"alice", "ALICE", "Alice"} {
		a := f.do("POST /v1/login", credentials(spelling, "wrong")).want(http.StatusTooManyRequests, "rate_limited")
		if a.Header.Get("Retry-After") == "" || !strings.Contains(a.Header.Get("RateLimit"), `"account";r=0`) ||
			!strings.Contains(a.Header.Get("RateLimit-Policy"), "q=5") {
			t.Errorf("fields %v", a.Header)
		}
	}
	f.do("POST /v1/login", credentials("bob", passwordOf("bob"))).want(http.StatusOK, "")
	// The address has its own limit, whatever the names; a network of IPv6 is one address.
	for i := range 20 {
		f.do("POST /v1/login", credentials(fmt.Sprint("nobody", i), "wrong"),
			fmt.Sprintf("From: [2001:db8::%x]:1", i+1)).
			want(http.StatusUnauthorized, "invalid_credentials")
	}
	f.do("POST /v1/login", credentials("nobody", "wrong"), "From: [2001:db8::ffff]:1").
		want(http.StatusTooManyRequests, "rate_limited")
	f.do("POST /v1/login", credentials("nobody", "wrong"), "From: [2001:db8:1::1]:1").
		want(http.StatusUnauthorized, "invalid_credentials")
	f.clock.Advance(time.Minute)
	f.do("POST /v1/login", credentials("alice", passwordOf("alice"))).want(http.StatusOK, "")
}

// Every path that checks a password counts with the same limiter.
func TestReauthenticate_isLimited(t *testing.T) {
	f := newFixture(
		t,
		options{config: func(c *server.Config) { c.Limits.LoginAccount = users.Limit{Burst: 3, Per: time.Minute} }},
	)
	alice := f.join("alice")
	f.do("POST /v1/reauthenticate", `{"password":"wrong"}`, alice.bearer()).
		want(http.StatusUnauthorized, "invalid_credentials")
	f.do("PATCH /v1/users/"+alice.id,
		`{"password":"another good password","current_password":"wrong"}`, alice.bearer()).
		want(http.StatusUnprocessableEntity, "validation_failed")
	f.do("POST /v1/login", credentials("alice", "wrong")).want(http.StatusUnauthorized, "invalid_credentials")
	f.do("POST /v1/reauthenticate", `{"password":"wrong"}`, alice.bearer()).
		want(http.StatusTooManyRequests, "rate_limited")
}

func TestClient_addressIsTheConnectionsUnlessAProxyIsTrusted(t *testing.T) {
	open, trusting := newFixture(t, options{}), newFixture(t,
		options{config: func(c *server.Config) { c.TrustedProxies = proxies }})
	for _, c := range []struct {
		f                     *fixture
		from, forwarded, want string
	}{
		{open, "198.51.100.1:5", "203.0.113.9", "198.51.100.1"},
		{open, "10.0.0.1:5", "203.0.113.9", "10.0.0.1"},
		{trusting, "198.51.100.1:5", "203.0.113.9", "198.51.100.1"},
		{trusting, "10.0.0.1:5", "203.0.113.9", "203.0.113.9"},
		{trusting, "10.0.0.1:5", "6.6.6.6, 203.0.113.9", "203.0.113.9"}, // what the client wrote itself
		{trusting, "10.0.0.1:5", "203.0.113.9, 10.0.0.2", "203.0.113.9"},
		{trusting, "10.0.0.1:5", "203.0.113.9:4711", "203.0.113.9"},
		{trusting, "10.0.0.1:5", "2001:db8::7", "2001:db8::7"},
		{trusting, "10.0.0.1:5", "[2001:db8::7]:4711", "2001:db8::7"},
		{trusting, "[fd00::1]:5", "203.0.113.9", "203.0.113.9"},
		{trusting, "10.0.0.1:5", "10.0.0.3, 10.0.0.2", "10.0.0.3"},
		{trusting, "10.0.0.1:5", "garbage", "10.0.0.1"},
		{trusting, "10.0.0.1:5", "203.0.113.9, garbage, 10.0.0.2", "10.0.0.2"},
		{trusting, "10.0.0.1:5", "", "10.0.0.1"},
	} {
		headers := []string{"From: " + c.from}
		if c.forwarded != "" {
			headers = append(headers, "X-Forwarded-For: "+c.forwarded)
		}
		id := c.f.do("GET /healthz", "", headers...).Header.Get("X-Request-Id")
		if line := c.f.lineOf(id); line["ip"] != c.want {
			t.Errorf("from %s, forwarded for %q: %v, want %s", c.from, c.forwarded, line["ip"], c.want)
		}
	}
}

// lineOf returns the line of the log about a request.
func (f *fixture) lineOf(id string) map[string]any {
	f.t.Helper()
	for text := range strings.Lines(f.log.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			f.t.Fatalf("%q: %v", text, err)
		}
		if line["request_id"] == id && line["msg"] == "request" {
			return line
		}
	}
	f.t.Fatalf("no line about %s in\n%s", id, f.log)
	return nil
}

// Who closes the connection before the answer is there, as phones do, must not make anybody look
// for a fault of the server.
func TestLog_clientThatHangsUpIsNoError(t *testing.T) {
	f := newFixture(t, options{})
	alice := f.join("alice")
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	for path, body := range map[string]string{
		"/v1/login":   credentials("alice", passwordOf("alice")),
		"/v1/refresh": `{"refresh_token":"` + alice.refresh + `"}`,
	} {
		r := httptest.NewRequestWithContext(ctx, "POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		if line := f.lineOf(w.Header().Get("X-Request-Id")); w.Code < 500 || line["level"] != "INFO" {
			t.Errorf("%s: answered %d, logged as %v", path, w.Code, line)
		}
	}
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
	id := f.do("POST /v1/refresh", `{"refresh_token":"`+alice.refresh+`"}`).
		want(http.StatusServiceUnavailable, "store_unavailable").
		Header.Get(
		"X-Request-Id",
	)
	if line := f.lineOf(id); line["level"] != "ERROR" {
		t.Errorf("a store that cannot be asked is logged as %v", line)
	}
}

func TestLog_oneLineARequestAndNoSecrets(t *testing.T) {
	f := newFixture(t, options{})
	alice := f.join("alice")
	again := f.do("POST /v1/refresh", `{"refresh_token":"`+alice.refresh+`"}`).want(http.StatusOK, "")
	f.do("POST /v1/reauthenticate",
		credentials("alice", "x")[:0]+`{"password":"`+passwordOf("alice")+`"}`, alice.bearer())
	f.do("POST /v1/login", credentials("alice", "a wrong secret")).want(http.StatusUnauthorized, "invalid_credentials")
	f.do("GET /v1/me?access_token="+alice.access, "").want(http.StatusUnauthorized, "token_missing")
	f.do("POST /v1/login", "", "Authorization: Basic YWxpY2U6YSB3cm9uZyBzZWNyZXQ=", "Cookie: session=a-cookie-value").
		want(http.StatusUnauthorized, "invalid_credentials")
	f.do("PATCH /v1/users/"+alice.id,
		`{"password":"the next good password","current_password":"`+passwordOf("alice")+`"}`,
		alice.bearer())
	me := f.do("GET /v1/me", "", "Authorization: Bearer "+again.str("access_token"))
	for _, secret := range []string{
		alice.access, alice.refresh, again.str("access_token"), again.str("refresh_token"), passwordOf("alice"),
		"a wrong secret", "a-cookie-value",
		"YWxpY2U6", "the next good password",
	} {
		if strings.Contains(f.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	line := f.lineOf(me.Header.Get("X-Request-Id"))
	if line["method"] != "GET" || line["path"] != "/v1/me" || line["status"] != float64(me.Status) ||
		line["user_id"] != alice.id ||
		line["ip"] != "192.0.2.7" {
		t.Errorf("the line is %v", line)
	}
}

func TestHandler_answersOfEveryKind(t *testing.T) {
	f := newFixture(t, options{})
	for _, c := range []struct {
		request, body string
		status        int
		code, allow   string
	}{
		{"GET /", "", 404, "not_found", ""},
		{"GET /v1", "", 404, "not_found", ""},
		{"GET //v1/me", "", 404, "not_found", ""},
		{"GET /v1/../v1/me", "", 404, "not_found", ""},
		{"GET /v1/me/", "", 404, "not_found", ""},
		{"PUT /v1/login", "{}", 405, "method_not_allowed", "POST"},
		{"DELETE /v1/me", "", 405, "method_not_allowed", "GET, HEAD"},
		{"TRACE /v1/me", "", 405, "method_not_allowed", "GET, HEAD"},
		{"OPTIONS /v1/users", "", 405, "method_not_allowed", "GET, HEAD, POST"},
		{"POST /v1/login", "", 400, "malformed_request", ""},
		{"POST /v1/users", "[]", 400, "malformed_request", ""},
	} {
		a := f.do(c.request, c.body).want(c.status, c.code)
		if a.Header.Get("Allow") != c.allow {
			t.Errorf("%s: Allow %q, want %q", c.request, a.Header.Get("Allow"), c.allow)
		}
	}
	a := f.do("GET /healthz", "").want(http.StatusOK, "")
	for name, want := range map[string]string{
		"X-Content-Type-Options":  "nosniff",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		"Content-Type":            "application/json",
		"Cache-Control":           "private, no-cache", "Vary": "Authorization",
	} {
		if a.Header.Get(name) != want {
			t.Errorf("%s: %q", name, a.Header.Get(name))
		}
	}
	for _, tags := range []string{a.Header.Get("ETag"), "W/" + a.Header.Get("ETag"),
		`"x", ` + a.Header.Get("ETag"), "*"} {
		if n := f.do("GET /healthz", "", "If-None-Match: "+tags); n.Status != http.StatusNotModified || n.Body != "" {
			t.Errorf("If-None-Match %s: %d %s", tags, n.Status, n.Body)
		}
	}
	if n := f.do("GET /healthz", "", `If-None-Match: "x"`); n.Status != http.StatusOK {
		t.Errorf("another tag: %d", n.Status)
	}
	f.do("POST /v1/login", credentials("x", "y"), "Content-Type: text/plain").
		want(http.StatusUnsupportedMediaType, "unsupported_media_type")
}

func TestReadyz_whileItStops(t *testing.T) {
	f := newFixture(t, options{})
	f.do("GET /readyz", "").want(http.StatusOK, "")
	f.server.Drain()
	f.do("GET /readyz", "").want(http.StatusServiceUnavailable, "store_unavailable")
	f.do("GET /healthz", "").want(http.StatusOK, "")
}

// Two servers on one database: what the one revokes, the other refuses within a second.
func TestRun_followsWhatOthersRevoke(t *testing.T) {
	var config server.Config
	f := newFixture(t, options{config: func(c *server.Config) { c.Now, config = nil, *c; config.Now = nil }})
	alice := f.join("alice")
	other, err := server.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); other.Run(ctx) }()
	ask := func() int {
		r := httptest.NewRequest("GET", "/v1/me", nil)
		r.Header.Set("Authorization", "Bearer "+alice.access)
		w := httptest.NewRecorder()
		other.Handler().ServeHTTP(w, r)
		return w.Code
	}
	if status := ask(); status != http.StatusOK {
		t.Fatalf("answered %d before", status)
	}
	f.do("POST /v1/logout", "", alice.bearer()).want(http.StatusNoContent, "")
	revoked := time.Now()
	for ask() == http.StatusOK && time.Since(revoked) < 5*time.Second {
		time.Sleep(5 * time.Millisecond)
	}
	if took := time.Since(revoked); took > time.Second {
		t.Errorf("let in for %v after the answer", took)
	}
	stop()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("Run goes on after its context ended")
	}
}

func TestAuthorize_disabledAndUnknown(t *testing.T) {
	f := newFixture(t, options{})
	alice := f.join("alice")
	if grant, err := f.grantOf(alice.id); err != nil || !slices.Equal(grant.Roles, []string{"user"}) {
		t.Errorf("%+v, %v", grant, err)
	}
	if _, err := f.accounts.SetDisabled(t.Context(), alice.id, true); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{alice.id, "none"} {
		if _, err := f.grantOf(id); !errors.Is(err, hallpass.ErrSubjectDisabled) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestHTTPServer_hasLimits(t *testing.T) {
	s := newFixture(t, options{}).server.HTTPServer()
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 ||
		s.MaxHeaderBytes > 24<<10 {
		t.Errorf("limits %+v", s)
	}
}

func TestKeys_rotation(t *testing.T) {
	f := newFixture(t, options{})
	root := f.admin("root")
	first := f.do("POST /v1/keys/rotate", "", root.bearer()).want(http.StatusOK, "")
	again := f.do("POST /v1/keys/rotate", "{}", root.bearer()).want(http.StatusOK, "")
	if first.str("state") != "next" || first.str("kid") != again.str("kid") {
		t.Errorf("%s then %s", first.Body, again.Body)
	}
	f.do("POST /v1/keys/rotate", `{"algorithm":"none"}`, root.bearer()).
		want(http.StatusUnprocessableEntity, "validation_failed")
	var list struct{ Items []map[string]any }
	a := f.do("GET /v1/keys", "", root.bearer()).want(http.StatusOK, "")
	a.object(&list)
	if len(list.Items) != 2 || list.Items[0]["state"] != "active" || list.Items[1]["state"] != "next" ||
		list.Items[1]["kid"] != first.str("kid") {
		t.Errorf("listed %s", a.Body)
	}
	for _, member := range []string{`"d"`, `"x"`, `"k"`, "sealed"} {
		if strings.Contains(a.Body, member) {
			t.Errorf("the list holds %s", member)
		}
	}
	if set := f.do("GET /.well-known/jwks.json", "").want(http.StatusOK, ""); !strings.Contains(
		set.Body,
		first.str("kid"),
	) ||
		strings.Contains(set.Body, `"d"`) {
		t.Errorf("published %s", set.Body)
	}
	f.do("GET /v1/me", "", root.bearer()).want(http.StatusOK, "")
}

// What could be used to take an account over wants somebody who has just logged in (RFC 9470).
func TestStepUp(t *testing.T) {
	f := newFixture(t, options{})
	alice, root := f.join("alice"), f.admin("root")
	f.clock.Advance(5*time.Minute + time.Second)
	for _, c := range []struct {
		request, body string
		by            person
	}{
		{"PATCH /v1/users/" + alice.id, `{"email":"new@alice.example"}`, alice},
		{"PATCH /v1/users/" + alice.id, `{"email":null}`, alice},
		{"DELETE /v1/users/" + alice.id, "", alice},
		{"PUT /v1/users/" + alice.id + "/roles", `{"roles":["user","admin"]}`, root},
	} {
		a := f.do(c.request, c.body, c.by.bearer()).want(http.StatusUnauthorized, "fresh_token_required")
		if challenge := a.Header.Get("WWW-Authenticate"); !strings.Contains(challenge,
			`error="insufficient_user_authentication"`) ||
			!strings.Contains(challenge, `max_age="300"`) {
			t.Errorf("%s: challenge %s", c.request, challenge)
		}
	}
	// A refresh does not make it fresh; a password does.
	refreshed := f.do("POST /v1/refresh", `{"refresh_token":"`+alice.refresh+`"}`).
		want(http.StatusOK, "").
		str("access_token")
	f.do("PATCH /v1/users/"+alice.id, `{"email":"new@alice.example"}`, "Authorization: Bearer "+refreshed).
		want(http.StatusUnauthorized, "fresh_token_required")
	fresh := f.do("POST /v1/reauthenticate", `{"password":"`+passwordOf("alice")+`"}`, alice.bearer()).
		want(http.StatusOK, "").
		str("access_token")
	f.do("PATCH /v1/users/"+alice.id, `{"email":"new@alice.example"}`, "Authorization: Bearer "+fresh).
		want(http.StatusOK, "")
	if a := f.do("PATCH /v1/users/"+alice.id, `{"email":null}`, "Authorization: Bearer "+
		fresh).want(http.StatusOK, ""); !strings.Contains(
		a.Body,
		`"email":null`,
	) {
		t.Errorf("the address is still there: %s", a.Body)
	}
}

// A header that is too large is refused like anything else, before anybody reads it.
func TestHeader_tooLarge(t *testing.T) {
	f := newFixture(t, options{})
	large := strings.Repeat("x", 16<<10)
	f.do("GET /healthz", "", "X: "+large).want(http.StatusRequestHeaderFieldsTooLarge, "too_large")
	f.do("GET /healthz?"+large, "").want(http.StatusRequestHeaderFieldsTooLarge, "too_large")
	f.do("GET /healthz", "", "X: "+strings.Repeat("x", 15<<10)).wantStatus(http.StatusOK)
}
