package jwk_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hallpass-go/hallpass/jwk"
)

var asymmetric = []jwk.Algorithm{
	jwk.RS256, jwk.RS384, jwk.RS512, jwk.PS256, jwk.PS384, jwk.PS512, jwk.ES256, jwk.ES384, jwk.ES512, jwk.EdDSA,
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func unmarshal(t testing.TB, text []byte) map[string]any {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return members
}

func encode64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decode64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// cutLast splits a compact token into its signed part and its signature.
func cutLast(token string) (signed, signature string, ok bool) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return "", "", false
	}
	return token[:i], token[i+1:], true
}

// generate returns a new key. RSA keys take a second each, so it returns two of them in turn.
func generate(t testing.TB, alg jwk.Algorithm) *jwk.PrivateKey {
	t.Helper()
	if strings.HasPrefix(string(alg), "RS") || strings.HasPrefix(string(alg), "PS") {
		turn, _ := rsaTurns.LoadOrStore(alg, new(atomic.Int64))
		key, err := jwk.ParsePrivatePEM(rsaKeys()[turn.(*atomic.Int64).Add(1)%2], alg, "")
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	key, err := jwk.Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var (
	rsaTurns sync.Map // one counter per algorithm
	rsaKeys  = sync.OnceValue(func() (keys [2][]byte) {
		for i := range keys {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				panic(err)
			}
			keys[i] = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
		}
		return keys
	})
)

// parseSigning reads a private key or a secret.
func parseSigning(t testing.TB, text []byte) jwk.SigningKey {
	t.Helper()
	if unmarshal(t, text)["kty"] == "oct" {
		key, err := jwk.ParseSecret(text)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	key, err := jwk.ParsePrivate(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// verifyJWS reports whether a token is signed by the key that it names, with that key's algorithm.
func verifyJWS(t testing.TB, keys jwk.Source, token string) bool {
	t.Helper()
	signed, signature, _ := cutLast(token)
	encoded, _, _ := strings.Cut(signed, ".")
	var header struct{ Alg, Kid string }
	if err := json.Unmarshal(decode64(t, encoded), &header); err != nil {
		t.Fatal(err)
	}
	key, err := keys.Key(t.Context(), header.Kid)
	return err == nil && string(key.Algorithm()) == header.Alg && key.Verify([]byte(signed), decode64(t, signature))
}

// signingKey returns a new key of any algorithm.
func signingKey(t testing.TB, alg jwk.Algorithm) jwk.SigningKey {
	t.Helper()
	if key, err := jwk.GenerateSecret(alg); err == nil {
		return key
	}
	return generate(t, alg)
}
