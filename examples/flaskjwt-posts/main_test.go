package main

import (
	"encoding/json"
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

// start also returns the key that the example created.
func start(t *testing.T) (*exampletest.Program, *jwk.SecretKey) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "posts.db")
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

func TestFlaskjwtPosts_keepsTheContract(t *testing.T) {
	p, key := start(t)
	p.Walk(t, "flaskjwt-posts", key, nil)
}

// send sends a request and returns the status and the body of the answer.
func send(t *testing.T, method, url, token, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "JWT "+token)
	}
	answer, err := http.DefaultClient.Do(request)
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

// join signs up a user, who becomes user 1, 2 and so on, and returns their token.
func join(t *testing.T, p *exampletest.Program, name string) string {
	t.Helper()
	body := `{"username":"` + name + `","password":"pw"}`
	send(t, http.MethodPost, p.URL+"/signup", "", body)
	_, answer := send(t, http.MethodPost, p.URL+"/auth", "", body)
	var tokens struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(answer), &tokens); err != nil {
		t.Fatal(err)
	}
	return tokens.AccessToken
}

func TestLimit_manyRequestsOfAnAddress(t *testing.T) {
	p, _ := start(t)
	for n := range 700 {
		answer, err := http.Get(p.URL + "/nothing")
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode == http.StatusNotFound {
			continue
		}
		if n < 600 || answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") != "1" ||
			!strings.Contains(string(text), "Too many requests") {
			t.Errorf("request %d: %d %v %s", n+1, answer.StatusCode, answer.Header, text)
		}
		return
	}
	t.Error("never refused")
}

