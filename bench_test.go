package hallpass_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// benchAlgorithms are one of each family; package jwt measures them all.
var benchAlgorithms = []jwk.Algorithm{jwk.HS256, jwk.RS256, jwk.PS256, jwk.ES256, jwk.EdDSA}

var benchNow = time.Now()

// benchClaims are the ten claims of a usual access token, which make one of 0.4 to 0.5 KB.
func benchClaims(n int) jwt.Claims {
	return jwt.Claims{
		Issuer: testIssuer, Subject: fmt.Sprintf("06h0co5862doud16l5g4%06d", n),
		Audience: []string{testAudience}, ExpiresAt: benchNow.Add(12 * time.Hour),
		IssuedAt: benchNow, ID: fmt.Sprintf("06h0co58f06l9q6lloq2%06d", n), ClientID: "app",
		SessionID: fmt.Sprintf("06h0co58f06l9q6lloq2%06d", n),
		AuthTime:  benchNow, Scopes: []string{"read", "write"},
	}
}

func benchKey(tb testing.TB, alg jwk.Algorithm) (jwk.SigningKey, *jwk.Set) {
	tb.Helper()
	if secret, err := jwk.GenerateSecret(alg); err == nil {
		set, err := jwk.NewSecretSet(secret)
		if err != nil {
			tb.Fatal(err)
		}
		return secret, set
	}
	key, err := jwk.Generate(alg)
	if err != nil {
		tb.Fatal(err)
	}
	set, err := jwk.NewSet(key.Public())
	if err != nil {
		tb.Fatal(err)
	}
	return key, set
}

