package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/compat/flaskjwt"
	"github.com/hallpass-go/hallpass/examples/internal/exampletest"
	"github.com/hallpass-go/hallpass/internal/attack"
	"github.com/hallpass-go/hallpass/jwk"
)

// start also returns the key that the example created.
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

// TestHole_unknownUserIs500: a 500 would reveal who has an account, and so would an answer that
// comes too soon.
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

// send sends a request with a token and returns the status of the answer.
func send(t *testing.T, method, url, token, body string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "JWT "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// join creates a user, who becomes user 1, 2 and so on, and returns their token.
func join(t *testing.T, p *exampletest.Program, name string) string {
	t.Helper()
	body := `{"username":"` + name + `","password":"foo"}`
	post(t, p.URL+"/users", body)
	_, text := post(t, p.URL+"/auth", body)
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("%v: %s", err, text)
	}
	return answer.AccessToken
}

// TestHole_twoUsersOfOneName: neither in sequence, nor concurrently, nor by a change of name.
func TestHole_twoUsersOfOneName(t *testing.T) {
	p, _ := start(t)
	join(t, p, "matt")
	elie := join(t, p, "elie")
	taken := `{"username":"matt","password":"eve"}`
	if status, text := post(t, p.URL+"/users", taken); status != http.StatusConflict {
		t.Errorf("again: %d %s", status, text)
	}
	if status := send(t, http.MethodPatch, p.URL+"/users/2", elie, taken); status != http.StatusConflict {
		t.Errorf("by a change: %d", status)
	}
	statuses := make(chan int, 4)
	for range cap(statuses) {
		go func() {
			answer, err := http.Post(p.URL+"/users", "application/json",
				strings.NewReader(`{"username":"tim","password":"x"}`))
			if err != nil {
				statuses <- 0
				return
			}
			answer.Body.Close()
			statuses <- answer.StatusCode
		}()
	}
	made := map[int]int{}
	for range cap(statuses) {
		made[<-statuses]++
	}
	// On a busy machine a hash may wait too long. Then no user is created either.
	if made[http.StatusOK] != 1 || made[http.StatusConflict]+made[http.StatusServiceUnavailable] != cap(statuses)-1 {
		t.Errorf("at once: %v", made)
	}
	if status, _ := post(t, p.URL+"/auth", taken); status != http.StatusUnauthorized {
		t.Errorf("matt's name with another password: %d", status)
	}
}

// TestHole_anotherUserChanged: a token does not allow reading or changing another user.
func TestHole_anotherUserChanged(t *testing.T) {
	p, _ := start(t)
	matt, elie := join(t, p, "matt"), join(t, p, "elie")
	for _, method := range []string{http.MethodGet, http.MethodPatch} {
		if status := send(t, method, p.URL+"/users/1", elie,
			`{"username":"eve","password":"x"}`); status != http.StatusForbidden {
			t.Errorf("%s: %d", method, status)
		}
	}
	if status := send(t, http.MethodGet, p.URL+"/users/1", matt, ""); status != http.StatusOK {
		t.Errorf("matt: %d", status)
	}
	if status, _ := post(t, p.URL+"/auth", `{"username":"matt","password":"foo"}`); status != http.StatusOK {
		t.Errorf("matt's login: %d", status)
	}
}

// TestHole_loginByAnyField: only the two fields are accepted, only texts, and only in this
// spelling.
func TestHole_loginByAnyField(t *testing.T) {
	p, _ := start(t)
	join(t, p, "matt")
	for _, body := range []string{
		`{"username":"matt","password":"foo","id":1}`, `{"id":1,"password":"foo"}`,
		`{"Username":"matt","Password":"foo"}`,
		`{"username":1,"password":"foo"}`, `{"username":["matt"],"password":"foo"}`,
		`{"username":{"$ne":""},"password":"foo"}`,
		`{"username":"matt","password":true}`, `{"username":"%","password":"foo"}`,
		`{"username":"matt' --","password":"x"}`,
		`[["username","matt"],["password","foo"]]`,
	} {
		if status, text := post(t, p.URL+"/auth", body); status != http.StatusUnauthorized ||
			!strings.Contains(text, "Invalid credentials") {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	twice := `{"username":"nobody","username":"matt","password":"foo"}`
	if status, text := post(t, p.URL+"/auth", twice); status != http.StatusBadRequest {
		t.Errorf("a field twice: %d %s", status, text)
	}
}

// TestHole_floodOfLogins: hashes for unknown users can be requested in any number. They wait for
// each other and then give up.
func TestHole_floodOfLogins(t *testing.T) {
	users, err := openUsers(t.Context(), filepath.Join(t.TempDir(), "users.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer users.Close()
	const flood = 300
	answers := make(chan error, flood)
	for range flood {
		go func() {
			_, _, err := users.authenticate(t.Context(), "nobody", "x")
			answers <- err
		}()
	}
	turnedAway := 0
	for range flood {
		err := <-answers
		if busy, ok := errors.AsType[*flaskjwt.Error](err); ok && busy.StatusCode == http.StatusServiceUnavailable {
			turnedAway++
		} else if err != nil {
			t.Error(err)
		}
	}
	if turnedAway == 0 {
		t.Errorf("all of %d were hashed", flood)
	}
}

// TestHole_secretInTheSource: the secret comes from the environment, other tokens are invalid, and
// the tutorial's secret is refused.
func TestHole_secretInTheSource(t *testing.T) {
	t.Setenv("JWT_SECRET_KEY", "Ill never tell")
	if err := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-db",
		filepath.Join(t.TempDir(), "users.db")}, io.Discard); err == nil {
		t.Error("the tutorial's secret was taken")
	}
}

func TestHole_forgedTokens(t *testing.T) {
	p, key := start(t)
	post(t, p.URL+"/users", `{"username":"matt","password":"foo"}`)
	now := time.Now()
	target := attack.Target{
		Key: key, Issuer: "https://issuer.example", Audience: "api", Now: now,
		Header: map[string]any{"typ": "JWT", "alg": "HS256"},
		// There is no such user, so tokens that are not forgeries to Flask-JWT are refused too. The
		// tests of package flaskjwt show which these are.
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

// TestExpiry_isASetting: tokens are accepted for ten more seconds, the leeway of Flask-JWT.
func TestExpiry_isASetting(t *testing.T) {
	t.Parallel()
	p := exampletest.Start(t, run, "-db", filepath.Join(t.TempDir(), "users.db"), "-expiry", "2s")
	p.Expires(t, func() string { return join(t, p, "matt") }, func(token string) int {
		return send(t, http.MethodGet, p.URL+"/users/1", token, "")
	}, http.StatusUnauthorized)
}

func TestExpiry_ofNothingIsRefused(t *testing.T) {
	exampletest.WantsAnExpiry(t, run, "-db", filepath.Join(t.TempDir(), "file"))
}

// TestAddress_isTheChapters unless -addr gives another one. The test works even if port 3000 is in
// use.
func TestAddress_isTheChapters(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	var out strings.Builder
	err := run(ctx, []string{"-db", filepath.Join(t.TempDir(), "users.db")}, &out)
	if said := fmt.Sprint(out.String(), err); !strings.Contains(said, "127.0.0.1:3000") {
		t.Error(said)
	}
}
