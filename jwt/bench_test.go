package jwt_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

var algorithms = []jwk.Algorithm{
	jwk.HS256, jwk.HS384, jwk.HS512, jwk.RS256, jwk.RS384, jwk.RS512, jwk.PS256, jwk.PS384, jwk.PS512,
	jwk.ES256, jwk.ES384, jwk.ES512, jwk.EdDSA,
}

var at = time.Unix(1800000000, 0)

const (
	issuer   = "https://issuer.example"
	audience = "https://api.example"
)

// usual are the claims of an access token as they mostly are: ten of them, a token of 0.4 KB.
func usual() jwt.Claims {
	return jwt.Claims{
		Issuer: issuer, Subject: "06h0co5862doud16l5g4egmsfg", Audience: []string{audience},
		ExpiresAt: at.Add(15 * time.Minute), IssuedAt: at,
		ID: "06h0co58f06l9q6lloq20opqt8", ClientID: "app", SessionID: "06h0co58f06l9q6lloq20opqt8",
		AuthTime: at, Scopes: []string{"read", "write"},
	}
}

// pair returns a new key of the algorithm and a source that verifies with it.
func pair(tb testing.TB, alg jwk.Algorithm) (jwk.SigningKey, jwk.Source) {
	tb.Helper()
	if strings.HasPrefix(string(alg), "HS") {
		key, err := jwk.GenerateSecret(alg)
		if err != nil {
			tb.Fatal(err)
		}
		set, err := jwk.NewSecretSet(key)
		if err != nil {
			tb.Fatal(err)
		}
		return key, set
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

func newVerifier(tb testing.TB, keys jwk.Source) *jwt.Verifier {
	tb.Helper()
	v, err := jwt.NewVerifier(jwt.Config{Issuer: issuer, Audience: audience, Keys: keys})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func sign(tb testing.TB, key jwk.SigningKey, c jwt.Claims) string {
	tb.Helper()
	token, err := jwt.Sign(key, jwt.TypeAccess, c, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range algorithms {
		b.Run(string(alg), func(b *testing.B) {
			key, source := pair(b, alg)
			v, token := newVerifier(b, source), sign(b, key, usual())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token, at, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	for _, alg := range algorithms {
		b.Run(string(alg), func(b *testing.B) {
			key, _ := pair(b, alg)
			c := usual()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := jwt.Sign(key, jwt.TypeAccess, c, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSignOwn signs own claims beside the usual ones.
func BenchmarkSignOwn(b *testing.B) {
	key, _ := pair(b, jwk.HS256)
	c := usual()
	own := struct {
		Plan        string   `json:"plan"`
		Tenant      string   `json:"tenant"`
		Seats       int      `json:"seats"`
		Trial       bool     `json:"trial"`
		Permissions []string `json:"permissions,omitempty"`
	}{Plan: "gold", Tenant: "tenant-4711", Seats: 25, Trial: true}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := jwt.Sign(key, jwt.TypeAccess, c, own); err != nil {
			b.Fatal(err)
		}
	}
}

// signedPart is what a signature of the usual token is over.
func signedPart(b *testing.B, alg jwk.Algorithm) []byte {
	key, _ := pair(b, alg)
	token := sign(b, key, usual())
	return []byte(token[:strings.LastIndexByte(token, '.')])
}

// bare is the cryptography of one algorithm by the standard library, with nothing around it.
type bare struct {
	sign   func(message []byte) []byte
	verify func(message, signature []byte) bool
}

func newBare(b *testing.B, alg jwk.Algorithm) bare {
	b.Helper()
	newHash, kind := sha256.New, crypto.SHA256
	switch alg[2:] {
	case "384":
		newHash, kind = sha512.New384, crypto.SHA384
	case "512":
		newHash, kind = sha512.New, crypto.SHA512
	}
	digest := func(m []byte) []byte { h := newHash(); h.Write(m); return h.Sum(nil) }
	switch {
	case alg == jwk.EdDSA:
		public, private, err := ed25519.GenerateKey(rand.Reader)
		check(b, err)
		return bare{
			func(m []byte) []byte { return ed25519.Sign(private, m) },
			func(m, s []byte) bool { return ed25519.Verify(public, m, s) },
		}
	case alg[0] == 'H':
		return bareHMAC(newHash)
	case alg[0] == 'E':
		key, err := ecdsa.GenerateKey(
			map[jwk.Algorithm]elliptic.Curve{"256": elliptic.P256(), "384": elliptic.P384(),
				"512": elliptic.P521()}[alg[2:]],
			rand.Reader,
		)
		check(b, err)
		return bare{
			func(m []byte) []byte { s, err := ecdsa.SignASN1(rand.Reader, key, digest(m)); check(b, err); return s },
			func(m, s []byte) bool { return ecdsa.VerifyASN1(&key.PublicKey, digest(m), s) },
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	check(b, err)
	if alg[0] == 'P' {
		options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return bare{
			func(m []byte) []byte {
				s, err := rsa.SignPSS(rand.Reader, key, kind, digest(m), options)
				check(b, err)
				return s
			},
			func(m, s []byte) bool { return rsa.VerifyPSS(&key.PublicKey, kind, digest(m), s, options) == nil },
		}
	}
	return bare{
		func(m []byte) []byte {
			s, err := rsa.SignPKCS1v15(rand.Reader, key, kind, digest(m))
			check(b, err)
			return s
		},
		func(m, s []byte) bool { return rsa.VerifyPKCS1v15(&key.PublicKey, kind, digest(m), s) == nil },
	}
}

// bareHMAC keeps its state, as the fastest use of the standard library does.
func bareHMAC(newHash func() hash.Hash) bare {
	secret := make([]byte, 64)
	rand.Read(secret)
	mac := hmac.New(newHash, secret)
	sum := make([]byte, 0, 64)
	compute := func(m []byte) []byte { mac.Reset(); mac.Write(m); return mac.Sum(sum[:0]) }
	return bare{
		func(m []byte) []byte { return append([]byte(nil), compute(m)...) },
		func(m, s []byte) bool { return hmac.Equal(compute(m), s) },
	}
}

func check(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkLimitVerify(b *testing.B) {
	for _, alg := range algorithms {
		b.Run(string(alg), func(b *testing.B) {
			message, c := signedPart(b, alg), newBare(b, alg)
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
	for _, alg := range algorithms {
		b.Run(string(alg), func(b *testing.B) {
			message, c := signedPart(b, alg), newBare(b, alg)
			b.ReportAllocs()
			for b.Loop() {
				c.sign(message)
			}
		})
	}
}

// BenchmarkRefuseForged is to be compared with BenchmarkLimitVerify/HS256.
func BenchmarkRefuseForged(b *testing.B) {
	key, source := pair(b, jwk.HS256)
	v, token := newVerifier(b, source), sign(b, key, usual())
	if _, err := v.Verify(b.Context(), token, at, nil); err != nil {
		b.Fatal(err)
	}
	forged := token[:len(token)-8] + "AAAAAAAA"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), forged, at, nil); err == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkRefuse(b *testing.B) {
	key, source := pair(b, jwk.ES256)
	v := newVerifier(b, source)
	valid := sign(b, key, usual())
	segments := strings.Split(valid, ".")
	for name, token := range map[string]string{
		"none":     "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoiYSJ9." + segments[1] + ".",
		"garbage":  strings.Repeat("x", 400),
		"oneDot":   "a." + strings.Repeat("x", 400),
		"manyDots": strings.Repeat(".", 4000),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token, at, nil); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}
