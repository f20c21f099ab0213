package flaskjwtextended_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	fje "github.com/hallpass-go/hallpass/compat/flaskjwtextended"
)

// setCookies returns the Set-Cookie fields that do sets, without the values of the cookies.
func setCookies(do func(w http.ResponseWriter)) []string {
	response := httptest.NewRecorder()
	do(response)
	var fields []string
	for _, field := range response.Header().Values("Set-Cookie") {
		name, rest, _ := strings.Cut(field, "=")
		_, attributes, _ := strings.Cut(rest, "; ")
		fields = append(fields, name+"; "+attributes)
	}
	return fields
}

func TestSetCookies_areSecureUnlessToldOtherwise(t *testing.T) {
	c, _ := config()
	set := func() []string {
		return setCookies(func(w http.ResponseWriter) { newAuth(t, c).SetCookies(w, access(t, c, fje.Mint{})) })
	}
	want := []string{
		"access_token_cookie; Secure; HttpOnly; Path=/; SameSite=Lax",
		"csrf_access_token; Secure; Path=/; SameSite=Lax",
	}
	if got := set(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	c.InsecureCookies, c.CookieSameSite = true, http.SameSiteDefaultMode
	if got := set(); !slices.Equal(got,
		[]string{"access_token_cookie; HttpOnly; Path=/", "csrf_access_token; Path=/"}) {
		t.Errorf("as the original: got %q", got)
	}
}

// TestSetCookies_settings compares with the texts of the original.
func TestSetCookies_settings(t *testing.T) {
	c, _ := config()
	c.Now = func() time.Time { return time.Date(2026, 11, 23, 8, 21, 30, 0, time.UTC) }
	c.InsecureCookies, c.PersistentCookies, c.CookieDomain, c.CookieSameSite = true, true,
		".example.com", http.SameSiteStrictMode
	c.AccessCookie = fje.CookieNames{Name: "a", Path: "/api", CSRFName: "ca", CSRFPath: "/x"}
	auth := newAuth(t, c)
	got := setCookies(func(w http.ResponseWriter) { auth.SetCookies(w, access(t, c, fje.Mint{})) })
	const year = "Domain=example.com; Expires=Tue, 23 Nov 2027 09:28:10 GMT; Max-Age=31540000"
	if want := []string{"a; " + year + "; HttpOnly; Path=/api; SameSite=Strict", "ca; " + year +
		"; Path=/x; SameSite=Strict"}; !slices.Equal(
		got,
		want,
	) {
		t.Errorf("set: got %q", got)
	}
	const past = "Domain=example.com; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
	got = setCookies(auth.UnsetAccessCookies)
	if want := []string{"a; " + past + "; HttpOnly; Path=/api; SameSite=Strict", "ca; " + past +
		"; Path=/x; SameSite=Strict"}; !slices.Equal(
		got,
		want,
	) {
		t.Errorf("unset: got %q", got)
	}
	c.NoCSRFCookies = true
	if got := setCookies(newAuth(t, c).UnsetCookies); len(got) != 2 {
		t.Errorf("without CSRF cookies: got %q", got)
	}
}

func TestSetCookies_answersAreNotStored(t *testing.T) {
	c, _ := config()
	response := httptest.NewRecorder()
	newAuth(t, c).SetCookies(response, access(t, c, fje.Mint{}))
	if got := response.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("got %q", got)
	}
}

var inCookies = fje.Guard{Locations: []fje.Location{fje.Cookies}}

func withCookie(method, token string) *http.Request {
	request := httptest.NewRequest(method, "/", nil)
	request.AddCookie(&http.Cookie{Name: "access_token_cookie", Value: token})
	return request
}

func TestFunc_methodsThatNeedACSRFValue(t *testing.T) {
	c, _ := config()
	c.AccessCookie.CSRFHeader = "X-Double"
	token := access(t, c, fje.Mint{})
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 401, "PUT": 401,
		"PATCH": 401, "DELETE": 401} {
		if status, body := ask(t, c, inCookies, withCookie(method, token.Text)); status != want {
			t.Errorf("%s: got %d %s", method, status, body)
		}
		request := withCookie(method, token.Text)
		request.Header.Set("X-Double", token.CSRF)
		if status, body := ask(t, c, inCookies, request); status != http.StatusOK {
			t.Errorf("%s with the value: got %d %s", method, status, body)
		}
	}
	c.CSRFMethods = []string{"GET"}
	if status, _ := ask(t, c, inCookies, withCookie("GET", token.Text)); status != http.StatusUnauthorized {
		t.Errorf("GET, when it is one of the methods: %d", status)
	}
}

