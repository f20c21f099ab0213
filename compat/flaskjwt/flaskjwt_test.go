package flaskjwt_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/compat/contract"
	"github.com/hallpass-go/hallpass/compat/flask"
	"github.com/hallpass-go/hallpass/compat/flaskjwt"
	"github.com/hallpass-go/hallpass/internal/attack"
	"github.com/hallpass-go/hallpass/jwk"
)

type user struct{ ID int64 }

func secret() []byte {
	b := make([]byte, 32)
	rand.Read(b)
	return b
}

// config is the configuration of an API whose user 1 is joe.
func config() flaskjwt.Config[user] {
	return flaskjwt.Config[user]{
		Secret: secret(),
		Authenticate: func(_ context.Context, username, password string) (user, bool, error) {
			return user{1}, username == "joe" && password == "pass", nil
		},
		Identify: func(_ context.Context, claims flaskjwt.Claims) (user, bool, error) {
			id, ok := claims.Int("identity")
			return user{id}, ok && id == 1, nil
		},
		Identity: func(u user) any { return u.ID },
	}
}

func newAuth(t *testing.T, c flaskjwt.Config[user]) *flaskjwt.Auth[user] {
	t.Helper()
	auth, err := flaskjwt.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// serve starts an API with the login and GET /protected.
func serve(t *testing.T, auth *flaskjwt.Auth[user]) string {
	t.Helper()
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.Handle("GET /protected", auth.Func(func(w http.ResponseWriter, _ *http.Request, u user) {
		_ = json.NewEncoder(w).Encode(map[string]int64{"id": u.ID})
	}))
	server := httptest.NewServer(flask.Options(mux))
	t.Cleanup(server.Close)
	return server.URL
}

func serverKey(t *testing.T, c flaskjwt.Config[user]) *jwk.SecretKey {
	t.Helper()
	key, err := jwk.NewSecret(jwk.HS256, "server", c.Secret)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// keepsContract runs the cases.
func keepsContract(t *testing.T, o contract.Options) {
	t.Helper()
	system, err := contract.Load("flask-jwt")
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
	c := config()
	keepsContract(t, contract.Options{URL: serve(t, newAuth(t, c)), Key: serverKey(t, c)})
}

func get(t *testing.T, url, authorization string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/protected", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", authorization)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response
}

// TestAuth_refusesForgeries checks every class of forgery except those that Flask-JWT interprets
// differently or does not know.
func TestAuth_refusesForgeries(t *testing.T) {
	c := config()
	now := time.Now()
	auth := newAuth(t, c)
	handler := auth.Func(func(w http.ResponseWriter, _ *http.Request, _ user) { w.WriteHeader(http.StatusNoContent) })
	target := attack.Target{
		Key: serverKey(t, c), Issuer: "https://issuer.example", Audience: "api", Now: now,
		Header: map[string]any{"typ": "JWT", "alg": "HS256"},
		Claims: map[string]any{"identity": 1, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Unix() + 300},
	}
	status := func(token string) int {
		request := httptest.NewRequest(http.MethodGet, "/protected", nil)
		request.Header.Set("Authorization", "JWT "+token)
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, request)
		return response.Code
	}
	if got := status(target.Valid(t)); got != http.StatusNoContent {
		t.Fatalf("a valid token: %d", got)
	}
	refused := 0
	for forgery := range target.Forgeries(t) {
		switch got := status(forgery.Token); {
		case got == http.StatusUnauthorized:
			refused++
		case got != http.StatusNoContent:
			t.Errorf("%s: %q was answered by %d", forgery.Class, forgery.Name, got)
		case !readsOtherwise(forgery):
			t.Errorf("%s: %q was taken", forgery.Class, forgery.Name)
		}
	}
	if refused < 800 {
		t.Errorf("only %d forgeries were refused", refused)
	}
}

