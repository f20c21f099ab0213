package server_test

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/server"
)

const (
	ourPage   = "Origin: https://app.issuer.test"
	otherPage = "Origin: https://evil.example"
	asCookie  = "Session-Mode: cookie"
)

func forBrowsers(c *server.Config) {
	c.Origins, c.BrowserCookies = []string{"https://app.issuer.test"}, true
}

// A page of an origin that is allowed reads answers, refusals too. Any other reads nothing.
func TestCrossOrigin_allowsWhoIsAllowed(t *testing.T) {
	f := newFixture(t, options{config: forBrowsers})
	alice := f.join("alice")
	for _, request := range []string{"GET /v1/me", "GET /v1/users", "GET /nothing"} {
		for page, allowed := range map[string]string{
			ourPage: "https://app.issuer.test", otherPage: "", "Origin: null": "",
			"Origin: https://app.issuer.test.evil.example": "",
			"Origin: http://app.issuer.test":               "", "Origin: https://app.issuer.test:8443": "", "X: y": "",
		} {
			a := f.do(request, "", alice.bearer(), page)
			if got := a.Header.Get("Access-Control-Allow-Origin"); got != allowed {
				t.Errorf("%s, %s: allowed %q, want %q", request, page, got, allowed)
			}
			if !slices.Contains(strings.Split(strings.Join(a.Header.Values("Vary"), ", "), ", "), "Origin") {
				t.Errorf("%s, %s: Vary %q lets a cache give it to another page", request, page, a.Header.Values("Vary"))
			}
			exposed := a.Header.Get("Access-Control-Expose-Headers")
			if (allowed != "") != strings.Contains(exposed, "Retry-After") {
				t.Errorf("%s, %s: exposed %q", request, page, exposed)
			}
		}
	}
	a := f.do("GET /v1/me", "", alice.bearer(), ourPage, otherPage)
	if got := a.Header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("with two origins: allowed %q", got)
	}
}

// What a browser asks beforehand comes without a token.
func TestCrossOrigin_preflight(t *testing.T) {
	f := newFixture(t, options{config: forBrowsers})
	ask := "Access-Control-Request-Method: PATCH"
	a := f.do("OPTIONS /v1/users/1", "", ourPage, ask, "Access-Control-Request-Headers: authorization")
	a.wantStatus(http.StatusNoContent)
	for field, want := range map[string]string{
		"Access-Control-Allow-Origin": "https://app.issuer.test", "Access-Control-Allow-Credentials": "true",
		"Access-Control-Allow-Methods": "PATCH", "Access-Control-Allow-Headers": "Authorization",
		"Access-Control-Max-Age": "7200", "Vary": "Origin",
	} {
		if got := a.Header.Get(field); !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %s", field, got, want)
		}
	}
	f.do("OPTIONS /v1/users/1", "", otherPage, ask).want(http.StatusMethodNotAllowed, "method_not_allowed")
	f.do("OPTIONS /v1/users/1", "", ourPage).want(http.StatusMethodNotAllowed, "method_not_allowed")
	closed := newFixture(t, options{})
	closed.do("OPTIONS /v1/users/1", "", ourPage, ask).want(http.StatusMethodNotAllowed, "method_not_allowed")
}

// A page whose address is over the limit can read that, and for how long: the browser's question before
// the request is not refused.
func TestCrossOrigin_limitsCanBeRead(t *testing.T) {
	f := newFixture(t, options{config: func(c *server.Config) {
		forBrowsers(c)
		c.Limits.Address = twoAnHour
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}})
	ask, from := "Access-Control-Request-Method: PATCH", "X-Forwarded-For: 192.0.2.1"
	var a answer
	for range 100 {
		f.do("OPTIONS /v1/users/1", "", ourPage, ask, from).wantStatus(http.StatusNoContent)
		if a = f.do("PATCH /v1/users/1", "{}", ourPage, from); a.Status == http.StatusTooManyRequests {
			break
		}
	}
	a.wantStatus(http.StatusTooManyRequests)
	if a.Header.Get("Retry-After") == "" || a.Header.Get("Access-Control-Allow-Origin") == "" ||
		!strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "Retry-After") {
		t.Errorf("the page cannot read when to come again: %v", a.Header)
	}
	f.do("OPTIONS /v1/users/1", "", ourPage, ask, from).wantStatus(http.StatusNoContent)
}

