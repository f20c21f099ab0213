package hallpass_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
)

// scoped is an API whose subjects have two scopes.
func scoped(t *testing.T, now func() time.Time) *hallpass.Auth[struct{}] {
	t.Helper()
	keys, err := jwk.OpenFile(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := hallpass.New(hallpass.Config[struct{}]{
		Issuer: "https://issuer.test", Audience: "api", Keys: keys, Now: now, AccessTTL: time.Hour,
		Authorize: func(context.Context, string) (hallpass.Grant[struct{}], error) {
			return hallpass.Grant[struct{}]{Scopes: []string{"read", "write"}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A refresh with fewer scopes gives these; the next without any gives all again (RFC 6749 §6).
func TestRefreshNarrowed_givesFewerScopesNeverMore(t *testing.T) {
	now := time.Now()
	a := scoped(t, func() time.Time { return now })
	tokens, err := a.StartSession(t.Context(), "alice", hallpass.Client{})
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{{"admin"}, {"read", "admin"}, {""}} {
		_, err := a.RefreshNarrowed(t.Context(), tokens.RefreshToken, more, hallpass.Client{})
		if !errors.Is(err, hallpass.ErrInsufficientScope) {
			t.Errorf("%q: %v", more, err)
		}
	}
	now = now.Add(time.Hour) // longer than the grace: a refused request has used nothing
	for _, c := range []struct{ asked, want []string }{
		{[]string{"write"}, []string{"write"}}, {nil, []string{"read", "write"}},
	} {
		if tokens, err = a.RefreshNarrowed(t.Context(), tokens.RefreshToken, c.asked, hallpass.Client{}); err != nil {
			t.Fatal(err)
		}
		id, err := a.Verify(t.Context(), tokens.AccessToken)
		if err != nil || !slices.Equal(id.Scopes, c.want) || !slices.Equal(tokens.Scopes, c.want) {
			t.Errorf("asked for %q: %q and %q (%v)", c.asked, id.Scopes, tokens.Scopes, err)
		}
	}
}

// A client's token has what prove says, and lives for 15 minutes at most, whatever AccessTTL is.
func TestClientToken_isOfTheClientAlone(t *testing.T) {
	now := time.Now()
	a := scoped(t, func() time.Time { return now })
	prove := func(context.Context) (string, []string, error) { return "client-1", []string{"read"}, nil }
	tokens, err := a.ClientToken(t.Context(), hallpass.Client{}, prove)
	if err != nil || tokens.RefreshToken != "" || tokens.SessionID != "" || tokens.ExpiresIn != 15*time.Minute {
		t.Fatalf("%+v, %v", tokens, err)
	}
	id, err := a.Verify(t.Context(), tokens.AccessToken)
	if err != nil || id.Subject != "client-1" || id.ClientID != "client-1" || id.SessionID != "" || len(id.Roles) > 0 ||
		!slices.Equal(id.Scopes, []string{"read"}) || !id.AuthTime.IsZero() {
		t.Errorf("%+v, %v", id, err)
	}
	wrong := errors.New("a wrong secret")
	_, err = a.ClientToken(t.Context(), hallpass.Client{}, func(context.Context) (string, []string, error) {
		return "client-1", nil, wrong
	})
	if !errors.Is(err, wrong) {
		t.Errorf("a wrong secret: %v", err)
	}
	if err := a.RevokeAccess(t.Context(), "client-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Verify(t.Context(), tokens.AccessToken); !errors.Is(err, hallpass.ErrTokenRevoked) {
		t.Errorf("after the revocation: %v", err)
	}
}

func TestIdentify_findsVerifiesAndAppliesRules(t *testing.T) {
	a := scoped(t, time.Now)
	tokens, err := a.StartSession(t.Context(), "alice", hallpass.Client{})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	if _, err := a.Identify(r); !errors.Is(err, hallpass.ErrTokenMissing) {
		t.Errorf("without a token: %v", err)
	}
	r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
	if id, err := a.Identify(r, hallpass.Scope("read")); err != nil || id.Subject != "alice" {
		t.Errorf("%+v, %v", id, err)
	}
	if _, err := a.Identify(r, hallpass.Scope("admin")); !errors.Is(err, hallpass.ErrInsufficientScope) {
		t.Errorf("without the scope: %v", err)
	}
	r.Header.Set("Authorization", "Bearer "+tokens.AccessToken+"A")
	if id, err := a.Identify(r); !errors.Is(err, hallpass.ErrTokenInvalid) || id.Subject != "" {
		t.Errorf("a forged token: %+v, %v", id, err)
	}
}
