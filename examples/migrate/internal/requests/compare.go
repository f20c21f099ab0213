package requests

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// readTable returns the answers in the table of docs/other-issuers.md: what the request has → library
// → the answer of the library's handler.
func readTable(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/other-issuers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\n| the request has |")
	if !found {
		t.Fatal("docs/other-issuers.md has no table of requests")
	}
	head, rows, _ := strings.Cut(after, "\n")
	_, rows, _ = strings.Cut(rows, "\n")
	table, _, _ := strings.Cut(rows, "\n\n")
	libraries := cells(head)
	documented := map[string]map[string]string{}
	for row := range strings.Lines(table) {
		columns := cells(strings.TrimPrefix(strings.TrimSpace(row), "|"))
		documented[columns[0]] = map[string]string{}
		for i, answer := range columns[1:] {
			documented[columns[0]][libraries[i]] = answer
		}
	}
	return documented
}

func cells(row string) []string {
	all := strings.Split(strings.TrimSuffix(strings.TrimSpace(row), "|"), "|")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

// Compare sends the requests to both handlers. The new one accepts the good token and answers 401 to
// all else; the old one answers as the table says.
func (i *Issuer) Compare(t *testing.T, library string, old, replacement http.Handler) {
	t.Helper()
	documented := readTable(t)
	sent := i.requests(t)
	for name, authorization := range sent {
		want := "401"
		if name == "a good token" {
			want = "accepted"
		}
		if got := answer(replacement, authorization); got != want {
			t.Errorf("%s: Hallpass answers %s, want %s", name, got, want)
		}
		want = documented[name][library]
		if got := answer(old, authorization); got != want {
			t.Errorf("%s: %s answers %s, and the table says %q", name, library, got, want)
		}
	}
	for name, answers := range documented {
		if _, ok := sent[name]; !ok && answers[library] != "–" {
			t.Errorf("%s: the table says that %s answers %q, and it was not asked", name, library, answers[library])
		}
	}
}

func answer(h http.Handler, authorization string) string {
	r := httptest.NewRequest("GET", "/hello", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if strings.Contains(w.Body.String(), "Hello ") { // even if it follows a refusal
		return "accepted"
	}
	return strconv.Itoa(w.Code)
}

// requests returns what is wrong with a request → its Authorization header.
func (i *Issuer) requests(t *testing.T) map[string]string {
	t.Helper()
	now := time.Now()
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	set := func(name string, value any) func(*unsigned) {
		return func(token *unsigned) { token.claims[name] = value }
	}
	without := func(name string) func(*unsigned) {
		return func(token *unsigned) { delete(token.claims, name) }
	}
	changes := map[string]func(*unsigned){
		"a good token":              func(*unsigned) {},
		"an expired token":          set("exp", now.Add(-time.Hour).Unix()),
		"a token without an end":    without("exp"),
		"a token for ten years":     set("exp", now.AddDate(10, 0, 0).Unix()),
		"a token for later":         set("nbf", now.Add(time.Hour).Unix()),
		"a token for another API":   set("aud", "billing"),
		"a token for nobody":        without("aud"),
		"the `iss` of another":      set("iss", "https://id.example.com"),
		"an `iss` with one more /":  func(token *unsigned) { token.claims["iss"] = token.claims["iss"].(string) + "/" },
		"a token without `iss`":     without("iss"),
		"a token without a subject": without("sub"),
		"`alg: none`": func(token *unsigned) {
			token.algorithm, token.key = "none", jwt.UnsafeAllowNoneSignatureType
		},
	}
	if i.Secret == nil {
		changes["another's key under this `kid`"] = func(token *unsigned) { token.key = stranger }
		changes["the public key as a secret"] = func(token *unsigned) {
			der, err := x509.MarshalPKIXPublicKey(&i.key.PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			token.algorithm = "HS256"
			token.key = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		}
		changes["PS256 with a key for RS256"] = func(token *unsigned) { token.algorithm = "PS256" }
	} else {
		changes["another secret"] = func(token *unsigned) { token.key = []byte(rand.Text() + rand.Text()) }
		changes["HS512 with a secret for HS256"] = func(token *unsigned) { token.algorithm = "HS512" }
	}
	all := map[string]string{
		"no token":         "",
		"no JWT":           "Bearer abc",
		"two subjects":     "Bearer " + sign(t, i.token(), `"sub":"root",`),
		"the scheme Basic": "Basic " + sign(t, i.token(), ""),
	}
	for name, change := range changes {
		token := i.token()
		change(&token)
		all[name] = "Bearer " + sign(t, token, "")
	}
	return all
}

// sign returns a token whose claims begin with a text.
func sign(t *testing.T, token unsigned, first string) string {
	t.Helper()
	method := jwt.GetSigningMethod(token.algorithm)
	parts := jwt.NewWithClaims(method, token.claims)
	if strings.HasSuffix(token.algorithm, "S256") && token.algorithm != "HS256" {
		parts.Header["kid"] = keyID
	}
	claims, err := json.Marshal(token.claims)
	if err != nil {
		t.Fatal(err)
	}
	header, err := parts.SigningString()
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ = strings.Cut(header, ".")
	text := header + "." + parts.EncodeSegment([]byte("{"+first+string(claims[1:])))
	signature, err := method.Sign(text, token.key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + parts.EncodeSegment(signature)
}