// Keys, metadata and revocations are for every page, but never with credentials.
func TestCrossOrigin_openDocuments(t *testing.T) {
	f := newFixture(t, options{})
	for _, path := range []string{
		"/.well-known/jwks.json", "/v1/jwks.json", "/.well-known/oauth-authorization-server", "/v1/revocations",
	} {
		a := f.do("GET "+path, "", otherPage)
		h := a.Header
		if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %v", path, a.Header)
		}
	}
}

// cookie returns the refresh token that an answer leaves to the browser, as the browser sends it.
func (a answer) cookie() string {
	a.t.Helper()
	line := a.Header.Get("Set-Cookie")
	for _, must := range []string{"Secure", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="} {
		if !strings.Contains(line, must) {
			a.t.Errorf("the cookie %q lacks %s", line, must)
		}
	}
	value, _, _ := strings.Cut(line, ";")
	if !strings.HasPrefix(value, "__Host-hallpass-refresh=") {
		a.t.Fatalf("no cookie: %d %s %v", a.Status, a.Body, a.Header)
	}
	return "Cookie: " + value
}

func (f *fixture) loginInBrowser(name string) (cookie string) {
	f.t.Helper()
	return f.do("POST /v1/login", credentials(name, passwordOf(name)), asCookie).want(http.StatusOK, "").cookie()
}

func (a answer) wantNoRefreshToken() answer {
	a.t.Helper()
	if strings.Contains(a.Body, `"refresh_token"`) {
		a.t.Errorf("a script can read the refresh token: %s", a.Body)
	}
	return a
}

// The browser keeps the refresh token through login, refresh, step-up and a change of password, until
// the logout.
func TestBrowserCookies_keepTheRefreshToken(t *testing.T) {
	f := newFixture(t, options{config: forBrowsers})
	alice := f.join("alice")
	credentials := credentials("alice", passwordOf("alice"))
	login := f.do("POST /v1/login", credentials, asCookie, ourPage).want(http.StatusOK, "")
	cookie := login.wantNoRefreshToken().cookie()
	refreshed := f.do("POST /v1/refresh", "", asCookie, cookie, ourPage).want(http.StatusOK, "").wantNoRefreshToken()
	if refreshed.cookie() == cookie {
		t.Error("the cookie stays the same after a refresh")
	}
	again := f.do("POST /v1/refresh", "", asCookie, cookie).want(http.StatusOK, "") // another tab
	if again.cookie() != refreshed.cookie() {
		t.Error("another tab gets another successor")
	}
	bearer := "Authorization: Bearer " + refreshed.str("access_token")
	stepUp := f.do("POST /v1/reauthenticate", `{"password":"`+passwordOf("alice")+`"}`, asCookie, bearer).
		want(http.StatusOK, "").wantNoRefreshToken()
	changed := f.do("PATCH /v1/users/"+alice.id, `{`+proof+`,`+newPassword+`}`, asCookie,
		"Authorization: Bearer "+stepUp.str("access_token")).want(http.StatusOK, "").wantNoRefreshToken()
	cookie = changed.cookie()
	out := f.do("POST /v1/logout", "", asCookie, cookie, bearer)
	out.wantStatus(http.StatusNoContent)
	if !strings.Contains(out.Header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("after the logout the cookie is %q", out.Header.Get("Set-Cookie"))
	}
	gone := f.do("POST /v1/refresh", "", asCookie, cookie).want(http.StatusUnauthorized, "refresh_token_invalid")
	if !strings.Contains(gone.Header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("a cookie that is good for nothing stays: %q", gone.Header.Get("Set-Cookie"))
	}
}

