// Package requests sends the same requests to a handler as it was and to the one that takes its
// place, and compares the answers with the table in docs/other-issuers.md.
package requests

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
)

// Audience is the name of the API that the tokens are for.
const Audience = "orders"

// Issuer makes tokens. One with an RSA key publishes it, and one with a secret does not.
type Issuer struct {
	Name    string // its "iss"
	Host    string // and port of its server
	KeysURL string
	Secret  []byte
	key     *rsa.PrivateKey
	roots   *x509.CertPool
	claims  jwt.MapClaims // those that its access tokens have beside the usual ones
}

const keyID = "key-1"

// NewIssuer starts an issuer under a path of a server that publishes metadata and keys. Claims are
// those of its access tokens beside the usual ones. [http.DefaultTransport] trusts the server from
// then on, since the older libraries use it.
func NewIssuer(t *testing.T, path string, claims jwt.MapClaims) *Issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &Issuer{key: key, claims: claims}
	mux := http.NewServeMux()
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	i.Name, i.Host, i.KeysURL = server.URL+path, server.Listener.Addr().String(), server.URL+"/keys"
	mux.HandleFunc("GET /{path...}", func(w http.ResponseWriter, r *http.Request) {
		write(w, map[string]any{
			"issuer": i.Name, "jwks_uri": i.KeysURL,
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		write(w, map[string]any{"keys": []any{map[string]string{
			"kty": "RSA", "kid": keyID, "use": "sig", "alg": "RS256",
			"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
		}}})
	})
	i.roots = x509.NewCertPool()
	i.roots.AddCert(server.Certificate())
	http.DefaultTransport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: i.roots}
	return i
}

func write(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

// NewSecretIssuer returns an issuer that shares a secret with the API.
func NewSecretIssuer(t *testing.T) *Issuer {
	t.Helper()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	return &Issuer{Name: "https://login.example.com", Secret: secret}
}

// Trusted returns t with the keys that the issuer's server publishes, though it is of this machine.
func (i *Issuer) Trusted(t hallpass.TrustedIssuer) hallpass.TrustedIssuer {
	t.Remote = jwk.RemoteConfig{AllowPrivate: true, RootCAs: i.roots}
	return t
}

// unsigned is what a test may change of a token before it is signed.
type unsigned struct {
	algorithm string
	key       any
	claims    jwt.MapClaims
}

// token returns a good access token, as the issuer makes it.
func (i *Issuer) token() unsigned {
	now := time.Now()
	claims := jwt.MapClaims{
		"iss": i.Name, "sub": "alice", "aud": []string{Audience},
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, i.claims)
	if i.Secret != nil {
		return unsigned{"HS256", i.Secret, claims}
	}
	return unsigned{"RS256", i.key, claims}
}
