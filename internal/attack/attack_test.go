package attack_test

import (
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/attack"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

func newTarget(t *testing.T, alg jwk.Algorithm) attack.Target {
	t.Helper()
	target := attack.Target{Issuer: "https://issuer.test", Audience: "https://api.test", Now: time.Unix(1800000000, 0)}
	if secret, err := jwk.GenerateSecret(alg); err == nil {
		target.Key = secret
		return target
	}
	key, err := jwk.Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	target.Key = key
	return target
}

// If a forgery were equal to the valid token, a verifier that accepts it would fail. If two
// forgeries were equal, one would add nothing.
func TestForgeries_differFromTheValidTokenAndFromEachOther(t *testing.T) {
	for _, alg := range []jwk.Algorithm{jwk.HS256, jwk.ES256, jwk.EdDSA} {
		target := newTarget(t, alg)
		valid := target.Valid(t)
		seen, classes := map[string]string{}, map[string]int{}
		for f := range target.Forgeries(t) {
			if f.Token == valid || f.Class == "" {
				t.Errorf("%s, %s: %s is no forgery", alg, f.Class, f.Name)
			}
			if before, again := seen[f.Class+f.Name]; again && before == f.Token {
				t.Errorf("%s, %s: %s comes twice", alg, f.Class, f.Name)
			}
			seen[f.Class+f.Name] = f.Token
			classes[f.Class]++
		}
		if len(classes) < 20 {
			t.Errorf("%s: only the classes %v", alg, classes)
		}
	}
}

func TestForgeries_stopWhenAsked(t *testing.T) {
	target := newTarget(t, jwk.ES256)
	count := 0
	for range target.Forgeries(t) {
		if count++; count == 100 {
			break
		}
	}
	if count != 100 {
		t.Errorf("%d came", count)
	}
}

// The valid token is accepted, so a forgery is refused because of its change.
func TestValid_isTaken(t *testing.T) {
	target := newTarget(t, jwk.ES256)
	set, err := jwk.NewSet(target.Key.(*jwk.PrivateKey).Public())
	if err != nil {
		t.Fatal(err)
	}
	v, err := jwt.NewVerifier(jwt.Config{Issuer: target.Issuer, Audience: target.Audience, Keys: set})
	if err != nil {
		t.Fatal(err)
	}
	if claims, err := v.Verify(t.Context(), target.Valid(t), target.Now, nil); err != nil ||
		claims.Subject != "user-1" {
		t.Errorf("%+v, %v", claims, err)
	}
}
