package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/issuers"
	"github.com/hallpass-go/hallpass/jwk"
)

const gitHub = "https://token.actions.githubusercontent.com"

// issuer is a server that publishes an issuer's metadata and keys.
type issuer struct {
	name   string
	claims map[string]any // of a good token
	key    *jwk.PrivateKey
	server *httptest.Server
	roots  *x509.CertPool
}

// newIssuer starts an issuer. An empty name is that of a realm on its own server.
func newIssuer(t *testing.T, name string, claims map[string]any) *issuer {
	t.Helper()
	key, err := jwk.Generate(jwk.RS256)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwk.NewSet(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	i := &issuer{name: name, claims: claims, key: key, roots: x509.NewCertPool()}
	i.server = httptest.NewTLSServer(mux)
	t.Cleanup(i.server.Close)
	i.roots.AddCert(i.server.Certificate())
	path := "/.well-known/openid-configuration"
	if name == "" {
		i.name, path = i.server.URL+"/realms/shop", "/realms/shop"+path
	}
	serve := func(path string, body any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(body)
		})
	}
	serve(path, map[string]string{"issuer": i.name, "jwks_uri": i.server.URL + "/certs"})
	serve("/certs", set)
	return i
}

// here returns a trusted issuer whose server is the test's.
func (i *issuer) here(t hallpass.TrustedIssuer) hallpass.TrustedIssuer {
	t.Remote.AllowPrivate, t.Remote.RootCAs = true, i.roots
	if i.name == gitHub {
		t.Remote.MetadataURL = i.server.URL + "/.well-known/openid-configuration"
	}
	return t
}

// token returns a token of the issuer with some claims changed; nil takes one away.
func (i *issuer) token(t *testing.T, changed map[string]any) string {
	t.Helper()
	return i.signed(t, i.key, changed)
}

