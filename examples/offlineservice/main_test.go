package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/hallpasstest"
)

// issuer is a server with those routes of hallpass serve that the example uses.
func issuer(t *testing.T) (*httptest.Server, *hallpass.Auth[struct{}], *hallpasstest.Kit[struct{}]) {
	t.Helper()
	kit := hallpasstest.New[struct{}](t)
	auth := kit.Auth(hallpass.Config[struct{}]{})
	mux := http.NewServeMux()
	mux.Handle("GET /.well-known/jwks.json", auth.JWKS())
	mux.Handle("GET /v1/revocations", auth.RevocationPages())
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server, auth, kit
}

func hi(t *testing.T, address, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+address+"/hello", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestService(t *testing.T) {
	server, auth, kit := issuer(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, listener, server.URL, kit.Issuer, kit.Audience) }()
	address := listener.Addr().String()

	start := func() hallpass.Tokens {
		tokens, err := auth.StartSession(t.Context(), "alice", hallpass.Client{})
		if err != nil {
			t.Fatal(err)
		}
		return tokens
	}
	first := start()
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) { // until the feed has answered
		if status, _ := hi(t, address, first.AccessToken); status == http.StatusOK {
			break
		}
		if time.Since(begun) > 10*time.Second {
			t.Fatal("never let in")
		}
	}
	for reason, token := range kit.Refused("alice") {
		if status, text := hi(t, address, token); status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", reason, status, text)
		}
	}
	var took []time.Duration
	for range 10 {
		tokens := start()
		if status, text := hi(t, address, tokens.AccessToken); status != http.StatusOK {
			t.Fatalf("%d %s", status, text)
		}
		if err := auth.RevokeSession(t.Context(), tokens.SessionID); err != nil {
			t.Fatal(err)
		}
		revoked := time.Now()
		for status := http.StatusOK; status == http.StatusOK; {
			time.Sleep(5 * time.Millisecond)
			status, _ = hi(t, address, tokens.AccessToken)
			if time.Since(revoked) > 10*time.Second {
				t.Fatal("still let in")
			}
		}
		took = append(took, time.Since(revoked))
	}
	slices.Sort(took)
	t.Logf("refused after %v at the latest", took[len(took)-1])
	// Use the median, in case the machine is busy.
	if took[len(took)/2] > 1500*time.Millisecond {
		t.Errorf("refused after %v", took)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
