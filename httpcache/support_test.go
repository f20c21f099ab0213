package httpcache_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/httpcache"
)

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fixture is a handler behind a cache. Who asks stands in the field User, which only the tests trust.
type fixture struct {
	t       testing.TB
	cache   *httpcache.Cache
	clock   *clock
	calls   atomic.Int64 // of the handler
	handler http.Handler
}

func user(r *http.Request) string { return r.Header.Get("User") }

func newFixture(t testing.TB, route httpcache.Route, h http.HandlerFunc, change ...func(*httpcache.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	c := httpcache.Config{Identity: user, TTL: time.Minute, Now: f.clock.Now}
	for _, change := range change {
		change(&c)
	}
	var err error
	if f.cache, err = httpcache.New(c); err != nil {
		t.Fatal(err)
	}
	f.handler = f.cache.Route(route)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.calls.Add(1)
		h(w, r)
	}))
	return f
}

// do sends a request: "GET /path", and header lines.
func (f *fixture) do(request string, headers ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	method, target, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, target, nil)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

func (f *fixture) wantCalls(n int64) {
	f.t.Helper()
	if got := f.calls.Load(); got != n {
		f.t.Errorf("the handler was called %d times, want %d", got, n)
	}
}

// counted answers with how often it was called.
func counted() http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "answer %d", n.Add(1)) }
}

const alice, bob = "User: alice", "User: bob"
