package hallpass_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/asker"
)

func basic(username, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+password))
}

func TestLogin_answersTokens(t *testing.T) {
	a := newAPI(t, nil)
	for name, got := range map[string]answer{
		"JSON":  a.login("alice"),
		"Basic": a.do("POST /auth/login", "", basic("alice", "alice's password")),
	} {
		t.Run(name, func(t *testing.T) {
			got.want(t, 200, "")
			if c := got.Header.Get("Cache-Control"); c != "no-store" {
				t.Errorf("Cache-Control %q", c)
			}
			if got.String(t, "token_type") != "Bearer" || got.JSON["expires_in"] != 900.0 ||
				got.JSON["refresh_expires_in"] != 30*24*3600.0 {
				t.Errorf("answered %s", got.Text)
			}
			if got.String(t, "scope") != "read write" {
				t.Errorf("scope %q", got.String(t, "scope"))
			}
			id, err := a.Verify(t.Context(), got.String(t, "access_token"))
			if err != nil || id.Subject != "alice" || id.SessionID != got.String(t, "session_id") || id.ID == "" ||
				id.ClientID == "" {
				t.Errorf("identity %+v, %v", id, err)
			}
			if len(got.JSON) != 7 {
				t.Errorf("members beside the contract: %s", got.Text)
			}
		})
	}
}

func TestLogin_refuses(t *testing.T) {
	a := newAPI(t, nil)
	for _, c := range []struct {
		name, body string
		header     string
		status     int
		code       string
	}{
		{"wrong password", `{"username":"alice","password":"x"}`, "", 401, "invalid_credentials"},
		{"unknown user", `{"username":"eve","password":"x"}`, "", 401, "invalid_credentials"},
		{"wrong password by Basic", ``, basic("alice", "x"), 401, "invalid_credentials"},
		{"Basic that is none", ``, "Authorization: Basic %%%", 400, "malformed_request"},
		{"Basic that is not UTF-8", ``, basic("alice", "\xff"), 400, "malformed_request"},
		{"Basic and a body", `{"username":"alice","password":"x"}`, basic("alice", "x"), 400, "malformed_request"},
		{"no body", ``, "", 400, "malformed_request"},
		{"not JSON", `username=alice`, "", 400, "malformed_request"},
		{"an array", `[]`, "", 400, "malformed_request"},
		{"a member twice", `{"username":"alice","username":"bob","password":"x"}`, "", 400, "malformed_request"},
		{"invalid UTF-8", "{\"username\":\"\xff\",\"password\":\"x\"}", "", 400, "malformed_request"},
		{"something after it", `{"username":"alice","password":"x"}{}`, "", 400, "malformed_request"},
		{"too deep", `{"username":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`,
			"", 400, "malformed_request"},
		{"too large", `{"username":"` + strings.Repeat("a", 70_000) + `"}`, "", 413, "too_large"},
		{"an unknown member", `{"username":"alice","password":"x","otp":"1"}`, "", 422, "validation_failed"},
		{"a member in another case", `{"Username":"alice","password":"x"}`, "", 422, "validation_failed"},
		{"a wrong type", `{"username":["alice"],"password":"x"}`, "", 422, "validation_failed"},
		{"null", `{"username":null,"password":"x"}`, "", 422, "validation_failed"},
		{"a member missing", `{"username":"alice"}`, "", 422, "validation_failed"},
		{"a form", `username=alice&password=x`, "Content-Type: application/x-www-form-urlencoded",
			415, "unsupported_media_type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			headers := []string{}
			if c.header != "" {
				headers = append(headers, c.header)
			}
			a.doAs("POST /auth/login", c.body, headers...).want(t, c.status, c.code)
		})
	}
}

// doAs is do without a Content-Type of its own when the headers bring one.
func (a *api) doAs(request, body string, headers ...string) answer {
	a.t.Helper()
	for _, h := range headers {
		if strings.HasPrefix(h, "Content-Type: application/x-www") {
			return a.doForm(request, body)
		}
	}
	return a.do(request, body, headers...)
}

func TestLogin_failuresLookAlike(t *testing.T) {
	a := newAPI(t, nil)
	a.users.Disable("bob")
	answers := []answer{
		a.do("POST /auth/login", `{"username":"alice","password":"wrong"}`),
		a.do("POST /auth/login", `{"username":"nobody","password":"wrong"}`),
		a.do("POST /auth/login", `{"username":"bob","password":"bob's password"}`),
	}
	for _, got := range answers {
		got.Header.Del("Date")
		if got.Status != 401 || got.Text != answers[0].Text || len(got.Header) != len(answers[0].Header) {
			t.Errorf("answers tell users apart: %d %v %s", got.Status, got.Header, got.Text)
		}
	}
}

