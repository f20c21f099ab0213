package flaskjwtextended_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hallpass-go/hallpass/compat/contract"
	"github.com/hallpass-go/hallpass/compat/flask"
	fje "github.com/hallpass-go/hallpass/compat/flaskjwtextended"
	"github.com/hallpass-go/hallpass/jwk"
)

type user struct{ Name string }

// revoked holds the IDs of tokens that a logout revoked.
type revoked struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (r *revoked) add(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids[id] = true
}

func (r *revoked) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ids[id]
}

// config is the configuration of testdata/original.py.
func config() (fje.Config[user], *revoked) {
	gone := &revoked{ids: map[string]bool{}}
	random := make([]byte, 32)
	rand.Read(random)
	return fje.Config[user]{
		Secret:   []byte(hex.EncodeToString(random)),
		CSRFForm: true,
		Revoked: func(_ context.Context, claims fje.Claims) (bool, error) {
			id, _ := claims.String("jti")
			return gone.has(id), nil
		},
		VerifyClaims: func(_ context.Context, claims fje.Claims) (bool, error) {
			return claims["banned"] != "true", nil
		},
		Lookup: func(_ context.Context, claims fje.Claims) (user, bool, error) {
			subject, _ := claims.String("sub")
			return user{subject}, !strings.HasPrefix(subject, "gone"), nil
		},
	}, gone
}

