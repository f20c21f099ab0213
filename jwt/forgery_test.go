package jwt_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
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

// What a token is refused for is what is wrong with it first: a bad signature is not hidden by an
// expiry. CVE-2024-51744.
func TestVerify_forgedAndExpiredIsForged(t *testing.T) {
	key, source := pair(t, jwk.ES256)
	v := newVerifier(t, source)
	c := usual()
	token := sign(t, key, c)
	if _, err := v.Verify(t.Context(), token, c.ExpiresAt.Add(1), nil); !errors.Is(err, jwt.ErrExpired) {
		t.Errorf("expired: %v", err)
	}
	if _, err := v.Verify(t.Context(), token[:len(token)-8]+"AAAAAAAA", c.ExpiresAt.Add(1), nil); !errors.Is(
		err,
		jwt.ErrSignature,
	) {
		t.Errorf("forged and expired: %v", err)
	}
}

// J5: whatever a token says of where its key is, nobody is asked for it (RFC 7515 §10.3, RFC
// 8725bis §3.10).
func TestVerify_fetchesNothing(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	b := newBench(t, jwk.ES256)
	for _, parameter := range []string{"jku", "x5u", "kid", "iss"} {
		url := `"` + server.URL + `/keys"`
		_, _ = b.verify(t, with(b.header, parameter, url), with(b.payload, parameter, url)) // taken or not
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// J24: an access token says that it is one, and has all that one must have (RFC 9068 §2.2, §4).
func TestVerify_wantsAWholeAccessToken(t *testing.T) {
	b := newBench(t, jwk.RS256) // which every verifier must support
	if _, err := b.verify(t, b.header, b.payload); err != nil {
		t.Fatal(err)
	}
	for _, claim := range []string{"iss", "exp", "aud", "sub", "iat", "jti"} {
		if _, err := b.verify(t, b.header, with(b.payload, claim, "")); !errors.Is(err, jwt.ErrClaims) {
			t.Errorf("without %s: %v", claim, err)
		}
	}
	for _, typ := range []string{"", `"JWT"`, `"id_token+jwt"`} {
		if _, err := b.verify(t, with(b.header, "typ", typ), b.payload); err == nil {
			t.Errorf("typ %s: taken", typ)
		}
	}
}
