package main

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/jwk"
)

func TestIssuer_isWhereTheServerListensOnLoopback(t *testing.T) {
	for _, c := range []struct{ addr, cert, given, listening, want string }{
		{"127.0.0.1:8080", "", "", "127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"127.0.0.1:0", "", "", "127.0.0.1:43210", "http://127.0.0.1:43210"},
		{"127.0.0.1:9000", "cert.pem", "", "127.0.0.1:9000", "https://127.0.0.1:9000"},
		{"localhost:9000", "", "", "127.0.0.1:9000", "http://localhost:9000"},
		{"[::1]:9000", "", "", "[::1]:9000", "http://[::1]:9000"},
		{"127.0.0.1:http-alt", "", "", "127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"127.0.0.1:9000", "", "https://auth.example", "127.0.0.1:9000", "https://auth.example"},
		{":9000", "", "", "[::]:9000", ""},
		{"192.0.2.7:9000", "", "", "192.0.2.7:9000", ""},
	} {
		s := serveSettings{Addr: c.addr, TLSCert: c.cert, tokenSettings: tokenSettings{Issuer: c.given}}
		if got := s.issuer(c.listening); got != c.want {
			t.Errorf("--addr %s, listening on %s: %q, want %q", c.addr, c.listening, got, c.want)
		}
	}
}

// An older version let a server sign with a secret. Such a database is refused at the start.
func TestServe_refusesADatabaseThatSignsWithASecret(t *testing.T) {
	all := &commands{Data: t.TempDir()}
	for _, c := range []struct {
		algorithm jwk.Algorithm
		refused   bool
	}{{jwk.ES256, false}, {jwk.HS256, true}} {
		all.Data = filepath.Join(t.TempDir(), "data")
		in, err := all.open(t.Context(), openOptions{algorithm: c.algorithm})
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if err := in.signsForOthers(t.Context()); (err != nil) != c.refused ||
			err != nil && !strings.Contains(err.Error(), "--data") {
			t.Errorf("%s: %v", c.algorithm, err)
		}
	}
}

// Whoever starts a server as another issuer than before is told what that means, once.
func TestRemember_warnsOfAnotherIssuer(t *testing.T) {
	all := &commands{Data: t.TempDir()}
	for i, c := range []struct {
		issuer, audience string
		warns            bool
	}{
		{"http://127.0.0.1:8080", "", false}, {"http://127.0.0.1:8080", "", false},
		{"http://127.0.0.1:9000", "", true}, {"http://127.0.0.1:9000", "api", true},
		{"http://127.0.0.1:9000", "api", false},
	} {
		var log bytes.Buffer
		all.remember(tokenSettings{Issuer: c.issuer, Audience: c.audience}, slog.New(slog.NewTextHandler(&log, nil)))
		if got := strings.Contains(log.String(), "issuer_before="); got != c.warns {
			t.Errorf("start %d: %s", i, log.Bytes())
		}
	}
}
