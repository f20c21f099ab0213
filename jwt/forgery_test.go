package jwt_test

import (
	"errors"
	"testing"

	"github.com/hallpass-go/hallpass/internal/attack"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// What nobody may take, made anew in each run for a key of each family.
func TestVerify_forgeries(t *testing.T) {
	for _, alg := range []jwk.Algorithm{jwk.HS256, jwk.RS256, jwk.PS384, jwk.ES256, jwk.ES512, jwk.EdDSA} {
		t.Run(string(alg), func(t *testing.T) {
			t.Parallel()
			key, source := pair(t, alg)
			v := newVerifier(t, source)
			target := attack.Target{Key: key, Issuer: issuer, Audience: audience, Now: at}
			if _, err := v.Verify(t.Context(), target.Valid(t), at, nil); err != nil {
				t.Fatalf("the token that the forgeries are made from: %v", err)
			}
			classes := map[string]int{}
			for f := range target.Forgeries(t) {
				if claims, err := v.Verify(t.Context(), f.Token, at, nil); err == nil || claims.Subject != "" {
					t.Errorf("%s, %s: taken: %.400s", f.Class, f.Name, f.Token)
				}
				classes[f.Class]++
			}
			if _, err := v.Verify(t.Context(), target.Valid(t), at, nil); err != nil {
				t.Errorf("after all of them the valid token: %v", err)
			}
			t.Log(classes)
		})
	}
}

// What a token is refused for is what is wrong with it first: a bad signature is not hidden by an expiry. CVE-2024-51744.
func TestVerify_forgedAndExpiredIsForged(t *testing.T) {
	key, source := pair(t, jwk.ES256)
	v := newVerifier(t, source)
	c := usual()
	token := sign(t, key, c)
	if _, err := v.Verify(t.Context(), token, c.ExpiresAt.Add(1), nil); !errors.Is(err, jwt.ErrExpired) {
		t.Errorf("expired: %v", err)
	}
	if _, err := v.Verify(t.Context(), token[:len(token)-8]+"AAAAAAAA", c.ExpiresAt.Add(1), nil); !errors.Is(err, jwt.ErrSignature) {
		t.Errorf("forged and expired: %v", err)
	}
}
