// Package requests has the requests that every router of this module must answer in the same way.
package requests

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/hallpasstest"
)

const page = "https://app.example.com" // the origin of the front end

// Serve answers a request with the router under test.
type Serve func(*testing.T, *http.Request) *http.Response

// Of returns a way to ask a router of net/http.
func Of(h http.Handler) Serve {
	return func(_ *testing.T, r *http.Request) *http.Response {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
}

// Check sends requests with and without a token, and a preflight, to the router that open returns.
func Check(t *testing.T, open func(*hallpass.Verifier[struct{}]) Serve) {
	kit := hallpasstest.New[struct{}](t)
	serve := open(kit.Auth(hallpass.Config[struct{}]{}).Verifier)
	alice := kit.Token("alice", hallpass.Grant[struct{}]{})
	admin := kit.Token("root", hallpass.Grant[struct{}]{Roles: []string{"admin"}})
	for _, c := range []struct {
		name, path, token string
		status            int
		body              string
	}{
		{"with a token", "/hello", alice, 200, "Hello alice"},
		{"without a token", "/hello", "", 401, ""},
		{"own record", "/users/alice", alice, 200, "User alice"},
		{"another's record", "/users/bob", alice, 403, ""},
		{"a record, by an administrator", "/users/bob", admin, 200, "User bob"},
		{"a record without a token", "/users/bob", "", 401, ""},
	} {
		r := request("GET", c.path, c.token)
		got := serve(t, r)
		body := read(t, got)
		if got.StatusCode != c.status || c.status == 200 && body != c.body {
			t.Errorf("%s: %d %s", c.name, got.StatusCode, body)
		}
		if c.status != 200 && !json.Valid([]byte(body)) { // as it is if a handler went on to write
			t.Errorf("%s: the body is %s", c.name, body)
		}
		if c.status == 401 && !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: WWW-Authenticate is %q", c.name, got.Header.Get("WWW-Authenticate"))
		}
		if origin := got.Header.Get("Access-Control-Allow-Origin"); origin != page {
			t.Errorf("%s: pages of %q can read the answer", c.name, origin)
		}
	}
	for reason, token := range kit.Refused("alice") {
		if got := serve(t, request("GET", "/hello", token)); got.StatusCode != 401 {
			t.Errorf("%s: %d", reason, got.StatusCode)
		}
	}
	r := request("OPTIONS", "/hello", "")
	r.Header.Set("Access-Control-Request-Method", "GET")
	r.Header.Set("Access-Control-Request-Headers", "authorization")
	got := serve(t, r)
	if got.StatusCode >= 300 || got.Header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("a preflight: %d %v", got.StatusCode, got.Header)
	}
}

func request(method, path, token string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Origin", page)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func read(t *testing.T, answer *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
