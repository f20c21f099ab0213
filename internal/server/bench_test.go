package server_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hallpass-go/hallpass/internal/server"
)

// discard is a response that costs as little as one can.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkEnvelope is what the server adds to a request beside its socket: of GET /v1/verify,
// whose authentication is remembered, and of GET /healthz, which has none.
func BenchmarkEnvelope(b *testing.B) {
	for _, log := range []struct {
		name    string
		handler slog.Handler
	}{
		{"log", slog.NewTextHandler(io.Discard, nil)},
		{"silent", slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError})},
	} {
		f := newFixture(b, options{config: func(c *server.Config) { c.Log = slog.New(log.handler) }})
		alice := f.join("alice")
		for _, path := range []string{"/v1/verify", "/healthz"} {
			b.Run(log.name+path, func(b *testing.B) {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				r.Header.Set("Authorization", "Bearer "+alice.access)
				b.ReportAllocs()
				for b.Loop() {
					f.server.Handler().ServeHTTP(discard{http.Header{}}, r)
				}
			})
		}
	}
}

// BenchmarkRefresh is a refresh with all that is written of it, one after the other.
func BenchmarkRefresh(b *testing.B) {
	f := newFixture(b, options{config: func(c *server.Config) { c.Log = slog.New(slog.DiscardHandler) }})
	token := f.join("alice").refresh
	b.ReportAllocs()
	for b.Loop() {
		token = f.do("POST /v1/refresh", `{"refresh_token":"`+token+`"}`).want(http.StatusOK, "").str("refresh_token")
	}
}
