package httpcache_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/httpcache"
)

// discard is a response that costs as little as one can.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkHit is an answer from memory, without a socket, beside a handler that sets the same fields
// and writes the same bytes. bench/requests compares whole requests.
func BenchmarkHit(b *testing.B) {
	text := make([]byte, 200)
	c, err := httpcache.New(httpcache.Config{TTL: time.Hour, Identity: user})
	if err != nil {
		b.Fatal(err)
	}
	kept := c.Route(httpcache.Route{Tags: func(*http.Request) []string { return []string{"a", "b"} }})
	for name, handler := range map[string]http.Handler{
		"bare": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			h := w.Header()
			h.Set("Age", "0")
			h.Set("Cache-Control", "private, no-cache")
			h.Set("Cache-Status", "hallpass; hit; ttl=3599")
			h.Set("Content-Length", "200")
			h.Set("Content-Type", "application/json")
			h.Set("Date", "Fri, 02 Jan 2026 03:04:05 GMT")
			h.Set("ETag", `"FlC4Y5c6rmg9yl0pN5dPTg"`)
			_, _ = w.Write(text)
		}),
		"cache": kept(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) })),
	} {
		r := httptest.NewRequest("GET", "/v1/users/06h0co5862doud16l5g4egmsfg?x=1", nil)
		r.Header.Set("User", "alice")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(discard{http.Header{}}, r)
			}
		})
	}
}
