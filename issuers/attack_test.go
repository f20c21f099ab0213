package issuers_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/attack"
	"github.com/hallpass-go/hallpass/internal/shapes"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// No forgery of the generator is accepted by any profile, but for what its comment gives up.
func TestIssuers_refuseForgeries(t *testing.T) {
	now := time.Now()
	tried := map[string]bool{}
	for _, s := range shapes.All(now) {
		profile := fmt.Sprintf("%s %+v", s.Trusted.Issuer, s.Trusted.Tokens)
		if tried[profile] {
			continue // another form of the same issuer's tokens
		}
		tried[profile] = true
		key := keys().own[s.Algorithm]
		target := attack.Target{
			Key: key.PrivateKey, Issuer: s.Claims["iss"].(string), Audience: s.Trusted.Audience, Now: now,
			Header: s.FullHeader(key.ID()), Claims: read(s),
		}
		v := s.Verifier(t, set(t, s))
		if _, err := v.Verify(t.Context(), target.Valid(t)); err != nil {
			t.Fatal(s.Name, err)
		}
		refused := 0
		for f := range target.Forgeries(t) {
			if _, err := v.Verify(t.Context(), f.Token); err != nil {
				refused++
			} else if !givesUp(s, f) {
				t.Errorf("%s: %s: %q was accepted", s.Name, f.Class, f.Name)
			}
		}
		t.Logf("%s: %d forgeries refused", s.Name, refused)
	}
}

// givesUp reports forgeries that a profile accepts, as its comment says: another type of token, an
// ID that is not there, claims that are optional, scopes and roles in the other form, or in a claim
// that it does not read, what is in "repository", which must only be there, and objects without
// roles.
func givesUp(s shapes.Shape, f attack.Forgery) bool {
	p := s.Trusted.Tokens
	if p == nil {
		return f.Class == "missing claim" && f.Name == "rev_seq"
	}
	claim, value, _ := strings.Cut(f.Name, " ")
	switch f.Class {
	case "typ":
		return slices.Contains(p.Types, strings.TrimPrefix(f.Name, "<nil>"))
	case "claims text":
		return claim == "JTI"
	case "missing claim":
		_, fixed := p.Values[claim]
		always := []string{"iss", "sub", "exp", "iat", cmp.Or(p.Audience, "aud"), p.Tenant}
		return !fixed && !slices.Contains(always, claim) && !slices.Contains(p.Required, claim)
	case "claim of a wrong type":
		isList := slices.Contains(p.Scopes, claim) || slices.Contains(p.Roles, claim)
		return isList && (value == "[]" || value == "in a list" || value == "in a string") ||
			slices.Contains(p.Scopes, claim) && value == "" ||
			(claim == "scope" || claim == "roles") && !isList ||
			claim == "nbf" && value == "1.5" || claim == "repository" ||
			strings.HasSuffix(claim, "_access") && strings.HasPrefix(value, "map")
	}
	return false
}

// read returns those claims of a shape that its profile reads. What is in the others is nobody's
// concern but the application's.
func read(s shapes.Shape) shapes.Members {
	p := s.Trusted.Tokens
	if p == nil {
		return s.Claims
	}
	names := slices.Concat(
		[]string{"iss", "sub", "exp", "iat", "nbf", "auth_time", cmp.Or(p.Audience, "aud"), cmp.Or(p.ID, "jti")},
		[]string{p.Session, p.Tenant}, p.Client, p.Scopes, p.Roles, p.Required, slices.Collect(maps.Keys(p.Values)),
	)
	claims := shapes.Members{}
	for _, name := range names {
		name, _, _ = strings.Cut(strings.TrimPrefix(name, "/"), "/")
		if value, ok := s.Claims[name]; ok {
			claims[name] = value
		}
	}
	return claims
}

// The published attack tokens are refused by each profile, even where it allows every algorithm and
// wants nothing but what all tokens have, so that it is not for those that they are refused.
func TestIssuers_refuseAttackTokens(t *testing.T) {
	dir := os.Getenv("HALLPASS_VECTORS")
	if dir == "" {
		missing(t, "vectors")
	}
	data, err := os.ReadFile(filepath.Join(dir, "attack-tokens/attack_tokens.json"))
	if err != nil {
		t.Fatal(err)
	}
	var corpus struct {
		Profile struct {
			Issuer, Audience string
			Now              int64
		}
		Keysets map[string]json.RawMessage
		Cases   []struct{ ID, Cls, Keyset, Expect, Token string }
	}
	if err := json.Unmarshal(data, &corpus); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Unix(corpus.Profile.Now, 0) }
	for _, s := range shapes.All(now()) {
		refused := 0
		for _, c := range corpus.Cases {
			keys, err := jwk.ParseSet(corpus.Keysets[c.Keyset])
			if err != nil {
				t.Fatal(err)
			}
			trusted := hallpass.TrustedIssuer{
				Issuer: corpus.Profile.Issuer, Audience: corpus.Profile.Audience, Keys: keys, Tokens: loose(s),
			}
			v, err := hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{
				Issuers: []hallpass.TrustedIssuer{trusted}, Now: now,
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = v.Verify(t.Context(), c.Token)
			if err == nil && c.Expect == "reject" && !isItsOwn(s, c.ID) {
				t.Errorf("%s: %s (%s) was accepted", s.Name, c.ID, c.Cls)
			} else if err != nil {
				refused++
			}
		}
		t.Logf("%s: %d of %d refused", s.Name, refused, len(corpus.Cases))
	}
}

// isItsOwn reports attack tokens that are written as a profile says: with another type, or with
// something odd in "jti" where the ID is in another claim.
func isItsOwn(s shapes.Shape, id string) bool {
	p := s.Trusted.Tokens
	return p != nil && (id == "typ-JWT" && slices.Contains(p.Types, "JWT") ||
		id == "typ-missing" && slices.Contains(p.Types, "") || id == "jti-array" && p.ID == "uti")
}

// loose returns the profile of a shape without what only its own tokens have.
func loose(s shapes.Shape) *jwt.Profile {
	if s.Trusted.Tokens == nil {
		return nil
	}
	p := *s.Trusted.Tokens
	p.Keys.Algorithms = []jwk.Algorithm{
		jwk.HS256, jwk.HS384, jwk.HS512, jwk.RS256, jwk.RS384, jwk.RS512, jwk.PS256, jwk.PS384, jwk.PS512,
		jwk.ES256, jwk.ES384, jwk.ES512, jwk.EdDSA, jwk.Ed25519,
	}
	p.Values, p.Required, p.Forbidden, p.Audience, p.Tenant = nil, nil, nil, "", ""
	p.Types = append(slices.Clone(p.Types), jwt.TypeAccess)
	return &p
}