func (i *issuer) signed(t *testing.T, key *jwk.PrivateKey, changed map[string]any) string {
	t.Helper()
	now := time.Now()
	claims := map[string]any{
		"iss": i.name, "aud": "orders", "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	maps.Copy(claims, i.claims)
	maps.Copy(claims, changed)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	part := func(value any) string {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	text := part(map[string]string{"alg": "RS256", "typ": "JWT", "kid": i.key.ID()}) + "." + part(claims)
	signature, err := key.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// The claims are those of https://www.keycloak.org/docs and
// https://docs.github.com/en/actions/reference/security/oidc.
func newRealm(t *testing.T) *issuer {
	return newIssuer(t, "", map[string]any{
		"jti": "onrtro:5cc3", "sub": "8f1c7b62", "typ": "Bearer", "azp": "shop-app", "sid": "QmzV",
		"aud": []string{"orders", "account"}, "acr": "1", "scope": "openid orders:read",
		"realm_access":    map[string]any{"roles": []string{"offline_access", "clerk"}},
		"resource_access": map[string]any{"orders": map[string]any{"roles": []string{"packer"}}},
	})
}

func newGitHub(t *testing.T) *issuer {
	return newIssuer(t, gitHub, map[string]any{
		"jti": "9d1f", "sub": "repo:octo/app:ref:refs/heads/main", "repository": "octo/app",
		"repository_owner": "octo", "repository_owner_id": "65", "ref": "refs/heads/main",
		"workflow": "release", "event_name": "push",
	})
}

// service is the program under test.
type service struct{ address string }

func start(t *testing.T, people, jobs hallpass.TrustedIssuer) service {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, listener, people, jobs) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return service{listener.Addr().String()}
}

func (s service) ask(t *testing.T, method, path, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+s.address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func startBoth(t *testing.T) (s service, realm, actions *issuer) {
	t.Helper()
	realm, actions = newRealm(t), newGitHub(t)
	return start(t, realm.here(issuers.Keycloak(realm.name, "orders")),
		actions.here(issuers.GitHubActions("octo", "orders"))), realm, actions
}

func TestService_takesTokensOfBoth(t *testing.T) {
	s, realm, actions := startBoth(t)
	clerk, job := realm.token(t, nil), actions.token(t, nil)
	admin := realm.token(t, map[string]any{
		"sub": "root", "realm_access": map[string]any{"roles": []string{"admin"}}, "scope": "openid",
	})
	for _, c := range []struct {
		name, method, path, token string
		status                    int
		text                      string
	}{
		{"who is the clerk", "GET", "/whoami", clerk, 200, realm.name + " 8f1c7b62\n"},
		{"who is the job", "GET", "/whoami", job, 200, gitHub + " repo:octo/app:ref:refs/heads/main\n"},
		{"a scope", "GET", "/orders", clerk, 200, "no orders"},
		{"a token without the scope", "GET", "/orders", admin, 403, "insufficient_scope"},
		{"a job has no scopes", "GET", "/orders", job, 403, "insufficient_scope"},
		{"a role", "DELETE", "/orders/1", admin, 204, ""},
		{"a token without the role", "DELETE", "/orders/1", clerk, 403, "insufficient_role"},
		{"a job has no roles", "DELETE", "/orders/1", job, 403, "insufficient_role"},
	} {
		status, text := s.ask(t, c.method, c.path, c.token)
		if status != c.status || !strings.Contains(text, c.text) {
			t.Errorf("%s: %d %s", c.name, status, text)
		}
	}
}

func TestService_refusesWhatNoneOfThemMade(t *testing.T) {
	s, realm, actions := startBoth(t)
	stranger := newGitHub(t)
	toys, anHourAgo := realm.server.URL+"/realms/toys", time.Now().Add(-time.Hour).Unix()
	for name, token := range map[string]string{
		"a key of GitHub under the realm's iss":  realm.signed(t, actions.key, nil),
		"a key of the realm under GitHub's iss":  actions.signed(t, realm.key, nil),
		"a token of GitHub with the realm's iss": actions.token(t, map[string]any{"iss": realm.name}),
		"a realm's token with the iss of GitHub": realm.token(t, map[string]any{"iss": gitHub}),
		"another realm of the same server":       realm.token(t, map[string]any{"iss": toys}),
		"the realm with a slash more":            realm.token(t, map[string]any{"iss": realm.name + "/"}),
		"a stranger's key with a known iss":      stranger.token(t, nil),
		"a token without iss":                    realm.token(t, map[string]any{"iss": nil}),
		"a token of the realm for another API":   realm.token(t, map[string]any{"aud": "account"}),
		"an ID token of the realm":               realm.token(t, map[string]any{"typ": "ID"}),
		"a refresh token of the realm":           realm.token(t, map[string]any{"typ": "Refresh"}),
		"a job of another owner":                 actions.token(t, map[string]any{"repository_owner": "eve"}),
		"a job for another API too":              actions.token(t, map[string]any{"aud": []string{"orders", "x"}}),
		"a token that has ended":                 realm.token(t, map[string]any{"exp": anHourAgo}),
		"a token without an end":                 actions.token(t, map[string]any{"exp": nil}),
		"no token":                               "abc",
	} {
		if status, text := s.ask(t, "GET", "/whoami", token); status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
}

// With -keys, a start while the issuers cannot be reached goes on with the keys as they were last.
func TestService_startsWithoutTheIssuers(t *testing.T) {
	var out bytes.Buffer
	log.SetOutput(&out)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	folder := t.TempDir()
	realm, actions := newRealm(t), newGitHub(t)
	people := keep(realm.here(issuers.Keycloak(realm.name, "orders")), folder, "people.json")
	jobs := keep(actions.here(issuers.GitHubActions("octo", "orders")), folder, "jobs.json")
	clerk, job := realm.token(t, nil), actions.token(t, nil)
	first := start(t, people, jobs)
	for _, token := range []string{clerk, job} {
		if status, text := first.ask(t, "GET", "/whoami", token); status != http.StatusOK {
			t.Fatalf("%d %s", status, text)
		}
	}
	for _, name := range []string{"people.json", "jobs.json"} { // written soon after the fetch
		for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
				break
			}
			if time.Since(begun) > 10*time.Second {
				t.Fatalf("%s is not there", name)
			}
		}
	}
	realm.server.Close()
	actions.server.Close()
	second := start(t, people, jobs)
	for _, token := range []string{clerk, job} {
		if status, text := second.ask(t, "GET", "/whoami", token); status != http.StatusOK {
			t.Errorf("%d %s", status, text)
		}
	}
	without := start(t, realm.here(issuers.Keycloak(realm.name, "orders")), jobs)
	if status, text := without.ask(t, "GET", "/whoami", clerk); status != http.StatusServiceUnavailable {
		t.Errorf("without a file: %d %s", status, text)
	}
}