func newAuth(t *testing.T, c fje.Config[user]) *fje.Auth[user] {
	t.Helper()
	auth, err := fje.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func who(w http.ResponseWriter, _ *http.Request, id fje.Identity[user]) {
	reply(w, http.StatusOK, map[string]string{"logged_in_as": id.User.Name})
}

func whoIfAny(w http.ResponseWriter, r *http.Request, id *fje.Identity[user]) {
	if id == nil {
		reply(w, http.StatusOK, map[string]any{"logged_in_as": nil})
		return
	}
	who(w, r, *id)
}

// api is the API of testdata/original.py.
type api struct {
	t    *testing.T
	auth *fje.Auth[user]
	gone *revoked
}

func (a *api) access(r *http.Request, subject string, fresh bool) fje.Token {
	token, err := a.auth.AccessToken(r.Context(), subject, fje.Mint{Fresh: fresh})
	if err != nil {
		a.t.Error(err)
	}
	return token
}

func (a *api) refresh(r *http.Request, subject string) fje.Token {
	token, err := a.auth.RefreshToken(r.Context(), subject, fje.Mint{})
	if err != nil {
		a.t.Error(err)
	}
	return token
}

// login checks the user's password and calls then with the user's name.
func (a *api) login(then func(w http.ResponseWriter, r *http.Request, name string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Username, Password string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Username != "joe" ||
			body.Password != "pass" {
			reply(w, http.StatusUnauthorized, map[string]string{"msg": "Bad username or password"})
			return
		}
		then(w, r, body.Username)
	}
}

// serve starts the API.
func serve(t *testing.T, c fje.Config[user], gone *revoked) string {
	t.Helper()
	a := &api{t, newAuth(t, c), gone}
	mux := http.NewServeMux()
	mux.Handle("POST /login", a.login(func(w http.ResponseWriter, r *http.Request, name string) {
		reply(
			w,
			http.StatusOK,
			map[string]string{"access_token": a.access(r, name, true).Text, "refresh_token": a.refresh(r, name).Text},
		)
	}))
	mux.Handle("POST /refresh", a.auth.Func(func(w http.ResponseWriter, r *http.Request, id fje.Identity[user]) {
		reply(w, http.StatusOK, map[string]string{"access_token": a.access(r, id.Subject, false).Text})
	}, fje.Guard{Refresh: true}))
	mux.Handle("DELETE /logout", a.auth.Func(func(w http.ResponseWriter, _ *http.Request, id fje.Identity[user]) {
		jti, _ := id.Claims.String("jti")
		a.gone.add(jti)
		reply(w, http.StatusOK, map[string]string{"msg": "Logged out"})
	}, fje.Guard{AnyType: true}))
	mux.Handle("POST /cookies/login", a.login(func(w http.ResponseWriter, r *http.Request, name string) {
		a.auth.SetCookies(w, a.access(r, name, true), a.refresh(r, name))
		reply(w, http.StatusOK, map[string]bool{"login": true})
	}))
	cookies := []fje.Location{fje.Cookies}
	mux.Handle(
		"POST /cookies/refresh",
		a.auth.Func(func(w http.ResponseWriter, r *http.Request, id fje.Identity[user]) {
			a.auth.SetCookies(w, a.access(r, id.Subject, false))
			reply(w, http.StatusOK, map[string]bool{"refresh": true})
		}, fje.Guard{Refresh: true, Locations: cookies}),
	)
	mux.HandleFunc("POST /cookies/logout", func(w http.ResponseWriter, _ *http.Request) {
		a.auth.UnsetCookies(w)
		reply(w, http.StatusOK, map[string]bool{"logout": true})
	})
	all := []fje.Location{fje.Headers, fje.Cookies, fje.QueryString, fje.JSON}
	both := func(path string, h http.Handler) {
		mux.Handle("GET "+path, h)
		mux.Handle("POST "+path, h)
	}
	both("/protected", a.auth.Func(who, fje.Guard{}))
	both("/fresh", a.auth.Func(who, fje.Guard{Fresh: true}))
	both("/optional", a.auth.Optional(whoIfAny, fje.Guard{}))
	both("/cookies/protected", a.auth.Func(who, fje.Guard{Locations: cookies}))
	both("/query", a.auth.Func(who, fje.Guard{Locations: []fje.Location{fje.QueryString}}))
	both("/json", a.auth.Func(who, fje.Guard{Locations: []fje.Location{fje.JSON}}))
	inJSON := []fje.Location{fje.JSON}
	both("/json/refresh", a.auth.Func(who, fje.Guard{Refresh: true, Locations: inJSON}))
	both("/anywhere", a.auth.Func(who, fje.Guard{Locations: all}))
	both("/anywhere/optional", a.auth.Optional(whoIfAny, fje.Guard{Locations: all}))
	server := httptest.NewServer(flask.Options(mux))
	t.Cleanup(server.Close)
	return server.URL
}

func serverKey(t *testing.T, secret []byte) *jwk.SecretKey {
	t.Helper()
	key, err := jwk.NewSecret(jwk.HS256, "server", secret)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// keepsContract runs the cases.
func keepsContract(t *testing.T, o contract.Options) {
	t.Helper()
	system, err := contract.Load("flask-jwt-extended")
	if err != nil {
		t.Fatal(err)
	}
	o.Variables = map[string]string{"username": "joe", "password": "pass"}
	results, err := system.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		if result.Err != nil {
			t.Errorf("%s: %v", result.Case.Name, result.Err)
		}
	}
}

func TestAuth_keepsTheContract(t *testing.T) {
	c, gone := config()
	keepsContract(t, contract.Options{URL: serve(t, c, gone), Key: serverKey(t, c.Secret)})
}

// TestContract_isTheOriginals checks that the original library passes the cases, except those
// marked as unsafe.
func TestContract_isTheOriginals(t *testing.T) {
	if exec.Command("python3", "-c", "import flask_jwt_extended").Run() != nil {
		const name = "flask-jwt-extended"
		if slices.Contains(strings.Split(os.Getenv("HALLPASS_TEST_REQUIRE"), ","), name) {
			t.Fatal(name + " is required and not there")
		}
		t.Skip(name + " is not there")
	}
	c, _ := config()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, c.Secret, 0o600); err != nil {
		t.Fatal(err)
	}
	original := exec.CommandContext(t.Context(), "python3", "testdata/original.py", file, "joe", "pass")
	output, err := original.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := original.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = original.Wait() }) // it is killed when the test's context ends
	lines := bufio.NewScanner(output)
	if !lines.Scan() {
		t.Fatal("it does not listen")
	}
	keepsContract(
		t,
		contract.Options{URL: "http://127.0.0.1:" + lines.Text(), Original: true, Key: serverKey(t, c.Secret)},
	)
}
