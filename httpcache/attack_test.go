package httpcache_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/httpcache"
)

// Over sockets, with clients of which half hang up, those who stay get their own answer, and nothing
// goes on afterwards.
func TestCache_whileClientsHangUp(t *testing.T) {
	before := runtime.NumGoroutine()
	f := newFixture(t, httpcache.Route{}, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(5 * time.Millisecond):
			fmt.Fprintf(w, "%s %s", user(r), r.URL.Path)
		case <-r.Context().Done():
			fmt.Fprint(w, "stopped")
		}
	}, func(c *httpcache.Config) { c.TTL, c.Now = 20*time.Millisecond, nil })
	server := httptest.NewServer(f.handler)
	var served atomic.Int64
	var all sync.WaitGroup
	for worker := range 32 {
		all.Go(func() {
			for range 100 {
				who, path := fmt.Sprintf("user%d", worker%2), fmt.Sprintf("/%d", rand.N(3))
				patience := time.Minute
				if rand.N(2) == 0 {
					patience = rand.N(8 * time.Millisecond)
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				text, err := ask(ctx, server.URL+path, who)
				cancel()
				switch {
				case err == nil && text == who+" "+path:
					served.Add(1)
				case err == nil || patience == time.Minute:
					t.Errorf("%s at %s got %q, %v", who, path, text, err)
				}
			}
		})
	}
	all.Wait()
	http.DefaultClient.CloseIdleConnections()
	server.Close()
	if served.Load() < 1600 || f.calls.Load() > served.Load() {
		t.Errorf("%d were served by %d calls", served.Load(), f.calls.Load())
	}
	for range 200 {
		if runtime.NumGoroutine() <= before+2 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, before %d", runtime.NumGoroutine(), before)
}

func ask(ctx context.Context, url, who string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("User", who)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	return string(text), err
}

// FuzzMiddleware sends whatever fields and lets the handler answer with whatever fields. What comes
// back is what the handler says, or that the client has it.
func FuzzMiddleware(f *testing.F) {
	f.Add("a=1&b=2", `"a", W/"b"`, "max-age=0", "en", "Accept, *", `private="x", s-maxage=5`, `"a,b"`)
	f.Add("%zz;", `"`, "no-cache", "", "accept-language", "public, max-age=99999999999999999999", "W/")
	f.Add("", "*", "only-if-cached", "", ",,", "=,;", "")
	f.Fuzz(func(t *testing.T, query, match, asked, language, vary, control, etag string) {
		for _, shared := range []bool{false, true} {
			route := httpcache.Route{Shared: shared, AnyOrder: true, KeepNoCache: true}
			c := newFixture(t, route, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Vary", vary)
				w.Header().Set("Cache-Control", control)
				if etag != "" {
					w.Header().Set("ETag", etag)
				}
				fmt.Fprint(w, r.URL.Query().Encode())
			})
			for _, who := range []string{"alice", "bob", "alice"} {
				r := httptest.NewRequest("GET", "/", nil)
				r.URL.RawQuery = query
				for name, value := range map[string]string{
					"If-None-Match": match, "Cache-Control": asked, "Accept-Language": language, "User": who,
				} {
					r.Header.Set(name, value)
				}
				w := httptest.NewRecorder()
				c.handler.ServeHTTP(w, r)
				switch {
				case w.Code == 200 && w.Body.String() == r.URL.Query().Encode():
				case w.Code == 304 && match != "" && w.Body.Len() == 0:
				case w.Code == 504 && strings.Contains(strings.ToLower(asked), "only-if-cached"):
				default:
					t.Errorf("%d %q", w.Code, w.Body)
				}
			}
			if hasNoStore(control) && c.calls.Load() > 0 && c.calls.Load() != 3 {
				t.Errorf("kept with %q", control)
			}
		}
	})
}

// hasNoStore reports whether no-store is one of the directives.
func hasNoStore(control string) bool {
	for part := range strings.SplitSeq(strings.ToLower(control), ",") {
		if strings.TrimSpace(part) == "no-store" {
			return true
		}
	}
	return false
}
