package httpcache_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/httpcache"
)

// teller answers with all that it may depend on, and says so in Vary, in changing ways.
func teller(anyOrder bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		query := r.URL.RawQuery
		if anyOrder {
			query = r.URL.Query().Encode()
		}
		text := fmt.Sprintf("%s %s %s %s", r.Header.Get("User"), r.Host, r.URL.Path, query)
		switch len(text) % 3 { // not every answer names the same fields
		case 0:
			h.Add("Vary", "Accept-Language")
			text += " " + strings.Join(r.Header["Accept-Language"], "|")
		case 1:
			h.Add("Vary", "accept, Accept-Language")
			text += " " + r.Header.Get("Accept") + " " + strings.Join(r.Header["Accept-Language"], "|")
		}
		if r.URL.Path == "/secret" {
			h.Set("Cache-Control", "no-store")
		}
		if r.URL.Path == "/cookie" {
			h.Set("Set-Cookie", "for="+r.Header.Get("User"))
		}
		_, _ = w.Write([]byte(text))
	}
}

// sharer answers with what may be shared, and says so where it may not.
func sharer(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	text := fmt.Sprintf("%s %s %s", r.Host, r.URL.Path, r.URL.RawQuery)
	switch r.URL.Path {
	case "/":
		h.Set("Cache-Control", one("public", "max-age=60"))
	case "/a":
		h.Set("Cache-Control", "public")
		h.Set("Vary", "Authorization")
		text += " " + r.Header.Get("Authorization")
	case "/secret":
		h.Set("Cache-Control", "private, max-age=60")
		text += " " + r.Header.Get("User")
	case "/cookie":
		h.Set("Set-Cookie", "for="+r.Header.Get("User"))
	}
	_, _ = w.Write([]byte(text))
}

func one(of ...string) string { return of[rand.N(len(of))] }

// anyRequest is of a user with some roles, in any order of parameters.
func anyRequest() *http.Request {
	parameters := []string{"a=1", "b=2", "a=3"}
	rand.Shuffle(len(parameters), func(i, j int) { parameters[i], parameters[j] = parameters[j], parameters[i] })
	query := strings.Join(parameters[:rand.N(4)], "&")
	target := "http://" + one("one.example", "two.example") +
		one("/", "/a", "/%61", "/secret", "/cookie") + one("", "?"+query)
	r := httptest.NewRequest(one("GET", "GET", "GET", "HEAD", "POST"), target, nil)
	for range rand.N(2) {
		r.Header.Add("Accept-Language", one("en", "de"))
	}
	if rand.N(2) == 0 {
		r.Header.Set("Accept", one("text/html", "application/json"))
	}
	if name := one("alice", "bob", "alicebob", ""); name != "" {
		roles := []string{"user", "admin"}[:rand.N(3)]
		r.Header.Set("User", name+" "+strings.Join(roles, ","))
	}
	if rand.N(3) == 0 {
		r.Header.Set("Authorization", "Bearer "+one("x", "y"))
	}
	if rand.N(8) == 0 {
		r.Header.Set("Cache-Control", one("no-cache", "no-store", "max-age=0"))
	}
	return r
}

// Whatever is asked, in whatever order and by whom, the answer is that of the handler itself.
func TestCache_neverShowsWhatIsForAnother(t *testing.T) {
	for name, c := range map[string]struct {
		route   httpcache.Route
		handler http.HandlerFunc
	}{
		"private":   {httpcache.Route{StaleFor: time.Minute}, teller(false)},
		"any order": {httpcache.Route{StaleFor: time.Minute, AnyOrder: true}, teller(true)},
		"shared":    {httpcache.Route{StaleFor: time.Minute, Shared: true}, sharer},
	} {
		handler := c.handler
		c.route.Tags = func(r *http.Request) []string { return []string{user(r)} }
		f := newFixture(t, c.route, handler, func(c *httpcache.Config) { c.Store = httpcache.NewMemory(2 << 20) })
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for i := range 10_000 {
					r := anyRequest()
					got, want := httptest.NewRecorder(), httptest.NewRecorder()
					handler.ServeHTTP(want, r.Clone(context.Background()))
					f.handler.ServeHTTP(got, r)
					if r.Method != "HEAD" && got.Body.String() != want.Body.String() {
						t.Errorf("%s: %s %s %v\n got %s\nwant %s", name, r.Method, r.URL, r.Header, got.Body, want.Body)
						return
					}
					if got, want := got.Header()["Set-Cookie"], want.Header()["Set-Cookie"]; !slices.Equal(got, want) {
						t.Errorf("a cookie for %v, want %v", got, want)
					}
					if i%500 == 0 {
						f.clock.Advance(10 * time.Second)
						_ = f.cache.Invalidate(t.Context(), user(r))
					}
				}
			})
		}
		all.Wait()
		if calls := f.calls.Load(); calls > 36_000 {
			t.Errorf("%s: %d calls of 40,000: nothing was cached", name, calls)
		}
	}
}

// A flood of different requests takes no more memory than was said.
func TestMemory_isBounded(t *testing.T) {
	const most = 8 << 20
	f := newFixture(t, httpcache.Route{
		Tags: func(r *http.Request) []string { return []string{r.URL.RawQuery} },
	}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		_, _ = w.Write(make([]byte, rand.N(4096)))
	}, func(c *httpcache.Config) { c.Store = httpcache.NewMemory(most) })
	before := heap()
	for i := range 50_000 {
		f.do(fmt.Sprintf("GET /?%d", i), alice)
	}
	time.Sleep(100 * time.Millisecond) // it lets go in the background
	grown := heap() - before
	t.Logf("the heap has grown by %.1f MiB", float64(grown)/(1<<20))
	if grown > most*5/4 {
		t.Errorf("the heap has grown by %d bytes, where %d were allowed", grown, most)
	}
	runtime.KeepAlive(f)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