// Pages of other origins cannot use the cookie, nor put one into the browser.
func TestBrowserCookies_refuseOtherOrigins(t *testing.T) {
	f := newFixture(t, options{config: forBrowsers})
	alice := f.join("alice")
	cookie := f.loginInBrowser("alice")
	for _, from := range []string{
		otherPage, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: null",
	} {
		f.do("POST /v1/refresh", "", asCookie, cookie, from).want(http.StatusForbidden, "cross_origin")
		f.do("POST /v1/logout", "", asCookie, cookie, from).want(http.StatusForbidden, "cross_origin")
		f.do("POST /v1/login", credentials("alice", passwordOf("alice")), asCookie, from).
			want(http.StatusForbidden, "cross_origin")
		f.do("POST /v1/reauthenticate", `{"password":"`+passwordOf("alice")+`"}`, asCookie, from, alice.bearer()).
			want(http.StatusForbidden, "cross_origin")
		f.do("PATCH /v1/users/"+alice.id, `{`+proof+`,`+newPassword+`}`, asCookie, from, alice.bearer()).
			want(http.StatusForbidden, "cross_origin")
	}
	f.do("POST /v1/refresh", "", asCookie, cookie, ourPage, "Sec-Fetch-Site: same-site").want(http.StatusOK, "")
}

// The cookie counts only for who asks for it, and never beside a token in the body.
func TestBrowserCookies_areNeverMixedWithABody(t *testing.T) {
	f := newFixture(t, options{config: forBrowsers})
	alice := f.join("alice")
	cookie := f.loginInBrowser("alice")
	body := `{"refresh_token":"` + alice.refresh + `"}`
	f.do("POST /v1/refresh", body, asCookie, cookie).want(http.StatusBadRequest, "malformed_request")
	f.do("POST /v1/refresh", "", asCookie).want(http.StatusUnauthorized, "refresh_token_invalid")
	two := f.do("POST /v1/refresh", "", asCookie, cookie+"; "+strings.TrimPrefix(cookie, "Cookie: ")).
		want(http.StatusUnauthorized, "refresh_token_invalid")
	if !strings.Contains(two.Header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("cookies that are good for nothing stay: %q", two.Header.Get("Set-Cookie"))
	}
	f.do("POST /v1/refresh", body, "Session-Mode: body").want(http.StatusBadRequest, "malformed_request")
	f.do("POST /v1/refresh", "", cookie).want(http.StatusBadRequest, "malformed_request") // a form of another site
	plain := f.do("POST /v1/refresh", body, cookie).want(http.StatusOK, "")
	if plain.Header.Get("Set-Cookie") != "" || plain.str("refresh_token") == "" {
		t.Errorf("a program without cookies is answered %v %s", plain.Header, plain.Body)
	}
}

// A page that asks for the cookie gets no token that a script could read, even where there are no
// cookies.
func TestBrowserCookies_turnedOff(t *testing.T) {
	f := newFixture(t, options{})
	alice := f.join("alice")
	for _, c := range []struct{ request, body string }{
		{"POST /v1/login", credentials("alice", passwordOf("alice"))},
		{"POST /v1/refresh", `{"refresh_token":"` + alice.refresh + `"}`},
		{"POST /v1/reauthenticate", `{"password":"` + passwordOf("alice") + `"}`},
		{"PATCH /v1/users/" + alice.id, `{` + proof + `,` + newPassword + `}`},
		{"POST /v1/logout", `{"refresh_token":"` + alice.refresh + `"}`},
	} {
		a := f.do(c.request, c.body, alice.bearer(), asCookie).want(http.StatusBadRequest, "malformed_request")
		if !strings.Contains(a.Body, "--browser-cookies") || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %s %v", c.request, a.Body, a.Header)
		}
	}
	f.do("GET /v1/me", "", alice.bearer(), asCookie).want(http.StatusOK, "")
}

func TestSecurityText(t *testing.T) {
	f := newFixture(t, options{})
	a := f.do("GET /.well-known/security.txt", "").want(http.StatusOK, "")
	_, after, _ := strings.Cut(a.Body, "Expires: ")
	ends, err := time.Parse(time.RFC3339, strings.TrimSpace(strings.SplitN(after, "\n", 2)[0]))
	if err != nil || !ends.After(f.clock.Now().AddDate(0, 0, 28)) ||
		!strings.HasPrefix(a.Body, "Contact: mailto:security@issuer.test\n") {
		t.Errorf("%v: %s", err, a.Body)
	}
	off := newFixture(t, options{config: func(c *server.Config) { c.SecurityContact = "" }})
	off.do("GET /.well-known/security.txt", "").want(http.StatusNotFound, "not_found")
}