func TestFunc_formsAreLookedAtOnlyWhenTold(t *testing.T) {
	c, _ := config()
	token := access(t, c, fje.Mint{})
	for check, want := range map[bool]int{false: 401, true: 200} {
		c.CSRFForm = check
		request := withCookie("POST", token.Text)
		request.Body = io.NopCloser(strings.NewReader("csrf_token=" + token.CSRF))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if status, body := ask(t, c, inCookies, request); status != want {
			t.Errorf("%t: got %d %s", check, status, body)
		}
	}
}

func TestFunc_cookiesWithoutCSRF(t *testing.T) {
	c, _ := config()
	c.AllowCookiesWithoutCSRF = true
	token := access(t, c, fje.Mint{})
	if token.CSRF != "" {
		t.Errorf("the token has a CSRF value: %+v", token)
	}
	if status, body := ask(t, c, inCookies, withCookie("POST", token.Text)); status != http.StatusOK {
		t.Errorf("got %d %s", status, body)
	}
	if got := setCookies(newAuth(t, c).UnsetCookies); len(got) != 2 {
		t.Errorf("cookies are unset that are not set: %q", got)
	}
}

// TestFunc_leavesTheBodyWhole: handlers and form parsers still get the whole body, even a long one.
func TestFunc_leavesTheBodyWhole(t *testing.T) {
	c, _ := config()
	token := access(t, c, fje.Mint{})
	long := strings.Repeat("x", 3<<20)
	var parts bytes.Buffer
	form := multipart.NewWriter(&parts)
	_ = form.WriteField("csrf_token", token.CSRF)
	file, err := form.CreateFormFile("file", "f")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(file, long)
	form.Close()
	for _, test := range []struct{ name, mediaType, body string }{
		{"a form", "application/x-www-form-urlencoded", url.Values{"csrf_token": {token.CSRF},
			"long": {long}}.Encode()},
		{"a multipart form", form.FormDataContentType(), parts.String()},
		{"JSON", "application/json", `{"access_token":"` + token.Text + `","x":"` + long[:1000] + `"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			handler := newAuth(t, c).Func(func(_ http.ResponseWriter, r *http.Request, _ fje.Identity[user]) {
				if body, err := io.ReadAll(r.Body); err != nil || string(body) != test.body {
					t.Errorf("the handler read %d bytes of %d, %v", len(body), len(test.body), err)
				}
			}, fje.Guard{Locations: []fje.Location{fje.JSON, fje.Cookies}})
			request := withCookie("POST", token.Text)
			request.Header.Set("Content-Type", test.mediaType)
			request.Body = io.NopCloser(strings.NewReader(test.body))
			response := httptest.NewRecorder()
			handler.ServeHTTP(response, request)
			if response.Code != http.StatusOK {
				t.Errorf("got %d %s", response.Code, response.Body)
			}
		})
	}
}

// TestFunc_longJSONHoldsNoToken: the amount that is read before authentication is limited.
func TestFunc_longJSONHoldsNoToken(t *testing.T) {
	c, _ := config()
	read := 0
	body := `{"x":"` + strings.Repeat("x", 4<<20) + `","access_token":"` + access(t, c, fje.Mint{}).Text + `"}`
	request := httptest.NewRequest("POST", "/", counted{strings.NewReader(body), &read})
	request.Header.Set("Content-Type", "application/json")
	status, answer := ask(t, c, fje.Guard{Locations: []fje.Location{fje.JSON}}, request)
	if status != http.StatusUnauthorized || read > 2<<20 {
		t.Errorf("got %d %s after %d bytes", status, answer, read)
	}
}

// counted counts the bytes that are read.
type counted struct {
	io.Reader
	n *int
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	*c.n += n
	return n, err
}