// newBenchVerifier returns a verifier of a key's tokens, and so many of these.
func newBenchVerifier(
	tb testing.TB,
	key jwk.SigningKey,
	tokens, remember int,
) (*hallpass.Verifier[struct{}], []string) {
	tb.Helper()
	var set *jwk.Set
	var err error
	if secret, ok := key.(*jwk.SecretKey); ok {
		set, err = jwk.NewSecretSet(secret)
	} else {
		set, err = jwk.NewSet(key.(*jwk.PrivateKey).Public())
	}
	if err != nil {
		tb.Fatal(err)
	}
	v, err := hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{
		Issuer: testIssuer, Audience: testAudience, Keys: set, Remember: remember,
	})
	if err != nil {
		tb.Fatal(err)
	}
	list := make([]string, tokens)
	for i := range list {
		if list[i], err = jwt.Sign(key, jwt.TypeAccess, benchClaims(i), nil); err != nil {
			tb.Fatal(err)
		}
	}
	return v, list
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range benchAlgorithms {
		b.Run(string(alg), func(b *testing.B) {
			key, _ := benchKey(b, alg)
			v, tokens := newBenchVerifier(b, key, 1, -1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(context.Background(), tokens[0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVerifyRemembered verifies tokens that are known. With -cpu 1,2 it shows how that scales.
// The table holds one token, or as many as a large server sees, of which some are in use at the
// time; "cold" is the worst case, in which each is asked for as seldom as any other, and nothing of
// it is in the processor's caches.
func BenchmarkVerifyRemembered(b *testing.B) {
	const inUse = 64
	for _, alg := range benchAlgorithms {
		b.Run(string(alg), func(b *testing.B) { benchmarkRemembered(b, alg, 1, 1) })
	}
	for _, tokens := range []int{64, 4096, 65536} {
		b.Run(fmt.Sprintf("EdDSA-%d", tokens), func(b *testing.B) { benchmarkRemembered(b, jwk.EdDSA, tokens, inUse) })
	}
	b.Run("EdDSA-65536-cold", func(b *testing.B) { benchmarkRemembered(b, jwk.EdDSA, 65536, 65536) })
}

func benchmarkRemembered(b *testing.B, alg jwk.Algorithm, held, used int) {
	key, _ := benchKey(b, alg)
	v, tokens := newBenchVerifier(b, key, held, 4*held+4096)
	for _, token := range tokens {
		if _, err := v.Verify(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
	known := v.Remembered().Misses
	var goroutines atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		const step = 7919 // a prime, so that neighbours in the list are not neighbours in time
		for i := int(goroutines.Add(1)) * step; pb.Next(); i += step {
			if _, err := v.Verify(context.Background(), tokens[i%used]); err != nil {
				b.Error(err)
				return
			}
		}
	})
	if v.Remembered().Misses != known {
		b.Error("some were not remembered")
	}
}

func BenchmarkSign(b *testing.B) {
	for _, alg := range benchAlgorithms {
		b.Run(string(alg), func(b *testing.B) {
			key, _ := benchKey(b, alg)
			c := benchClaims(0)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := jwt.Sign(key, jwt.TypeAccess, c, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// bare is the cryptography of one algorithm by the standard library, with nothing around it.
type bare struct {
	sign   func(message []byte) []byte
	verify func(message, signature []byte) bool
}

func newBare(b *testing.B, alg jwk.Algorithm) bare {
	b.Helper()
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	digest := func(m []byte) []byte { sum := sha256.Sum256(m); return sum[:] }
	switch alg {
	case jwk.HS256:
		secret := make([]byte, 32)
		rand.Read(secret)
		mac, sum := hmac.New(sha256.New, secret), make([]byte, 0, 32)
		compute := func(m []byte) []byte { mac.Reset(); mac.Write(m); return mac.Sum(sum[:0]) }
		return bare{
			func(m []byte) []byte { return append([]byte(nil), compute(m)...) },
			func(m, s []byte) bool { return hmac.Equal(compute(m), s) },
		}
	case jwk.ES256:
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		return bare{
			func(m []byte) []byte { s, err := ecdsa.SignASN1(rand.Reader, key, digest(m)); must(err); return s },
			func(m, s []byte) bool { return ecdsa.VerifyASN1(&key.PublicKey, digest(m), s) },
		}
	case jwk.EdDSA:
		public, private, err := ed25519.GenerateKey(rand.Reader)
		must(err)
		return bare{
			func(m []byte) []byte { return ed25519.Sign(private, m) },
			func(m, s []byte) bool { return ed25519.Verify(public, m, s) },
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	must(err)
	if alg == jwk.RS256 {
		return bare{
			func(m []byte) []byte {
				s, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest(m))
				must(err)
				return s
			},
			func(m, s []byte) bool { return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest(m), s) == nil },
		}
	}
	options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	return bare{
		func(m []byte) []byte {
			s, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest(m), options)
			must(err)
			return s
		},
		func(m, s []byte) bool {
			return rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest(m), s, options) == nil
		},
	}
}

// benchMessage is what the signature of the usual token is over.
func benchMessage(b *testing.B, alg jwk.Algorithm) []byte {
	key, _ := benchKey(b, alg)
	_, tokens := newBenchVerifier(b, key, 1, -1)
	return []byte(tokens[0][:strings.LastIndexByte(tokens[0], '.')])
}

func BenchmarkLimitVerify(b *testing.B) {
	for _, alg := range benchAlgorithms {
		b.Run(string(alg), func(b *testing.B) {
			message, c := benchMessage(b, alg), newBare(b, alg)
			signature := c.sign(message)
			b.ReportAllocs()
			for b.Loop() {
				if !c.verify(message, signature) {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkLimitSign(b *testing.B) {
	for _, alg := range benchAlgorithms {
		b.Run(string(alg), func(b *testing.B) {
			message, c := benchMessage(b, alg), newBare(b, alg)
			b.ReportAllocs()
			for b.Loop() {
				c.sign(message)
			}
		})
	}
}

func BenchmarkRefuse(b *testing.B) {
	key, _ := benchKey(b, jwk.ES256)
	v, tokens := newBenchVerifier(b, key, 1, 0)
	payload := strings.Split(tokens[0], ".")[1]
	for name, token := range map[string]string{
		"none":    "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoiYSJ9." + payload + ".",
		"garbage": strings.Repeat("x", 400),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}
