package sqlstore_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/sessions"
	"github.com/hallpass-go/hallpass/sqlstore"
)

// A program that keeps its sessions in a database accepts no token after a restart until
// [hallpass.Auth.Run] has read the revocations. Until then it answers that the store is
// unavailable.
func TestAuth_acceptsNothingBeforeTheRevocationsAreRead(t *testing.T) {
	for name, fresh := range databases {
		t.Run(name, func(t *testing.T) { acceptsNothingBeforeTheRevocationsAreRead(t, fresh(t)) })
	}
}

func acceptsNothingBeforeTheRevocationsAreRead(t *testing.T, url string) {
	keys, err := jwk.OpenFile(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	start := func() *hallpass.Auth[struct{}] {
		t.Helper()
		store, err := sqlstore.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		auth, err := hallpass.New(hallpass.Config[struct{}]{
			Issuer: "https://issuer.test", Audience: "api", Keys: keys, Store: store,
		})
		if err != nil {
			t.Fatal(err)
		}
		return auth
	}
	before := start()
	tokens, err := before.StartSession(t.Context(), "alice", sessions.Client{})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := before.StartSession(t.Context(), "bob", sessions.Client{})
	if err != nil {
		t.Fatal(err)
	}
	if err := before.RevokeSubject(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	after := start()
	if _, err := after.Verify(t.Context(), tokens.AccessToken); !errors.Is(err, hallpass.ErrStoreUnavailable) {
		t.Errorf("before Run: %v, want ErrStoreUnavailable", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); after.Run(ctx) }()
	defer func() { stop(); <-stopped }()
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		if _, err = after.Verify(t.Context(), kept.AccessToken); err == nil || time.Since(begin) > 10*time.Second {
			break
		}
	}
	if err != nil {
		t.Errorf("a living token, after Run: %v", err)
	}
	if _, err := after.Verify(t.Context(), tokens.AccessToken); !errors.Is(err, hallpass.ErrTokenRevoked) {
		t.Errorf("a revoked token, after Run: %v, want ErrTokenRevoked", err)
	}
	// Tokens that another process revokes while the program runs are refused too.
	if err := before.RevokeSession(t.Context(), kept.SessionID); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if _, err = after.Verify(t.Context(), kept.AccessToken); err != nil || time.Since(begin) > 10*time.Second {
			break
		}
	}
	if !errors.Is(err, hallpass.ErrTokenRevoked) {
		t.Errorf("what another process revoked: %v, want ErrTokenRevoked", err)
	}
}
