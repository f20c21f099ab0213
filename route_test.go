package hallpass_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"encoding/json"

	"github.com/hallpass-go/hallpass"
)

// routed serves one route to whoever asks, and returns the answer.
func routed(
	a *api,
	route hallpass.Route[appClaims],
	token, method, target string,
	fields ...string,
) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	mux.Handle(route.Pattern, a.Handler(route))
	r := httptest.NewRequest(method, target, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

// A route says who may, which parameters it takes, and what it answers; the rest is done for it.
func TestHandler_doesTheRest(t *testing.T) {
	a := newAPI(t, nil)
	token := a.login("alice").String(t, "access_token")
	route := hallpass.Route[appClaims]{
		Pattern: "GET /posts/{id}", Parameters: []string{"tag*", "page"},
		Rules: []hallpass.Rule{hallpass.Scope("read")},
		Serve: func(r hallpass.Request[appClaims]) (hallpass.Answer, error) {
			if r.PathValue("id") == "0" {
				return hallpass.Answer{}, hallpass.ErrNotFound
			}
			return hallpass.Answer{Body: map[string]any{"by": r.Identity.Subject, "tags": r.Query["tag"]}}, nil
		},
	}
	admins := route
	admins.Rules = []hallpass.Rule{hallpass.Role("admin")}
	for _, c := range []struct {
		route         hallpass.Route[appClaims]
		token, target string
		status        int
		code, body    string
	}{
		{route, token, "/posts/1?tag=a&tag=b&page=2", 200, "", `{"by":"alice","tags":["a","b"]}`},
		{route, "", "/posts/1", 401, "token_missing", ""},
		{route, "", "/posts/1?x=1", 401, "token_missing", ""}, // whoever has no token is told that first
		{route, token, "/posts/1?x=1", 400, "malformed_request", ""},
		{route, token, "/posts/1?page=1&page=2", 400, "malformed_request", ""},
		{route, token, "/posts/1?page=%zz", 400, "malformed_request", ""},
		{route, token, "/posts/0", 404, "not_found", ""},
		{admins, token, "/posts/1", 403, "insufficient_role", ""},
	} {
		w := routed(a, c.route, c.token, "GET", c.target)
		var answered struct{ Code string }
		_ = json.Unmarshal(w.Body.Bytes(), &answered)
		if w.Code != c.status || answered.Code != c.code ||
			c.body != "" && strings.TrimSpace(w.Body.String()) != c.body {
			t.Errorf("%s answers %d %s", c.target, w.Code, w.Body)
		}
	}
}

// What a GET answers is the client's own, who asks each time whether it still holds.
func TestHandler_whatMayBeKept(t *testing.T) {
	a := newAPI(t, nil)
	answer := hallpass.Answer{Body: map[string]string{"a": "<b>"}}
	route := hallpass.Route[appClaims]{
		Pattern: "/x", Public: true,
		Serve: func(hallpass.Request[appClaims]) (hallpass.Answer, error) { return answer, nil },
	}
	first := routed(a, route, "", "GET", "/x")
	etag := first.Header().Get("ETag")
	if first.Body.String() != "{\"a\":\"<b>\"}\n" || etag == "" ||
		first.Header().Get("Cache-Control") != "private, no-cache" ||
		first.Header().Get("Vary") != "Authorization" ||
		first.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v %s", first.Header(), first.Body)
	}
	for _, tag := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
		if w := routed(a, route, "", "GET", "/x", "If-None-Match: "+tag); w.Code != 304 || w.Body.Len() != 0 {
			t.Errorf("If-None-Match: %s: %d %s", tag, w.Code, w.Body)
		}
	}
	if w := routed(a, route, "", "POST", "/x"); w.Header().Get("Cache-Control") != "no-store" ||
		w.Header().Get("ETag") != "" {
		t.Errorf("of a POST: %v", w.Header())
	}
	answer = hallpass.Answer{}
	if w := routed(a, route, "", "POST", "/x"); w.Code != 204 || w.Body.Len() != 0 ||
		w.Header().Get("Content-Type") != "" {
		t.Errorf("without a body: %d %v %s", w.Code, w.Header(), w.Body)
	}
	answer = hallpass.Answer{
		Header: http.Header{"Cache-Control": {"public, max-age=5"}},
		Body:   hallpass.Raw{ContentType: "text/plain", Text: []byte("raw")},
	}
	if w := routed(a, route, "", "GET", "/x"); w.Body.String() != "raw" ||
		w.Header().Get("Cache-Control") != "public, max-age=5" ||
		w.Header().Get("Vary") != "" {
		t.Errorf("of its own: %v %s", w.Header(), w.Body)
	}
	answer = hallpass.Answer{Body: func() {}}
	if w := routed(a, route, "", "GET", "/x"); w.Code != 500 || !strings.Contains(w.Body.String(), `"internal"`) {
		t.Errorf("of what is no JSON: %d %s", w.Code, w.Body)
	}
}