// Wrong credentials are the event login_failed. A store that cannot be asked is not.
func TestLogin_failedIsToldOfWrongCredentialsOnly(t *testing.T) {
	a := newAPI(t, nil)
	broken := newAPI(t, func(c *hallpass.Config[appClaims]) {
		c.Store, c.Keys, c.Revocations = brokenStore{}, a.kit.Keys, read(t)
	})
	token := bearer(a.login("alice").String(t, "access_token"))
	a.eventNames()
	for _, c := range []struct {
		name string
		got  answer
		want int // status
	}{
		{"wrong password", a.do("POST /auth/login", `{"username":"alice","password":"x"}`), 401},
		{"wrong password again", a.do("POST /auth/reauthenticate", `{"password":"x"}`, token), 401},
		{"no store", broken.do("POST /auth/login", `{"username":"alice","password":"alice's password"}`), 503},
		{"no store again", broken.do("POST /auth/reauthenticate", `{"password":"alice's password"}`, token), 503},
	} {
		if c.got.Status != c.want {
			t.Errorf("%s: answered %d, want %d: %s", c.name, c.got.Status, c.want, c.got.Text)
		}
	}
	count := func(names []string) (n int) {
		for _, name := range names {
			if name == hallpass.EventLoginFailed {
				n++
			}
		}
		return n
	}
	if n := count(a.eventNames()); n != 2 {
		t.Errorf("2 wrong passwords are told %d times", n)
	}
	if n := count(broken.eventNames()); n != 0 {
		t.Errorf("a store that cannot be asked is told as %d failed log-ins", n)
	}
}

func TestRefresh_bodies(t *testing.T) {
	a := newAPI(t, nil)
	a.do("POST /auth/refresh", `{}`).want(t, 422, "validation_failed")
	a.do("POST /auth/refresh", ``).want(t, 400, "malformed_request")
	a.do("POST /auth/refresh", `{"refresh_token":1}`).want(t, 422, "validation_failed")
}

func TestLogout(t *testing.T) {
	a := newAPI(t, nil)
	login := a.login("alice")
	a.do("POST /auth/logout", "").want(t, 401, "token_missing")
	a.do("POST /auth/logout", "{}").want(t, 401, "token_missing")
	a.do("POST /auth/logout", `{"refresh_token":"x"}`).want(t, 401, "refresh_token_invalid")
	other := a.login("alice")
	for _, token := range []string{login.String(t, "access_token"), other.String(t, "access_token"), "a.b.c"} {
		a.do("POST /auth/logout", `{"refresh_token":"`+other.String(t, "refresh_token")+`"}`, bearer(token)).
			want(t, 400, "malformed_request")
	}
	a.refresh(other.String(t, "refresh_token")).want(t, 200, "") // neither session ended
	a.do("POST /auth/logout", "", bearer(login.String(t, "access_token"))).want(t, 204, "")
	a.do("POST /auth/logout", "", bearer(login.String(t, "access_token"))).want(t, 401, "token_revoked")
	a.refresh(login.String(t, "refresh_token")).want(t, 401, "refresh_token_invalid")
	// Asking twice with the refresh token is no mistake: the first answer may have been lost.
	a.do("POST /auth/logout", `{"refresh_token":"`+login.String(t, "refresh_token")+`"}`).want(t, 204, "")
}

func TestLogoutAll(t *testing.T) {
	a := newAPI(t, nil)
	one, two, bob := a.login("alice"), a.login("alice"), a.login("bob")
	a.do("POST /auth/logout/all", "").want(t, 401, "token_missing")
	a.do("POST /auth/logout/all", "", bearer(one.String(t, "access_token"))).want(t, 204, "")
	for _, ended := range []answer{one, two} {
		a.do("GET /func", "", bearer(ended.String(t, "access_token"))).want(t, 401, "token_revoked")
		a.refresh(ended.String(t, "refresh_token")).want(t, 401, "refresh_token_invalid")
	}
	a.do("GET /func", "", bearer(bob.String(t, "access_token"))).want(t, 200, "")
}

