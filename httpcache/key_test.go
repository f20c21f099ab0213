package httpcache_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/httpcache"
)

// Requests that a handler can tell apart have answers of their own, also if they look alike when
// their parts are written one after the other.
func TestKey_tellsRequestsApart(t *testing.T) {
	get := func(host, path, who string) *http.Request {
		r := httptest.NewRequest("GET", path, nil)
		r.Host = host
		r.Header.Set("User", who)
		return r
	}
	with := func(r *http.Request, fields ...string) *http.Request {
		for _, f := range fields {
			name, value, _ := strings.Cut(f, "=")
			r.Header.Add(name, value)
		}
		return r
	}
	rewritten := get("one.example", "/a", "alice")
	rewritten.URL.Path = "/b"
	stripped := get("one.example", "/v1/a", "alice")
	stripped.URL.Path = "/a"
	escaped := get("one.example", "/a%2Fb", "alice")
	escaped.RequestURI = "/a/b"
	all := []*http.Request{
		get("one.example", "/a", "alice"), get("two.example", "/a", "alice"), get("one.example", "/a", "bob"),
		get("ab.example", "/a", "x"), get("b.example", "/a", "xa"),
		rewritten, stripped, escaped, get("one.example", "/a/b", "alice"),
		with(get("one.example", "/vary", "alice"), "A=1", "A=B"),
		with(get("one.example", "/vary", "alice"), "A=1", "B=B"),
		with(get("one.example", "/vary", "alice"), "A=1B"),
	}
	show := func(r *http.Request) string {
		return fmt.Sprint(r.Host, r.RequestURI, r.URL, r.Header["User"], r.Header["A"], r.Header["B"])
	}
	f := newFixture(t, httpcache.Route{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/vary" {
			w.Header().Set("Vary", "A, B")
		}
		fmt.Fprint(w, show(r))
	})
	for range 2 {
		for _, r := range all {
			w := httptest.NewRecorder()
			f.handler.ServeHTTP(w, r)
			if got := w.Body.String(); got != show(r) {
				t.Errorf("%s gets what is for %s", show(r), got)
			}
		}
	}
	f.wantCalls(int64(len(all)))
}

// Two routes of one cache share nothing, even for the same request.
func TestRoute_sharesNothingWithAnother(t *testing.T) {
	f := newFixture(t, httpcache.Route{}, counted())
	first := f.handler
	f.handler = f.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("other"))
	}))
	if got := f.do("GET /", alice).Body.String(); got != "other" {
		t.Error(got)
	}
	f.handler = first
	if got := f.do("GET /", alice).Body.String(); got != "answer 1" {
		t.Error(got)
	}
}

// What surrounds the cache sets its own fields for each request; they are not kept.
func TestMiddleware_keepsNoFieldsOfOthers(t *testing.T) {
	f := newFixture(t, httpcache.Route{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Both", "handler")
		w.Header().Set("Mine", "handler")
	})
	inner, n := f.handler, 0
	f.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("X-Request-Id", fmt.Sprint(n))
		w.Header().Set("Both", "outer")
		inner.ServeHTTP(w, r)
	})
	for i := range 3 {
		h := f.do("GET /", alice).Header()
		if h.Get("X-Request-Id") != fmt.Sprint(i+1) || h.Get("Mine") != "handler" || len(h["Both"]) != 2 {
			t.Errorf("request %d: %v", i+1, h)
		}
	}
	f.wantCalls(1)
}
