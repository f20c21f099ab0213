// Package migrate_test holds that tokens which other libraries make are accepted.
package migrate_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/hallpass-go/hallpass/internal/shapes"
	"github.com/hallpass-go/hallpass/jwk"
)

// signers sign a token of a shape with a library.
var signers = map[string]func(t *testing.T, s shapes.Shape, key crypto.Signer) string{
	"golang-jwt": func(t *testing.T, s shapes.Shape, key crypto.Signer) string {
		token := jwt.NewWithClaims(jwt.GetSigningMethod(string(s.Algorithm)), jwt.MapClaims(s.Claims))
		token.Header = s.FullHeader("kid")
		made, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return made
	},
	"go-jose": func(t *testing.T, s shapes.Shape, key crypto.Signer) string {
		options := &jose.SignerOptions{}
		for name, value := range s.FullHeader("kid") {
			if name != "alg" && name != "kid" {
				options = options.WithHeader(jose.HeaderKey(name), value)
			}
		}
		signer, err := jose.NewSigner(jose.SigningKey{
			Algorithm: jose.SignatureAlgorithm(s.Algorithm), Key: jose.JSONWebKey{Key: key, KeyID: "kid"},
		}, options)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := json.Marshal(s.Claims)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		made, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return made
	},
}

// Tokens in the shape of each issuer are accepted when golang-jwt and go-jose have made them.
func TestIssuers_takeTokensOfOtherLibraries(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[jwk.Algorithm]crypto.Signer{jwk.RS256: rsaKey, jwk.ES256: ecKey}
	for name, sign := range signers {
		for _, s := range shapes.All(time.Now()) {
			t.Run(name+"/"+s.Name, func(t *testing.T) {
				key := keys[s.Algorithm]
				der, err := x509.MarshalPKIXPublicKey(key.Public())
				if err != nil {
					t.Fatal(err)
				}
				text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
				public, err := jwk.ParsePublicPEM(text, s.Algorithm, "kid")
				if err != nil {
					t.Fatal(err)
				}
				set, err := jwk.NewSet(public)
				if err != nil {
					t.Fatal(err)
				}
				s.Check(t, s.Verifier(t, set), sign(t, s, key))
			})
		}
	}
}