// TestHole_anotherUsersPostDeleted: posts of another user cannot be read or changed either, by any
// path.
func TestHole_anotherUsersPostDeleted(t *testing.T) {
	p, _ := start(t)
	ann, bob := join(t, p, "ann"), join(t, p, "bob")
	if status, answer := send(t, http.MethodPost, p.URL+"/users/1/posts", ann,
		`{"title":"ann's","body":"text"}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	for _, path := range []string{"/users/1/posts/1", "/users/2/posts/1", "/users/2/posts/01", "/users/1/posts/1%20"} {
		for _, method := range []string{http.MethodDelete, http.MethodPut, http.MethodGet} {
			if status, answer := send(t, method, p.URL+path, bob, `{"title":"bob's"}`); status < 400 || status >= 500 {
				t.Errorf("%s %s: %d %s", method, path, status, answer)
			}
		}
	}
	if status, answer := send(t, http.MethodGet, p.URL+"/users/1/posts/1", ann, ""); status != http.StatusOK ||
		!strings.Contains(answer, "ann's") {
		t.Errorf("%d %s", status, answer)
	}
}

// TestHole_twoUsersOfOneName: the original accepts both, and reports with 200 that it did not.
func TestHole_twoUsersOfOneName(t *testing.T) {
	p, _ := start(t)
	join(t, p, "ann")
	bob := join(t, p, "bob")
	taken := `{"username":"ann","password":"eve"}`
	if status, answer := send(t, http.MethodPost, p.URL+"/signup", "", taken); status != http.StatusConflict {
		t.Errorf("signup: %d %s", status, answer)
	}
	if status, answer := send(t, http.MethodPut, p.URL+"/users/2", bob, taken); status != http.StatusConflict {
		t.Errorf("a change: %d %s", status, answer)
	}
	if status, _ := send(t, http.MethodPost, p.URL+"/auth", "", taken); status != http.StatusUnauthorized {
		t.Errorf("ann's name with another password: %d", status)
	}
}

// TestHole_unknownUserIs500: a 500 would reveal who has an account, and so would an answer that
// comes too soon.
func TestHole_unknownUserIs500(t *testing.T) {
	p, _ := start(t)
	join(t, p, "ann")
	begin := time.Now()
	status, unknown := send(t, http.MethodPost, p.URL+"/auth", "", `{"username":"nobody","password":"pw"}`)
	took := time.Since(begin)
	_, wrong := send(t, http.MethodPost, p.URL+"/auth", "", `{"username":"ann","password":"no"}`)
	if status != http.StatusUnauthorized || unknown != wrong {
		t.Errorf("%d %s, and for a wrong password %s", status, unknown, wrong)
	}
	if took < 5*time.Millisecond {
		t.Errorf("answered in %v, without the work of a hash", took)
	}
}

// TestHole_anotherUserRemoved: a token does not allow changes of another user.
func TestHole_anotherUserRemoved(t *testing.T) {
	p, _ := start(t)
	ann, bob := join(t, p, "ann"), join(t, p, "bob")
	for _, method := range []string{http.MethodDelete, http.MethodPut, http.MethodGet} {
		if status, answer := send(t, method, p.URL+"/users/1", bob,
			`{"username":"eve","password":"x"}`); status != http.StatusForbidden {
			t.Errorf("%s: %d %s", method, status, answer)
		}
	}
	if status, answer := send(t, http.MethodGet, p.URL+"/users/1", ann, ""); status != http.StatusOK ||
		!strings.Contains(answer, "ann") {
		t.Errorf("ann: %d %s", status, answer)
	}
}

// TestHole_postAsAnyone: the original accepts posts without a token.
func TestHole_postAsAnyone(t *testing.T) {
	p, _ := start(t)
	ann, bob := join(t, p, "ann"), join(t, p, "bob")
	for token, want := range map[string]int{"": http.StatusUnauthorized, bob: http.StatusForbidden} {
		if status, _ := send(t, http.MethodPost, p.URL+"/users/1/posts", token,
			`{"title":"x","user_id":"1"}`); status != want {
			t.Errorf("%d, want %d", status, want)
		}
	}
	if _, answer := send(t, http.MethodGet, p.URL+"/users/1/posts", ann, ""); strings.TrimSpace(answer) != "[]" {
		t.Errorf("ann has posts: %s", answer)
	}
}

// TestHole_tokenOfAGoneUser: the answer is 401, and the token never works for a later user.
func TestHole_tokenOfAGoneUser(t *testing.T) {
	p, _ := start(t)
	ann := join(t, p, "ann")
	if status, _ := send(t, http.MethodDelete, p.URL+"/users/1", ann, ""); status != http.StatusNoContent {
		t.Fatal(status)
	}
	join(t, p, "eve")
	if status, answer := send(t, http.MethodGet, p.URL+"/users/1", ann, ""); status != http.StatusUnauthorized {
		t.Errorf("%d %s", status, answer)
	}
}

func TestHole_forgedTokens(t *testing.T) {
	p, key := start(t)
	now := time.Now()
	target := attack.Target{
		Key: key, Issuer: "https://issuer.example", Audience: "api", Now: now,
		Header: map[string]any{"typ": "JWT", "alg": "HS256"},
		// There is no such user, so tokens that are not forgeries to Flask-JWT are refused too. The
		// tests of package flaskjwt show which these are.
		Claims: map[string]any{"identity": 99, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Unix() + 300},
	}
	exampletest.RefusesForgeries(t, target, http.StatusUnauthorized, func(token string) *http.Request {
		request, err := http.NewRequest(http.MethodGet, p.URL+"/users/99", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "JWT "+token)
		return request
	})
}

// TestExpiry_isASetting: tokens are accepted for ten more seconds, the leeway of Flask-JWT.
func TestExpiry_isASetting(t *testing.T) {
	t.Parallel()
	p := exampletest.Start(t, run, "-db", filepath.Join(t.TempDir(), "posts.db"), "-expiry", "2s")
	p.Expires(t, func() string { return join(t, p, "ann") }, func(token string) int {
		status, _ := send(t, http.MethodGet, p.URL+"/users/1", token, "")
		return status
	}, http.StatusUnauthorized)
}

func TestExpiry_ofNothingIsRefused(t *testing.T) {
	exampletest.WantsAnExpiry(t, run, "-db", filepath.Join(t.TempDir(), "file"))
}
