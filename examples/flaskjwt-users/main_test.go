package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/examples/internal/exampletest"
	"github.com/hallpass-go/hallpass/internal/attack"
	"github.com/hallpass-go/hallpass/jwk"
)

// start also returns the key that the example made for itself.
func start(t *testing.T) (*exampletest.Program, *jwk.SecretKey) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users.db")
	p := exampletest.Start(t, run, "-db", file)
	secret, err := os.ReadFile(file + ".secret")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file + ".secret"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret's file: %v, %v", info.Mode(), err)
	}
	key, err := jwk.NewSecret(jwk.HS256, "server", secret)
	if err != nil {
		t.Fatal(err)
	}
	return p, key
}

func TestFlaskjwtUsers_keepsTheContract(t *testing.T) {
	p, key := start(t)
	p.Walk(t, "flaskjwt-users", key, nil)
}

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	answer, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// TestHole_unknownUserIs500: it tells who has an account, and so would an answer that comes too soon.
func TestHole_unknownUserIs500(t *testing.T) {
	p, _ := start(t)
	post(t, p.URL+"/users", `{"username":"matt","password":"foo"}`)
	begin := time.Now()
	status, unknown := post(t, p.URL+"/auth", `{"username":"nobody","password":"foo"}`)
	took := time.Since(begin)
	_, wrong := post(t, p.URL+"/auth", `{"username":"matt","password":"bar"}`)
	if status != http.StatusUnauthorized || unknown != wrong {
		t.Errorf("%d %s, and for a wrong password %s", status, unknown, wrong)
	}
	if took < 5*time.Millisecond {
		t.Errorf("answered in %v, without the work of a hash", took)
	}
}

// TestHole_secretInTheSource: with one of the environment tokens of another are nothing, and the tutorial's own is refused.
func TestHole_secretInTheSource(t *testing.T) {
	t.Setenv("JWT_SECRET_KEY", "Ill never tell")
	if err := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-db", filepath.Join(t.TempDir(), "users.db")}, io.Discard); err == nil {
		t.Error("the tutorial's secret was taken")
	}
}

func TestHole_forgedTokens(t *testing.T) {
	p, key := start(t)
	post(t, p.URL+"/users", `{"username":"matt","password":"foo"}`)
	now := time.Now()
	target := attack.Target{
		Key: key, Issuer: "https://issuer.example", Audience: "api", Now: now, Header: map[string]any{"typ": "JWT", "alg": "HS256"},
		// The user is gone, so that what is no forgery to Flask-JWT is refused too. Package flaskjwt tests which these are.
		Claims: map[string]any{"identity": 99, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Unix() + 300},
	}
	exampletest.RefusesForgeries(t, target, http.StatusUnauthorized, func(token string) *http.Request {
		request, err := http.NewRequest(http.MethodGet, p.URL+"/users/1", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "JWT "+token)
		return request
	})
}