func TestReauthenticate(t *testing.T) {
	a := newAPI(t, nil)
	login := a.login("alice")
	token := bearer(login.String(t, "access_token"))
	a.clock.Advance(10 * time.Minute)
	a.do("POST /auth/reauthenticate", `{"password":"alice's password"}`).want(t, 401, "token_missing")
	a.do("POST /auth/reauthenticate", `{"password":"wrong"}`, token).want(t, 401, "invalid_credentials")
	a.do("POST /auth/reauthenticate", `{}`, token).want(t, 422, "validation_failed")
	got := a.do("POST /auth/reauthenticate", `{"password":"alice's password"}`, token)
	got.want(t, 200, "")
	id, err := a.Verify(t.Context(), got.String(t, "access_token"))
	if err != nil || !id.AuthTime.Equal(a.clock.Now().Truncate(time.Second)) ||
		id.SessionID != login.String(t, "session_id") {
		t.Errorf("identity %+v, %v", id, err)
	}
	next := a.refresh(got.String(t, "refresh_token"))
	id, err = a.Verify(t.Context(), next.String(t, "access_token"))
	if err != nil || !id.AuthTime.Equal(a.clock.Now().Truncate(time.Second)) {
		t.Errorf("the refreshed token forgot the authentication: %+v, %v", id, err)
	}
}

// Whoever has a copy of the refresh token from before a step-up gets nothing for it; within the
// grace, when it may be another tab, that ends nothing, and later it is a theft.
func TestReauthenticate_nobodyElseProfits(t *testing.T) {
	a := newAPI(t, nil)
	login := a.login("alice")
	stolen := login.String(t, "refresh_token")
	got := a.do("POST /auth/reauthenticate", `{"password":"alice's password"}`,
		bearer(login.String(t, "access_token")))
	got.want(t, 200, "")
	a.refresh(stolen).want(t, 401, "refresh_token_invalid")
	a.do("GET /func", "", bearer(got.String(t, "access_token"))).want(t, 200, "")
	a.clock.Advance(time.Minute)
	a.refresh(stolen).want(t, 401, "refresh_token_reused")
	a.do("GET /func", "", bearer(got.String(t, "access_token"))).want(t, 401, "token_revoked")
}

func TestSessions(t *testing.T) {
	a := newAPI(t, nil)
	a.users.SetGrant("bob", grant{Roles: []string{"admin"}})
	one := a.login("alice")
	a.clock.Advance(time.Second)
	two := a.login("alice")
	bob := a.login("bob")
	token := bearer(two.String(t, "access_token"))

	list := a.do("GET /auth/sessions", "", token)
	list.want(t, 200, "")
	items := list.JSON["items"].([]any)
	if len(items) != 2 || list.JSON["next_cursor"] != nil {
		t.Fatalf("listed %s", list.Text)
	}
	first := items[0].(map[string]any)
	if first["id"] != two.String(t, "session_id") || first["current"] != true || first["ip"] != "127.0.0.1" ||
		first["user_agent"] != "Go-http-client/1.1" {
		t.Errorf("first %v", first)
	}
	if items[1].(map[string]any)["current"] != false {
		t.Error("two current sessions")
	}
	paged := a.do("GET /auth/sessions?limit=1", "", token)
	next := a.do("GET /auth/sessions?limit=1&cursor="+paged.String(t, "next_cursor"), "", token)
	if id := next.JSON["items"].([]any)[0].(map[string]any)["id"]; id != one.String(t, "session_id") ||
		next.JSON["next_cursor"] != nil {
		t.Errorf("second page %s", next.Text)
	}
	for _, query := range []string{"limit=0", "limit=201", "limit=x", "limit=", "cursor=x", "cursor=' OR 1=1"} {
		a.do("GET /auth/sessions?"+strings.ReplaceAll(query, " ", "%20"), "", token).want(t, 422, "validation_failed")
	}

	a.do("DELETE /auth/sessions/"+bob.String(t, "session_id"), "", token).want(t, 404, "not_found")
	a.do("DELETE /auth/sessions/nothing", "", token).want(t, 404, "not_found")
	a.do("DELETE /auth/sessions/"+one.String(t, "session_id"), "", token).want(t, 204, "")
	a.do("DELETE /auth/sessions/"+one.String(t, "session_id"), "", token).want(t, 404, "not_found")
	a.do("GET /func", "", bearer(one.String(t, "access_token"))).want(t, 401, "token_revoked")
	a.do("DELETE /auth/sessions/"+two.String(t, "session_id"), "", bearer(bob.String(t, "access_token"))).
		want(t, 204, "")
	a.do("GET /func", "", token).want(t, 401, "token_revoked")
}

