package jwt_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// vectors returns the folder of published vectors, or skips the test when there is none.
func vectors(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("HALLPASS_VECTORS")
	if dir == "" {
		if slices.Contains(strings.Split(os.Getenv("HALLPASS_TEST_REQUIRE"), ","), "vectors") {
			t.Fatal("HALLPASS_VECTORS is not set, and HALLPASS_TEST_REQUIRE wants vectors")
		}
		t.Skip("HALLPASS_VECTORS is not set: no published vectors")
	}
	return dir
}

func readVectors(t *testing.T, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(vectors(t), name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func TestVerify_attackTokens(t *testing.T) {
	var corpus struct {
		Profile struct {
			Issuer, Audience string
			Now              int64
			LeewaySeconds    int64 `json:"leeway_seconds"`
			MaxLifetime      int64 `json:"max_lifetime_seconds"`
		}
		Keysets map[string]json.RawMessage
		Cases   []struct{ ID, Cls, Keyset, Expect, Token string }
	}
	readVectors(t, "attack-tokens/attack_tokens.json", &corpus)
	verifiers := map[string]*jwt.Verifier{}
	for name, text := range corpus.Keysets {
		set, err := jwk.ParseSet(text)
		if err != nil {
			t.Fatal(err)
		}
		if verifiers[name], err = jwt.NewVerifier(jwt.Config{
			Issuer: corpus.Profile.Issuer, Audience: corpus.Profile.Audience, Keys: set,
			Leeway:      time.Duration(corpus.Profile.LeewaySeconds) * time.Second,
			MaxLifetime: time.Duration(corpus.Profile.MaxLifetime) * time.Second,
		}); err != nil {
			t.Fatal(err)
		}
	}
	counts := map[string]int{}
	for _, c := range corpus.Cases {
		claims, err := verifiers[c.Keyset].Verify(t.Context(), c.Token, time.Unix(corpus.Profile.Now, 0), nil)
		accepted := err == nil
		if accepted && c.Expect == "reject" || !accepted && c.Expect == "accept" {
			t.Errorf("%s (%s): expected to %s, got %v", c.ID, c.Cls, c.Expect, err)
		}
		if c.Expect == "policy" {
			t.Logf("policy %s: %v", c.ID, err)
		}
		if accepted && claims.Subject != "user-1" {
			t.Errorf("%s: subject %q", c.ID, claims.Subject)
		}
		counts[c.Expect]++
	}
	t.Logf("cases run: %v", counts)
}
