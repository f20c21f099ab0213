package hallpass_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
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
	"github.com/hallpass-go/hallpass/jwt"
	"github.com/hallpass-go/hallpass/sessions"
)

// ready are the issuers in the table of docs/other-issuers.md, one a line as the table has them.
var ready = []hallpass.TrustedIssuer{
	issuers.Auth0("shop.eu.auth0.com", "https://orders.example.com"),
	issuers.Entra("11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"),
	issuers.EntraV1("11111111-2222-3333-4444-555555555555", "api://orders"),
	issuers.EntraAnyTenant("66666666-7777-8888-9999-000000000000"),
	issuers.CognitoAccess("eu-central-1", "eu-central-1_AbCdEfGhI", "1example23456789"),
	issuers.CognitoID("eu-central-1", "eu-central-1_AbCdEfGhI", "1example23456789"),
	issuers.Keycloak("https://id.example.com/realms/shop", "orders"),
	issuers.Okta("https://shop.okta.com/oauth2/default", "api://default"),
	issuers.Firebase("shop-1234"),
	issuers.Google("1234-abc.apps.googleusercontent.com"),
	issuers.Supabase("https://abcdefgh.supabase.co"),
	issuers.GitHubActions("octo", "orders"),
	issuers.Kubernetes("https://kubernetes.default.svc.cluster.local", "orders"),
	issuers.Hallpass("https://api.example.com", "orders"),
}

// localRealm is an issuer in one's own network.
func localRealm(pool *x509.CertPool) hallpass.TrustedIssuer {
	trusted := issuers.Keycloak("http://localhost:8080/realms/shop", "orders")
	trusted.Remote.AllowPrivate = true // loopback and private addresses
	trusted.Remote.RootCAs = pool      // if a certificate authority of your own signed its certificate
	return trusted
}

// shop is the issuer that the README shows.
func shop() (*hallpass.Verifier[struct{}], error) {
	verifier, err := hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{
		Issuers: []hallpass.TrustedIssuer{issuers.Keycloak("https://id.example.com/realms/shop", "orders")},
	})
	return verifier, err
}

// ownProfile is the worked example: no "kid", roles inside another claim, a life of days.
func ownProfile() hallpass.TrustedIssuer {
	trusted := hallpass.TrustedIssuer{
		Issuer:   "https://login.example.com",
		Audience: "orders",
		KeysURL:  "https://login.example.com/jwks.json",
		Tokens: &jwt.Profile{
			Types:       []string{"JWT"},
			Keys:        jwk.SetOptions{Algorithms: []jwk.Algorithm{jwk.RS256}, Default: jwk.RS256},
			NoKeyID:     true,
			Scopes:      []string{"scope"},
			Roles:       []string{"/user/roles"},
			Values:      map[string][]string{"use": {"access"}},
			MaxLifetime: 7 * 24 * time.Hour,
		},
	}
	return trusted
}

// ownClaims are claims of the application, of which two are inside others.
type ownClaims struct {
	Email  string   `json:"email"`
	Groups []string `json:"-" claim:"/realm_access/roles"`
	Plan   string   `json:"-" claim:"/customer/plan"`
}

// account stands for an application's own table: issuer and subject → the ID that it gave them.
var account = map[[2]string]string{
	{"https://a.example", "1"}: "alice",
	{"https://b.example", "1"}: "bob",
}

// owner lets those pass whose own account the path names, whichever issuer they come from.
func owner() hallpass.Rule {
	owner := hallpass.Check(func(r *http.Request, id hallpass.Identity[struct{}]) error {
		if r.PathValue("id") != account[[2]string{id.Issuer, id.Subject}] {
			return hallpass.ErrNotOwner
		}
		return nil
	})
	return owner
}

// endAccess refuses the tokens that a subject has so far.
func endAccess(revocations *hallpass.Revocations, subject string) {
	revocations.Apply(sessions.Revocation{
		Kind: sessions.RevokedSubject, ID: subject,
		Before: time.Now(), ExpiresAt: time.Now().Add(24 * time.Hour), // the longest life of a token
	})
}