func TestClientOf(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "[2001:db8::1]:1234"
	r.Header.Set("User-Agent", strings.Repeat("ä", 300)+"\xff")
	r.Header.Set("X-Forwarded-For", "10.0.0.1")
	got := hallpass.ClientOf(r)
	if got.IP != "2001:db8::1" {
		t.Errorf("IP %q", got.IP)
	}
	if got.UserAgent != strings.Repeat("ä", 128) {
		t.Errorf("UserAgent of %d bytes: %q", len(got.UserAgent), got.UserAgent)
	}
	r.Header.Set("User-Agent", "curl\u009b31m\u202e\tx")
	if got := hallpass.ClientOf(r); got.UserAgent != "curl\uFFFD31m\uFFFD\uFFFDx" {
		t.Errorf("what disturbs a terminal: %q", got.UserAgent)
	}
}

// A step-up that cannot be finished takes nothing away: the refresh token stays as good as it was.
func TestReauthenticate_thatFailsLeavesTheRefreshToken(t *testing.T) {
	away := false
	a := newAPI(t, func(c *hallpass.Config[appClaims]) {
		authorize := c.Authorize
		c.Authorize = func(ctx context.Context, subject string) (grant, error) {
			if away {
				return grant{}, hallpass.ErrStoreUnavailable
			}
			return authorize(ctx, subject)
		}
	})
	login := a.login("alice")
	away = true
	a.do("POST /auth/reauthenticate", `{"password":"alice's password"}`, bearer(login.String(t, "access_token"))).
		want(t, 503, "store_unavailable")
	away = false
	a.refresh(login.String(t, "refresh_token")).want(t, 200, "")
}

// Mount is no oracle for guesses: they are limited by account and by address before the password is
// looked at, and strangers keep nobody out.
func TestMount_guessesAreLimited(t *testing.T) {
	asked := 0
	from := "198.51.100.1"
	a := newAPI(t, func(c *hallpass.Config[appClaims]) {
		authenticate := c.Authenticate
		c.Authenticate = func(ctx context.Context, l hallpass.Login) (string, error) {
			asked++
			return authenticate(ctx, l)
		}
		c.Client = func(*http.Request) hallpass.Client { return hallpass.Client{IP: from} }
	})
	guess := func(name string) answer {
		return a.do("POST /auth/login", `{"username":"`+name+`","password":"wrong"}`)
	}
	from = "203.0.113.1"
	login := a.login("alice")
	from = "198.51.100.1"
	for i := range 10 {
		guess([]string{"alice", "Alice"}[i%2]).want(t, 401, "invalid_credentials")
	}
	asked = 0
	got := guess("alice")
	got.want(t, 429, "rate_limited")
	if asked != 0 || got.Header.Get("Retry-After") == "" || got.Header.Get("RateLimit") == "" ||
		got.Header.Get("RateLimit-Policy") == "" {
		t.Errorf("asked %d times; fields %v", asked, got.Header)
	}
	for i := range 90 {
		guess(fmt.Sprint("nobody", i)).want(t, 401, "invalid_credentials")
	}
	guess("nobody").want(t, 429, "rate_limited") // the address has its own limit
	from = "203.0.113.1"
	a.login("alice").want(t, 200, "")
	for range 10 {
		a.do("POST /auth/reauthenticate", `{"password":"wrong"}`, bearer(login.String(t, "access_token"))).
			want(t, 401, "invalid_credentials")
	}
	a.do("POST /auth/reauthenticate", `{"password":"alice's password"}`, bearer(login.String(t, "access_token"))).
		want(t, 429, "rate_limited")
	a.clock.Advance(time.Minute)
	a.do("POST /auth/reauthenticate", `{"password":"alice's password"}`, bearer(login.String(t, "access_token"))).
		want(t, 200, "")
}

// The context of a check of a password names the client, so that a governor lets clients take turns,
// and says whether the account was logged in to from there before.
func TestLogin_namesTheClientToTheGovernor(t *testing.T) {
	var told []string
	tell := func(ctx context.Context) {
		name, known := asker.Of(ctx)
		told = append(told, fmt.Sprint(name, " ", known))
	}
	a := newAPI(t, func(c *hallpass.Config[appClaims]) {
		authenticate, check := c.Authenticate, c.CheckPassword
		c.Authenticate = func(ctx context.Context, login hallpass.Login) (string, error) {
			tell(ctx)
			return authenticate(ctx, login)
		}
		c.CheckPassword = func(ctx context.Context, subject, password string, client hallpass.Client) error {
			tell(ctx)
			return check(ctx, subject, password, client)
		}
	})
	a.login("alice")
	access := a.login("alice").String(t, "access_token")
	a.do("POST /auth/reauthenticate", `{"password":"alice's password"}`, "Authorization: Bearer "+access)
	if want := []string{"127.0.0.1 false", "127.0.0.1 true", "127.0.0.1 true"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