// A member that must be there, or must not, is told apart from one that is unknown.
func TestReadJSON_presence(t *testing.T) {
	for body, want := range map[string]string{
		`{"name":"x"}`:           "",
		`{}`:                     "name missing",
		`{"name":null}`:          "name wrong_type",
		`{"name":"x","id":null}`: "id forbidden",
		`{"id":7}`:               "id forbidden, name missing",
		`{"name":"x","other":1}`: "other unknown",
	} {
		var v struct {
			ID   json.RawMessage `json:"id" hallpass:"forbidden"`
			Name *string         `json:"name" hallpass:"required"`
		}
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		var got []string
		if err := hallpass.ReadJSON(httptest.NewRecorder(), r, &v); err != nil {
			refusal, _ := errors.AsType[*hallpass.Error](err)
			for _, f := range refusal.Fields {
				got = append(got, f.Field+" "+f.Code)
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

// What a program gets wrong in a route is told when the route is made, or answered with 500.
func TestHandler_mistakesOfARoute(t *testing.T) {
	a := newAPI(t, nil)
	serve := func(hallpass.Request[appClaims]) (hallpass.Answer, error) { return hallpass.Answer{Status: 42}, nil }
	for name, route := range map[string]hallpass.Route[appClaims]{
		"no Serve": {Pattern: "GET /x", Public: true},
		"rules for anybody": {Pattern: "GET /x", Public: true,
			Rules: []hallpass.Rule{hallpass.Self("id")}, Serve: serve},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: taken", name)
				}
			}()
			a.Handler(route)
		}()
	}
	failing := func(hallpass.Request[appClaims]) (hallpass.Answer, error) {
		return hallpass.Answer{}, &hallpass.Error{Code: "without a status"}
	}
	for name, f := range map[string]func(hallpass.Request[appClaims]) (hallpass.Answer, error){
		"answer": serve, "error": failing,
	} {
		w := routed(a, hallpass.Route[appClaims]{Pattern: "GET /x", Public: true, Serve: f}, "", "GET", "/x")
		if w.Code != 500 || !strings.Contains(w.Body.String(), `"internal"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// What surrounds the answer of a route sees the identity, and requests that have passed the checks
// only.
func TestHandler_around(t *testing.T) {
	a := newAPI(t, nil)
	var seen, served []string
	route := hallpass.Route[appClaims]{
		Pattern: "GET /posts/{id}", Parameters: []string{"page"}, Rules: []hallpass.Rule{hallpass.Self("id")},
		Around: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, subject, _ := strings.Cut(hallpass.BySubject[appClaims](r), " ")
				seen = append(seen, subject)
				if r.URL.RawQuery == "page=kept" {
					return
				}
				next.ServeHTTP(w, r)
			})
		},
		Serve: func(r hallpass.Request[appClaims]) (hallpass.Answer, error) {
			served = append(served, r.Identity.Subject+r.PathValue("id")+r.Query.Get("page"))
			if r.Query.Get("page") == "" {
				return hallpass.Answer{}, hallpass.ErrNotFound
			}
			return hallpass.Answer{Body: "text"}, nil
		},
	}
	token := a.login("alice").String(t, "access_token")
	for target, status := range map[string]int{
		"/posts/alice?page=1": 200, "/posts/alice": 404, "/posts/alice?page=kept": 200,
		"/posts/bob?page=kept": 403, "/posts/alice?other": 400,
	} {
		if w := routed(a, route, token, "GET", target); w.Code != status {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if w := routed(a, route, "", "GET", "/posts/alice?page=kept"); w.Code != 401 {
		t.Errorf("without a token: %d", w.Code)
	}
	slices.Sort(served)
	if !slices.Equal(seen, []string{"alice", "alice", "alice"}) ||
		!slices.Equal(served, []string{"alicealice", "alicealice1"}) {
		t.Errorf("seen %q, served %q", seen, served)
	}
}

// The identities for a cache differ between subjects, and with the token or with what was granted.
func TestByToken_andByGrant(t *testing.T) {
	a := newAPI(t, nil)
	keys := map[string][2]string{}
	of := func(name, token string) [2]string {
		handler := a.Optional()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			keys[name] = [2]string{hallpass.ByToken[appClaims](r), hallpass.ByGrant[appClaims](r)}
		}))
		r := httptest.NewRequest("GET", "/", nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		handler.ServeHTTP(httptest.NewRecorder(), r)
		return keys[name]
	}
	first := of("alice", a.login("alice").String(t, "access_token"))
	second := of("again", a.login("alice").String(t, "access_token"))
	bob := of("bob", a.login("bob").String(t, "access_token"))
	if first[0] == second[0] || first[1] != second[1] || bob[0] == first[0] || bob[1] == first[1] {
		t.Errorf("%q", keys)
	}
	if nobody := of("nobody", ""); nobody != [2]string{} {
		t.Errorf("nobody is %q", nobody)
	}
	public := hallpass.Route[appClaims]{
		Pattern: "GET /", Public: true,
		Around: func(http.Handler) http.Handler {
			return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if key := hallpass.ByToken[appClaims](r) + hallpass.ByGrant[appClaims](r); key != "" {
					t.Errorf("somebody on a public route is %q", key)
				}
			})
		},
		Serve: func(hallpass.Request[appClaims]) (hallpass.Answer, error) { return hallpass.Answer{}, nil },
	}
	routed(a, public, "", "GET", "/")
}
