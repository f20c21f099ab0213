package jwk_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"testing"

	"github.com/hallpass-go/hallpass/jwk"
)

// benchmarkMessage is as long as the header and the claims of an access token.
var benchmarkMessage = make([]byte, 400)

func BenchmarkVerify(b *testing.B) {
	for _, alg := range append([]jwk.Algorithm{jwk.HS256, jwk.HS512}, asymmetric...) {
		b.Run(string(alg), func(b *testing.B) {
			key := signingKey(b, alg)
			signature, err := key.Sign(benchmarkMessage)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if !key.Verify(benchmarkMessage, signature) {
					b.Fatal("not verified")
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	for _, alg := range []jwk.Algorithm{jwk.HS256, jwk.RS256, jwk.PS256, jwk.ES256, jwk.EdDSA} {
		b.Run(string(alg), func(b *testing.B) {
			key := signingKey(b, alg)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := key.Sign(benchmarkMessage); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBareHMAC is the baseline for HS256: one HMAC by the standard library and nothing else.
func BenchmarkBareHMAC(b *testing.B) {
	secret := make([]byte, 32)
	want := make([]byte, 32)
	for b.Loop() {
		h := hmac.New(sha256.New, secret)
		h.Write(benchmarkMessage)
		hmac.Equal(h.Sum(nil), want)
	}
}
