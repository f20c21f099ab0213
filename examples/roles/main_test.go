package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/examples/internal/exampletest"
	"github.com/hallpass-go/hallpass/internal/attack"
	"github.com/hallpass-go/hallpass/jwk"
)

func start(t *testing.T) (p *exampletest.Program, file string) {
	t.Helper()
	t.Setenv("ROLES_PASSWORD", "the admin's own")
	file = filepath.Join(t.TempDir(), "roles.db")
	return exampletest.Start(t, run, "-db", file), file
}

func TestRoles_keepsTheContract(t *testing.T) {
	p, _ := start(t)
	p.Walk(t, "roles", nil, map[string]string{"username": "admin", "password": "the admin's own"})
}

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	answer, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var members struct {
		AccessToken string `json:"access_token"`
	}
	_ = json.NewDecoder(answer.Body).Decode(&members)
	return answer.StatusCode, members.AccessToken
}

func get(t *testing.T, url, token string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// TestHole_anyPasswordLogin: the tutorial's placeholder logs everybody in.
func TestHole_anyPasswordLogin(t *testing.T) {
	p, _ := start(t)
	for body, want := range map[string]int{
		`{"username":"admin","password":"x"}`:  401,
		`{"username":"admin","password":""}`:   401,
		`{"username":"admin"}`:                 422,
		`{"username":"nobody","password":"x"}`: 401,
	} {
		if status, token := post(t, p.URL+"/login", body); status != want || token != "" {
			t.Errorf("%s: %d", body, status)
		}
	}
}

// TestHole_aRoleOfOnesOwnChoice: users can choose it neither at registration nor at login.
func TestHole_aRoleOfOnesOwnChoice(t *testing.T) {
	p, _ := start(t)
	post(t, p.URL+"/register", `{"username":"eve","password":"pw"}`)
	for _, body := range []string{`{"username":"eve","password":"pw","role":"admin"}`,
		`{"username":"eve","password":"pw","roles":["admin"]}`} {
		if status, _ := post(t, p.URL+"/login", body); status == http.StatusOK {
			t.Errorf("%s was taken", body)
		}
	}
	_, token := post(t, p.URL+"/login", `{"username":"eve","password":"pw"}`)
	if got := get(t, p.URL+"/admin", token); got != http.StatusForbidden {
		t.Errorf("a user at the admin's route: %d", got)
	}
}

// TestHole_theFirstAdminIsMadeOnce: a second start neither creates another admin nor changes the
// password.
func TestHole_theFirstAdminIsMadeOnce(t *testing.T) {
	p, file := start(t)
	p.Stop(t)
	t.Setenv("ROLES_PASSWORD", "another")
	p = exampletest.Start(t, run, "-db", file, "-admin", "root")
	for body, want := range map[string]int{
		`{"username":"admin","password":"the admin's own"}`: http.StatusOK,
		`{"username":"admin","password":"another"}`:         http.StatusUnauthorized,
		`{"username":"root","password":"another"}`:          http.StatusUnauthorized,
	} {
		if status, _ := post(t, p.URL+"/login", body); status != want {
			t.Errorf("%s: %d, want %d", body, status, want)
		}
	}
}

func TestHole_forgedTokens(t *testing.T) {
	p, file := start(t)
	keys, err := jwk.OpenFile(file + ".keys.json")
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.SigningKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	target := attack.Target{Key: key, Issuer: "roles", Audience: "roles", Now: time.Now()}
	exampletest.RefusesForgeries(t, target, http.StatusUnauthorized, func(token string) *http.Request {
		request, err := http.NewRequest(http.MethodGet, p.URL+"/protected", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		return request
	})
}

// TestHole_aNameThatNoTokenCanHold is refused at registration, not only at each login.
func TestHole_aNameThatNoTokenCanHold(t *testing.T) {
	p, _ := start(t)
	for _, name := range []string{`tab\tbed`, `\u0000`, `line\nfeed`, strings.Repeat("x", 300)} {
		if status, answer := post(t, p.URL+"/register", `{"username":"`+name+`","password":"pw"}`); status != 422 {
			t.Errorf("%.20s: %d %s", name, status, answer)
		}
	}
	post(t, p.URL+"/register", `{"username":"zoë \"q\"","password":"pw"}`)
	if status, answer := post(t, p.URL+"/login", `{"username":"zoë \"q\"","password":"pw"}`); status != 200 {
		t.Errorf("a name that can be signed: %d %s", status, answer)
	}
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// send posts a body with an access token and returns the status and the tokens of the answer.
func send(t *testing.T, url, access, body string) (int, tokens) {
	t.Helper()
	content := strings.NewReader(body)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, content)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if access != "" {
		request.Header.Set("Authorization", "Bearer "+access)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var got tokens
	_ = json.NewDecoder(answer.Body).Decode(&got)
	return answer.StatusCode, got
}

const adminLogin = `{"username":"admin","password":"the admin's own"}`

// TestRoles_refreshesAndLogsOut: the tutorial recommends this and leaves it to the reader.
func TestRoles_refreshesAndLogsOut(t *testing.T) {
	p, _ := start(t)
	_, first := send(t, p.URL+"/login", "", adminLogin)
	status, second := send(t, p.URL+"/refresh", "", `{"refresh_token":"`+first.Refresh+`"}`)
	if status != http.StatusOK || second.Refresh == first.Refresh {
		t.Fatalf("refresh: %d", status)
	}
	if got := get(t, p.URL+"/admin", second.Access); got != http.StatusOK {
		t.Errorf("the token that it brings: %d", got)
	}
	if status, _ := send(t, p.URL+"/logout", second.Access, ""); status != http.StatusNoContent {
		t.Errorf("logout: %d", status)
	}
	for name, token := range map[string]string{"first": first.Access, "second": second.Access} {
		if got := get(t, p.URL+"/protected", token); got != http.StatusUnauthorized {
			t.Errorf("the %s access token after the logout: %d", name, got)
		}
	}
	status, _ = send(t, p.URL+"/refresh", "", `{"refresh_token":"`+second.Refresh+`"}`)
	if status != http.StatusUnauthorized {
		t.Errorf("a refresh after the logout: %d", status)
	}
}

// TestRoles_aLogoutHoldsAfterARestart, while other sessions continue.
func TestRoles_aLogoutHoldsAfterARestart(t *testing.T) {
	p, file := start(t)
	_, out := send(t, p.URL+"/login", "", adminLogin)
	_, in := send(t, p.URL+"/login", "", adminLogin)
	if status, _ := send(t, p.URL+"/logout", out.Access, ""); status != http.StatusNoContent {
		t.Fatalf("logout: %d", status)
	}
	p.Stop(t)
	p = exampletest.Start(t, run, "-db", file)
	const notYet = http.StatusServiceUnavailable // it first has to read the revocations
	status := notYet
	for begin := time.Now(); status == notYet && time.Since(begin) < 10*time.Second; {
		status = get(t, p.URL+"/protected", out.Access)
	}
	if status != http.StatusUnauthorized {
		t.Errorf("a token from before the logout: %d", status)
	}
	if got := get(t, p.URL+"/protected", in.Access); got != http.StatusOK {
		t.Errorf("a token of another session: %d", got)
	}
	status, _ = send(t, p.URL+"/refresh", "", `{"refresh_token":"`+in.Refresh+`"}`)
	if status != http.StatusOK {
		t.Errorf("its refresh token: %d", status)
	}
}

func TestExpiry_isASetting(t *testing.T) {
	t.Setenv("ROLES_PASSWORD", "the admin's own")
	p := exampletest.Start(t, run, "-db", filepath.Join(t.TempDir(), "roles.db"), "-expiry", "2s")
	p.Expires(t, func() string {
		_, got := send(t, p.URL+"/login", "", adminLogin)
		return got.Access
	}, func(token string) int { return get(t, p.URL+"/protected", token) }, http.StatusUnauthorized)
}

func TestExpiry_ofNothingIsRefused(t *testing.T) {
	exampletest.WantsAnExpiry(t, run, "-db", filepath.Join(t.TempDir(), "file"))
}

func TestJWKS_verifiesTokensElsewhere(t *testing.T) {
	p, _ := start(t)
	_, got := send(t, p.URL+"/login", "", adminLogin)
	p.IsVerifiedElsewhere(t, "roles", got.Access)
}