// foreignToken returns a token whose header and claims are these.
func foreignToken(t *testing.T, key *jwk.PrivateKey, header, claims map[string]any) string {
	t.Helper()
	part := func(value map[string]any) string {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	text := part(header) + "." + part(claims)
	signature, err := key.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestOtherIssuers_ownProfileAndClaims(t *testing.T) {
	key, err := jwk.Generate(jwk.RS256)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwk.NewSet(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	trusted := ownProfile()
	trusted.Keys = keys
	trusted.Revocations = hallpass.NewRevocations()
	config := hallpass.VerifierConfig{Issuers: []hallpass.TrustedIssuer{trusted}}
	verifier, err := hallpass.NewVerifier[ownClaims](config)
	if err != nil {
		t.Fatal(err)
	}
	header := map[string]any{"alg": "RS256", "typ": "JWT"}
	with := func(name string, value any) map[string]any {
		now := time.Now()
		claims := map[string]any{
			"iss": "https://login.example.com", "aud": "orders", "sub": "alice", "use": "access",
			"iat": now.Unix(), "exp": now.Add(7 * 24 * time.Hour).Unix(), "scope": "read write",
			"user": map[string]any{"roles": []string{"clerk"}}, "email": "a@example.com",
			"realm_access": map[string]any{"roles": []string{"g"}},
			"customer":     map[string]any{"plan": "gold"},
		}
		claims[name] = value
		return claims
	}
	good := foreignToken(t, key, header, with("", nil))
	id, err := verifier.Verify(t.Context(), good)
	if err != nil || !id.HasRole("clerk") || !id.HasScope("write") || id.Custom.Email != "a@example.com" ||
		id.Custom.Plan != "gold" || len(id.Custom.Groups) != 1 || id.Custom.Groups[0] != "g" {
		t.Errorf("%+v, %v", id, err)
	}
	for name, token := range map[string]string{
		"eight days":    foreignToken(t, key, header, with("exp", time.Now().Add(8*24*time.Hour).Unix())),
		"another use":   foreignToken(t, key, header, with("use", "id")),
		"an unfit type": foreignToken(t, key, header, with("email", 7)),
		"an unfit path": foreignToken(t, key, header, with("customer", map[string]any{"plan": 7})),
	} {
		if _, err := verifier.Verify(t.Context(), token); !errors.Is(err, hallpass.ErrTokenInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	endAccess(trusted.Revocations, "alice")
	if _, err := verifier.Verify(t.Context(), good); !errors.Is(err, hallpass.ErrTokenRevoked) {
		t.Errorf("after the end of access: %v", err)
	}
}

func TestOtherIssuers_owner(t *testing.T) {
	a, b := newIssuer(t, "https://a.example"), newIssuer(t, "https://b.example")
	config := hallpass.VerifierConfig{Issuers: []hallpass.TrustedIssuer{a.trusted(t), b.trusted(t)}}
	var refusals []error
	config.Observe = func(_ context.Context, e hallpass.Event) { refusals = append(refusals, e.Err) }
	verifier := newVerifier(t, config)
	mux := http.NewServeMux()
	mux.Handle("GET /users/{id}", verifier.Func(
		func(http.ResponseWriter, *http.Request, hallpass.Identity[struct{}]) {}, owner()))
	for _, c := range []struct {
		issuer issuer
		user   string
		status int
	}{{a, "alice", 200}, {b, "bob", 200}, {a, "bob", 403}, {b, "alice", 403}} {
		r := httptest.NewRequest("GET", "/users/"+c.user, nil)
		r.Header.Set("Authorization", "Bearer "+c.issuer.token(t, c.issuer.name, "1", "s"))
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s, %s: %d", c.issuer.name, c.user, w.Code)
		}
	}
	if len(refusals) != 2 || !errors.Is(refusals[0], hallpass.ErrNotOwner) {
		t.Errorf("observed: %v", refusals)
	}
}

// Every ready issuer is in the table, and in the list above, and makes a verifier.
func TestOtherIssuers_tableIsComplete(t *testing.T) {
	doc := readFile(t, "docs/other-issuers.md")
	for _, trusted := range append(ready, localRealm(x509.NewCertPool())) {
		if _, err := hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{
			Issuers: []hallpass.TrustedIssuer{trusted},
		}); err != nil {
			t.Errorf("%s: %v", trusted.Issuer, err)
		}
	}
	if _, err := shop(); err != nil {
		t.Errorf("the README's: %v", err)
	}
	_, after, _ := strings.Cut(readFile(t, "otherissuers_test.go"), "var ready = []hallpass.TrustedIssuer{\n")
	list, _, _ := strings.Cut(after, "\n}\n")
	listed := map[string]bool{}
	for line := range strings.Lines(list) {
		call := strings.TrimSuffix(strings.TrimSpace(line), ",")
		listed[strings.TrimPrefix(call[:strings.Index(call, "(")], "issuers.")] = true
		if !strings.Contains(doc, "| `"+call+"` |") {
			t.Errorf("the table does not have %s", call)
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), "issuers/issuers.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, declared := range file.Decls {
		if f, ok := declared.(*ast.FuncDecl); ok && f.Name.IsExported() && !listed[f.Name.Name] {
			t.Errorf("the table does not have issuers.%s", f.Name.Name)
		}
	}
}

// Every block of Go in the document and in the README is in a file that the compiler reads, and the
// document shows the code of every way from another library.
func TestOtherIssuers_codeIsCompiled(t *testing.T) {
	files := map[string]string{}
	for _, folder := range []string{"examples/migrate", "examples/frameworks", "examples/anyissuer"} {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".go" {
				files[filepath.ToSlash(path)] = readFile(t, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"otherissuers_test.go", "example_test.go"} {
		files[name] = readFile(t, name)
	}
	shown := map[string]bool{}
	for _, name := range []string{"docs/other-issuers.md", "README.md"} {
		blocks := strings.Split(readFile(t, name), "```go\n")[1:]
		if len(blocks) == 0 {
			t.Errorf("%s has no code", name)
		}
		for _, block := range blocks {
			block, _, _ = strings.Cut(block, "```")
			found := false
			for path, text := range files {
				if holds(text, block) {
					found, shown[path] = true, true
				}
			}
			if !found {
				t.Errorf("no file has this code of %s:\n%s", name, block)
			}
		}
	}
	for _, path := range append(
		sevenOf(t, "examples/migrate/*/old.go"), sevenOf(t, "examples/migrate/*/new.go")...) {
		if !shown[filepath.ToSlash(path)] {
			t.Errorf("docs/other-issuers.md shows nothing of %s", path)
		}
	}
}

// holds reports whether a text has the lines of a block, at any indentation.
func holds(text, block string) bool {
	for indent := range 4 {
		tabs := strings.Repeat("\t", indent)
		indented := "\n" + tabs + strings.ReplaceAll(block, "\n", "\n"+tabs)
		indented = strings.ReplaceAll(indented, "\n"+tabs+"\n", "\n\n")
		if strings.Contains("\n"+text, strings.TrimRight(indented, "\t")) {
			return true
		}
	}
	return false
}

func sevenOf(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) != 7 {
		t.Fatalf("%s: %v, %v", pattern, paths, err)
	}
	return paths
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
