package hallpass_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// hidden is embedded by claims; encoding/json fills its exported members all the same.
type hidden struct {
	Tags []string `json:"tags"`
}

// Shown is embedded by its exported name.
type Shown struct {
	Tags []string `json:"tags"`
}

// inner decodes itself into a member that nobody sees.
type inner struct{ tags []string }

func (i *inner) UnmarshalJSON(text []byte) error { return json.Unmarshal(text, &i.tags) }
func (i inner) MarshalJSON() ([]byte, error)     { return json.Marshal(i.tags) }

// level decodes itself, and holds nothing that could be shared.
type level int

func (l *level) UnmarshalJSON(text []byte) error { *l = level(len(text)); return nil }
func (l level) MarshalJSON() ([]byte, error) {
	return json.Marshal(strings.Repeat("x", max(int(l)-2, 0)))
}

type (
	withHidden struct{ hidden }
	withShown  struct{ Shown }
	withInner  struct {
		Inner inner `json:"inner"`
	}
	withPointer struct {
		Inner *inner `json:"inner"`
	}
	withMapOf struct {
		Inner map[string][]inner `json:"inner"`
	}
	withBig struct {
		Big *big.Int `json:"big"`
	}
	withRaw struct {
		Raw json.RawMessage `json:"raw"`
		Any any             `json:"any"`
	}
	withPlain struct {
		At    time.Time        `json:"at"`
		Level level            `json:"level"`
		Names [2][]string      `json:"names"`
		Map   map[string][]int `json:"map"`
	}
)

// What one request writes to the claims that it got never shows in the next, whatever T is; the
// race detector sees the requests write at once. Of a T that can be copied the token is remembered,
// too.
func TestRemember_nothingIsShared(t *testing.T) {
	shared(t, withHidden{hidden{[]string{"a"}}}, false, func(c *withHidden) { c.Tags[0] += "x" })
	shared(t, withShown{Shown{[]string{"a"}}}, true, func(c *withShown) { c.Tags[0] += "x" })
	shared(t, withInner{inner{[]string{"a"}}}, false, func(c *withInner) { c.Inner.tags[0] += "x" })
	shared(t, withPointer{&inner{[]string{"a"}}}, false, func(c *withPointer) { c.Inner.tags[0] += "x" })
	shared(t, withMapOf{map[string][]inner{"a": {{[]string{"a"}}}}}, false,
		func(c *withMapOf) { c.Inner["a"][0].tags[0] += "x" })
	shared(t, withBig{big.NewInt(7)}, false, func(c *withBig) { c.Big.Add(c.Big, c.Big) })
	shared(t, withRaw{json.RawMessage(`[1]`), map[string]any{"a": []any{"b"}}}, true, func(c *withRaw) {
		c.Raw[1]++
		c.Any.(map[string]any)["a"].([]any)[0] = "x"
	})
	shared(
		t,
		withPlain{time.Unix(1, 0).UTC(), 3, [2][]string{{"a"}, {"b"}}, map[string][]int{"a": {1}}},
		true,
		func(c *withPlain) {
			c.Names[0][0] += "x"
			c.Map["a"][0]++
			c.At, c.Level = c.At.Add(time.Hour), c.Level+1
		},
	)
}

// A request with a known token gets its copy of the claims in three pieces of memory: the lists of
// the registered claims, T, and the list in T.
func TestRemember_copiesClaimsWithThreeAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates, too")
	}
	type own struct {
		Plan   string   `json:"plan"`
		Tenant int64    `json:"tenant"`
		Teams  []string `json:"teams"`
	}
	v, token := remembering(t, own{"gold", 42, []string{"red", "blue"}})
	allocations := testing.AllocsPerRun(100, func() {
		if id, err := v.Verify(t.Context(), token); err != nil || len(id.Custom.Teams) != 2 {
			t.Fatal(id.Custom, err)
		}
	})
	if allocations > 3 {
		t.Errorf("%v allocations for a known token", allocations)
	}
}

func shared[T any](t *testing.T, custom T, remembered bool, write func(*T)) {
	t.Helper()
	v, token := remembering(t, custom)
	text := func(id hallpass.Identity[T]) string {
		encoded, err := json.Marshal(id.Custom)
		if err != nil {
			t.Error(err)
		}
		return string(encoded)
	}
	first, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	want := text(first)
	done := make(chan struct{})
	for range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 50 {
				id, err := v.Verify(t.Context(), token)
				if err != nil {
					t.Error(err)
					return
				}
				if got := text(id); got != want {
					t.Errorf("%T: got %s, want %s", custom, got, want)
				}
				write(&id.Custom)
			}
		}()
	}
	for range 4 {
		<-done
	}
	if got := v.Remembered().Tokens > 0; got != remembered {
		t.Errorf("%T: remembered %v, want %v", custom, got, remembered)
	}
}

// remembering returns a verifier that remembers, and a token with these claims.
func remembering[T any](t *testing.T, custom T) (*hallpass.Verifier[T], string) {
	t.Helper()
	key, err := jwk.Generate(jwk.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwk.NewSet(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	v, err := hallpass.NewVerifier[T](
		hallpass.VerifierConfig{Issuer: "https://issuer.test", Audience: "api", Keys: set},
	)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	token, err := jwt.Sign(key, jwt.TypeAccess, jwt.Claims{
		Issuer: "https://issuer.test", Subject: "alice", Audience: []string{"api"}, ID: "1", IssuedAt: now,
		ExpiresAt: now.Add(time.Hour),
	}, custom)
	if err != nil {
		t.Fatal(err)
	}
	return v, token
}
