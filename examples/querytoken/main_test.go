package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/examples/internal/exampletest"
	"github.com/hallpass-go/hallpass/internal/attack"
	"github.com/hallpass-go/hallpass/jwk"
)

func start(t *testing.T) (p *exampletest.Program, keyFile string) {
	t.Helper()
	keyFile = filepath.Join(t.TempDir(), "keys.json")
	return exampletest.Start(t, run, "-keys", keyFile), keyFile
}

func TestQuerytoken_keepsTheContract(t *testing.T) {
	t.Setenv("QUERYTOKEN_PASSWORD", "a password of one's own")
	p, _ := start(t)
	p.Walk(t, "querytoken", nil, map[string]string{"username": "admin", "password": "a password of one's own"})
}

func status(t *testing.T, url, user, password string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(user, password)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// TestHole_anyPasswordLogin: only the user with the password created at the start can log in.
func TestHole_anyPasswordLogin(t *testing.T) {
	p, _ := start(t)
	_, after, _ := strings.Cut(p.Output(), "with the password \"")
	made, _, _ := strings.Cut(after, `"`)
	for login, want := range map[[2]string]int{
		{"admin", made}: http.StatusOK, {"root", made}: http.StatusUnauthorized,
		{"admin", "pyconid"}: http.StatusUnauthorized, {"admin", ""}: http.StatusUnauthorized,
	} {
		if got := status(t, p.URL+"/login", login[0], login[1]); got != want {
			t.Errorf("%q: %d, want %d", login, got, want)
		}
	}
}

func TestHole_tokenInTheLog(t *testing.T) {
	p, _ := start(t)
	status(t, p.URL+"/protected?token=eyJhbGciOi", "", "")
	if strings.Contains(p.Output(), "eyJ") {
		t.Errorf("it wrote %s", p.Output())
	}
	answer, err := http.Get(p.URL + "/protected?token=x")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.Header.Get("Referrer-Policy") != "no-referrer" || answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the URL goes on: %v", answer.Header)
	}
}

func TestHole_forgedTokens(t *testing.T) {
	p, keyFile := start(t)
	keys, err := jwk.OpenFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.SigningKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	target := attack.Target{Key: key, Issuer: "querytoken", Audience: "querytoken", Now: time.Now()}
	exampletest.RefusesForgeries(t, target, http.StatusForbidden, func(token string) *http.Request {
		request, err := http.NewRequest(http.MethodGet, p.URL+"/protected?token="+url.QueryEscape(token), nil)
		if err != nil {
			t.Fatal(err)
		}
		return request
	})
}

// token logs in and returns the token.
func token(t *testing.T, p *exampletest.Program) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/login", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("admin", "a password of one's own")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var got struct{ Token string }
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || got.Token == "" {
		t.Fatalf("%d, %v", answer.StatusCode, err)
	}
	return got.Token
}

func TestExpiry_isASetting(t *testing.T) {
	t.Setenv("QUERYTOKEN_PASSWORD", "a password of one's own")
	keys := filepath.Join(t.TempDir(), "keys.json")
	p := exampletest.Start(t, run, "-keys", keys, "-expiry", "2s")
	p.Expires(t, func() string { return token(t, p) }, func(token string) int {
		return status(t, p.URL+"/protected?token="+token, "", "")
	}, http.StatusForbidden)
}

func TestExpiry_ofNothingIsRefused(t *testing.T) {
	exampletest.WantsAnExpiry(t, run, "-keys", filepath.Join(t.TempDir(), "file"))
}

func TestJWKS_verifiesTokensElsewhere(t *testing.T) {
	t.Setenv("QUERYTOKEN_PASSWORD", "a password of one's own")
	p, _ := start(t)
	p.IsVerifiedElsewhere(t, "querytoken", token(t, p))
}