// readsOtherwise reports forgeries that are valid in Flask-JWT. It has one key, so it needs no kid.
// It ignores issuers, scopes and lifetimes. An integer may be written as text. White space around a
// token belongs to the header.
func readsOtherwise(f attack.Forgery) bool {
	switch f.Class {
	case "kid", "issuer":
		return true
	case "typ":
		return f.Name == "<nil>" || strings.EqualFold(f.Name, "JWT")
	case "header text":
		return f.Name == `"Typ"`
	case "claim of a wrong type":
		name, _, _ := strings.Cut(f.Name, " ")
		return name != "exp" && name != "aud"
	case "date":
		return strings.HasSuffix(f.Name, "in text") || strings.HasPrefix(f.Name, "lives for") ||
			strings.HasPrefix(f.Name, "issued in a minute")
	case "spelling":
		before := strings.HasSuffix(f.Name, " before") && !strings.HasPrefix(f.Name, "segment 1") &&
			!strings.HasPrefix(f.Name, "segment 2")
		after := strings.HasSuffix(f.Name, " after") && !strings.HasPrefix(f.Name, "segment 0") &&
			!strings.HasPrefix(f.Name, "segment 1")
		return before || after
	}
	return false
}

func TestNew_tellsEveryMistake(t *testing.T) {
	_, err := flaskjwt.New(flaskjwt.Config[user]{
		Secret: []byte("super-secret"), Expiration: -1, NotBefore: -1, HeaderPrefix: "JWT ", AuthPath: "auth",
		UsernameKey: "password",
	})
	for _, want := range []string{
		"Authenticate is nil", "Identify is nil", "Identity is nil", "Expiration is", "NotBefore is negative",
		"before Expiration",
		"HeaderPrefix", "AuthPath", "UsernameKey", "Secret",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if !errors.Is(err, jwk.ErrWeakKey) {
		t.Errorf("the chapter's own secret was taken: %v", err)
	}
}

func TestNew_settings(t *testing.T) {
	c := config()
	c.Algorithm, c.Secret = jwk.HS512, append(secret(), secret()...)
	c.HeaderPrefix, c.Realm, c.AuthPath = "Token", `the "API"`, "/login"
	c.UsernameKey, c.PasswordKey = "email", "secret"
	c.Leeway, c.NotBefore, c.Expiration = -1, 2*time.Second, time.Minute
	c.RequiredClaims = []string{"team"}
	c.Payload = func(user) map[string]any { return map[string]any{"team": "red", "identity": "overwritten"} }
	c.Indented = true
	now := time.Unix(1_800_000_000, 0)
	c.Now = func() time.Time { return now }
	url := serve(t, newAuth(t, c))

	response, err := http.Post(url+"/login", "application/json", strings.NewReader(`{"email":"joe","secret":"pass"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]int{0: 401, 2 * time.Second: 200,
		59 * time.Second: 200, 61 * time.Second: 401} {
		now = time.Unix(1_800_000_000, 0).Add(after)
		if got := get(t, url, "token "+answer.Token); got.StatusCode != want {
			t.Errorf("after %v: %d, want %d", after, got.StatusCode, want)
		}
	}
	if got := get(t, url, "").Header.Get("WWW-Authenticate"); got != `JWT realm="the \"API\""` {
		t.Errorf("challenge: %s", got)
	}
}

// TestWriteFailure_indentedIsWhatTheChapterQuotes includes the spaces before line breaks.
func TestWriteFailure_indentedIsWhatTheChapterQuotes(t *testing.T) {
	c := config()
	c.Indented = true
	response := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodPost, "/auth",
		strings.NewReader(`{"username": "matt", "password": "alwkjef"}`))
	request.Header.Set("Content-Type", "application/json")
	newAuth(t, c).Login().ServeHTTP(response, request)
	want := "{\n  \"description\": \"Invalid credentials\", \n  \"error\": \"Bad Request\", \n  " +
		"\"status_code\": 401\n}\n"
	if response.Body.String() != want {
		t.Errorf("got %q", response.Body)
	}
}

// TestFunc_failuresOfTheApplicationAre500 also checks that only the application sees the errors.
func TestFunc_failuresOfTheApplicationAre500(t *testing.T) {
	c := config()
	broken := errors.New("the database at db.internal is gone")
	c.Identify = func(context.Context, flaskjwt.Claims) (user, bool, error) { return user{}, true, broken }
	c.Authenticate = func(context.Context, string, string) (user, bool, error) { return user{}, true, broken }
	var told []error
	c.Failed = func(_ context.Context, err error) { told = append(told, err) }
	auth := newAuth(t, c)
	token, err := auth.Token(user{1})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.Handle(
		"GET /protected",
		auth.Func(func(http.ResponseWriter, *http.Request, user) { t.Error("the handler was called") }),
	)
	for _, request := range []*http.Request{
		httptest.NewRequest(http.MethodGet, "/protected", nil),
		httptest.NewRequest(http.MethodPost, "/auth", strings.NewReader(`{"username":"joe","password":"pass"}`)),
	} {
		request.Header.Set("Authorization", "JWT "+token)
		request.Header.Set("Content-Type", "application/json")
		response := httptest.NewRecorder()
		mux.ServeHTTP(response, request)
		if response.Code != http.StatusInternalServerError || strings.Contains(response.Body.String(), "db.internal") {
			t.Errorf("%s: %d %s", request.URL.Path, response.Code, response.Body)
		}
	}
	if len(told) != 2 || !errors.Is(told[0], broken) || !errors.Is(told[1], broken) {
		t.Errorf("told %v", told)
	}
}

// TestError_isTheAnswer checks that an Error is sent like a JWTError of an application, with 401 if
// it has no status.
func TestError_isTheAnswer(t *testing.T) {
	c := config()
	c.Authenticate = func(context.Context, string, string) (user, bool, error) {
		busy := &flaskjwt.Error{
			Name: "Service Unavailable", Description: "Come again", StatusCode: 503,
			Header: http.Header{"Retry-After": {"2"}},
		}
		return user{}, true, fmt.Errorf("hashing: %w", busy)
	}
	c.Identify = func(context.Context, flaskjwt.Claims) (user, bool, error) {
		return user{}, true, &flaskjwt.Error{Name: "Invalid JWT", Description: "It was revoked"}
	}
	c.Failed = func(_ context.Context, err error) { t.Errorf("told %v", err) }
	auth := newAuth(t, c)
	url := serve(t, auth)
	token, err := auth.Token(user{1})
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, url, "JWT "+token); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("revoked: %d", got.StatusCode)
	}
	response, err := http.Post(url+"/auth", "application/json",
		strings.NewReader(`{"username":"joe","password":"pass"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	want := `{"description":"Come again","error":"Service Unavailable","status_code":503}` + "\n"
	if err != nil || response.StatusCode != 503 || response.Header.Get("Retry-After") != "2" || string(body) != want {
		t.Errorf("busy: %d %v %s %v", response.StatusCode, response.Header, body, err)
	}
}

// TestToken_lacksARequiredClaim: the original answers the login with 500. Here the application gets
// an error.
func TestToken_lacksARequiredClaim(t *testing.T) {
	c := config()
	c.RequiredClaims = []string{"team"}
	if _, err := newAuth(t, c).Token(user{1}); err == nil || !strings.Contains(err.Error(), "team") {
		t.Errorf("got %v", err)
	}
}

func TestLogin_bodiesOverTheLimitAreRefused(t *testing.T) {
	request := httptest.NewRequest(http.MethodPost, "/auth",
		strings.NewReader(`{"username":"`+strings.Repeat("x", 1<<20)+`"}`))
	request.Header.Set("Content-Type", "application/json")
	response := httptest.NewRecorder()
	newAuth(t, config()).Login().ServeHTTP(response, request)
	if response.Code != http.StatusBadRequest {
		t.Errorf("got %d", response.Code)
	}
}

// TestFunc_answersOptionsItself: for a pattern without a method, OPTIONS calls no handler and needs
// no token.
func TestFunc_answersOptionsItself(t *testing.T) {
	handler := newAuth(t, config()).Func(func(http.ResponseWriter, *http.Request, user) {
		t.Error("the handler is called")
	})
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodOptions, "/protected", nil))
	if answer.Code != http.StatusOK || answer.Header().Get("Allow") == "" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
}
