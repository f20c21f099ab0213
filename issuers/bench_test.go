package issuers_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/shapes"
)

// BenchmarkVerify compares tokens of several issuers, the first time and when they are seen again,
// with the bare verification of their RS256 signature by crypto/rsa.
func BenchmarkVerify(b *testing.B) {
	for _, s := range shapes.All(time.Now()) {
		if s.Name != "Keycloak" && s.Name != "Entra ID" && s.Name != "Auth0" {
			continue
		}
		key, made := keys().own[s.Algorithm], token(b, s)
		signed := made[:strings.LastIndexByte(made, '.')]
		signature, err := base64.RawURLEncoding.DecodeString(made[len(signed)+1:])
		if err != nil {
			b.Fatal(err)
		}
		b.Run(s.Name+"/bare", func(b *testing.B) {
			for b.Loop() {
				sum := sha256.Sum256([]byte(signed))
				public := key.signer.Public().(*rsa.PublicKey)
				if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature); err != nil {
					b.Fatal(err)
				}
			}
		})
		s.Trusted.Keys = set(b, s)
		for name, remember := range map[string]int{"first": -1, "again": 0} {
			v, err := hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{
				Issuers: []hallpass.TrustedIssuer{s.Trusted}, Remember: remember,
			})
			if err != nil {
				b.Fatal(err)
			}
			b.Run(s.Name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := v.Verify(b.Context(), made); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
