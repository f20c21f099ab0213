package flaskjwtextended_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/compat/contract"
	fje "github.com/hallpass-go/hallpass/compat/flaskjwtextended"
	"github.com/hallpass-go/hallpass/internal/attack"
	"github.com/hallpass-go/hallpass/jwk"
)

type user struct{ name string }

type caller = fje.Caller[user]

// app is an application whose one user is joe, and of whose tenant tokens may not name another.
type app struct {
	*fje.Manager[user]
	key     *jwk.SecretKey
	revoked sync.Map
}

func newApp(t *testing.T, c fje.Config[user]) *app {
	t.Helper()
	a := &app{}
	c.Secret = make([]byte, 32)
	rand.Read(c.Secret)
	c.Lookup = func(_ context.Context, token fje.Token) (user, bool, error) {
		return user{token.Identity}, token.Identity == "joe", nil
	}
	c.IsRevoked = func(_ context.Context, token fje.Token) (bool, error) {
		_, revoked := a.revoked.Load(token.ID)
		return revoked, nil
	}
	c.VerifyClaims = func(_ context.Context, token fje.Token) bool {
		tenant, named := token.String("tenant")
		return !named || tenant == "ours"
	}
	var err error
	if a.Manager, err = fje.New(c); err != nil {
		t.Fatal(err)
	}
	if a.key, err = jwk.NewSecret(jwk.HS256, "server", c.Secret); err != nil {
		t.Fatal(err)
	}
	return a
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// who answers with whom the request is from, and where it had its token.
func who(w http.ResponseWriter, _ *http.Request, c caller) {
	if !c.Present {
		writeJSON(w, map[string]any{"identity": nil})
		return
	}
	writeJSON(w, map[string]any{"identity": c.User.name, "location": c.Location})
}

func (a *app) routes(t *testing.T) http.Handler {
	mux := http.NewServeMux()
	tokens := func(r *http.Request) (access, refresh string) {
		var body struct{ Username, Password string }
		if json.NewDecoder(r.Body).Decode(&body) != nil || body.Password != "pass" {
			t.Error("a login failed")
		}
		access, err := a.AccessToken(body.Username, fje.TokenOptions{Fresh: true})
		if err != nil {
			t.Error(err)
		}
		if refresh, err = a.RefreshToken(body.Username, fje.TokenOptions{}); err != nil {
			t.Error(err)
		}
		return access, refresh
	}
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		access, refresh := tokens(r)
		writeJSON(w, map[string]string{"access_token": access, "refresh_token": refresh})
	})
	mux.HandleFunc("POST /cookie-login", func(w http.ResponseWriter, r *http.Request) {
		access, refresh := tokens(r)
		if err := a.SetAccessCookies(w, access); err != nil {
			t.Error(err)
		}
		if err := a.SetRefreshCookies(w, refresh); err != nil {
			t.Error(err)
		}
		writeJSON(w, map[string]string{"msg": "login successful"})
	})
	mux.Handle("POST /refresh", a.FuncWith(fje.Guard{Refresh: true}, func(w http.ResponseWriter, _ *http.Request, c caller) {
		access, err := a.AccessToken(c.Identity, fje.TokenOptions{})
		if err != nil {
			t.Error(err)
		}
		writeJSON(w, map[string]string{"access_token": access})
	}))
	mux.Handle("DELETE /logout", a.Func(func(w http.ResponseWriter, _ *http.Request, c caller) {
		a.revoked.Store(c.ID, true)
		writeJSON(w, map[string]string{"msg": "logged out"})
	}))
	mux.Handle("/protected", a.Func(who))
	mux.Handle("GET /optional", a.FuncWith(fje.Guard{Optional: true}, func(w http.ResponseWriter, _ *http.Request, c caller) {
		var identity any
		if c.Present {
			identity = c.Identity
		}
		writeJSON(w, map[string]any{"identity": identity})
	}))
	mux.Handle("GET /fresh", a.FuncWith(fje.Guard{Fresh: true}, who))
	mux.Handle("/everywhere", a.FuncWith(fje.Guard{Locations: []fje.Location{fje.Headers, fje.Cookies, fje.QueryString, fje.JSON}}, who))
	mux.Handle("/cookies", a.FuncWith(fje.Guard{Locations: []fje.Location{fje.Cookies}}, who))
	mux.Handle("POST /cookie-refresh", a.FuncWith(fje.Guard{Refresh: true, Locations: []fje.Location{fje.Cookies}}, who))
	mux.Handle("/query", a.FuncWith(fje.Guard{Locations: []fje.Location{fje.QueryString}}, who))
	mux.Handle("/json", a.FuncWith(fje.Guard{Locations: []fje.Location{fje.JSON}}, who))
	return mux
}

func TestManager_keepsTheContract(t *testing.T) {
	a := newApp(t, fje.Config[user]{})
	server := httptest.NewServer(a.routes(t))
	defer server.Close()
	system, err := contract.Load("flask-jwt-extended")
	if err != nil {
		t.Fatal(err)
	}
	results, err := system.Run(t.Context(), contract.Options{
		URL: server.URL, Key: a.key, Variables: map[string]string{"username": "joe", "password": "pass"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		if result.Err != nil {
			t.Errorf("%s: %v", result.Case.Name, result.Err)
		}
	}
}

// status is what a request with a token in its header is answered by, with a handler that answers 204.
func (a *app) status(g fje.Guard, token string) int {
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	response := httptest.NewRecorder()
	a.FuncWith(g, func(w http.ResponseWriter, _ *http.Request, _ caller) { w.WriteHeader(http.StatusNoContent) }).ServeHTTP(response, request)
	return response.Code
}

// TestManager_refusesForgeries of every class but for what Flask-JWT-Extended reads in another way or does not know.
func TestManager_refusesForgeries(t *testing.T) {
	now := time.Now()
	a := newApp(t, fje.Config[user]{Issuer: "https://issuer.example", Audience: "api"})
	target := attack.Target{
		Key: a.key, Issuer: "https://issuer.example", Audience: "api", Now: now, Header: map[string]any{"typ": "JWT", "alg": "HS256"},
		Claims: map[string]any{
			"fresh": true, "iat": now.Unix(), "jti": "token-1", "type": "access", "sub": "joe", "nbf": now.Unix(), "csrf": "csrf-1",
			"exp": now.Unix() + 300, "aud": "api", "iss": "https://issuer.example",
		},
	}
	if got := a.status(fje.Guard{}, target.Valid(t)); got != http.StatusNoContent {
		t.Fatalf("a valid token: %d", got)
	}
	refused := 0
	for forgery := range target.Forgeries(t) {
		switch got := a.status(fje.Guard{}, forgery.Token); {
		case got == http.StatusUnauthorized || got == http.StatusUnprocessableEntity:
			refused++
		case got != http.StatusNoContent:
			t.Errorf("%s: %q was answered by %d", forgery.Class, forgery.Name, got)
		case !readsOtherwise(forgery):
			t.Errorf("%s: %q was taken", forgery.Class, forgery.Name)
		}
	}
	if refused < 900 {
		t.Errorf("only %d forgeries were refused", refused)
	}
}

// readsOtherwise names what is no forgery to Flask-JWT-Extended: it has one key, so it needs no kid; lifetimes have no bound; an
// integer may be written as text; a claim that only the application looks at may be anything; and blanks and commas around a
// token are the header's.
func readsOtherwise(f attack.Forgery) bool {
	name, _, _ := strings.Cut(f.Name, " ")
	switch f.Class {
	case "kid":
		return true
	case "typ":
		return f.Name == "<nil>" || strings.EqualFold(f.Name, "JWT")
	case "header text":
		return f.Name == `"Typ"`
	case "claims text":
		return f.Name == "IAT" || f.Name == "JTI"
	case "missing claim":
		return name == "fresh" || name == "csrf" || name == "jti" || name == "nbf" || name == "iat"
	case "claim of a wrong type":
		return name != "exp" && name != "aud" && name != "iss" && name != "sub" && name != "type"
	case "date":
		return strings.HasSuffix(f.Name, "in text") || strings.HasPrefix(f.Name, "lives for")
	case "audience":
		return strings.HasPrefix(f.Name, "[api")
	case "spelling":
		before := strings.HasSuffix(f.Name, " before") && !strings.HasPrefix(f.Name, "segment 1") && !strings.HasPrefix(f.Name, "segment 2")
		after := strings.HasSuffix(f.Name, " after") && !strings.HasPrefix(f.Name, "segment 0") && !strings.HasPrefix(f.Name, "segment 1")
		return before || after || f.Name == "two with a comma"
	}
	return false
}

func TestNew_tellsEveryMistake(t *testing.T) {
	_, err := fje.New(fje.Config[user]{Secret: []byte("super-secret"), Locations: []fje.Location{"body"}, Leeway: -1})
	for _, want := range []string{"Secret", `no "body"`, "Leeway"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if !errors.Is(err, jwk.ErrWeakKey) {
		t.Errorf("a weak secret was taken: %v", err)
	}
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fje.New(fje.Config[user]{PrivateKey: key, Secret: make([]byte, 32)}); err == nil {
		t.Error("two keys were taken")
	}
}

// TestManager_asymmetricKey: its algorithm is the only one that is taken.
func TestManager_asymmetricKey(t *testing.T) {
	for _, alg := range []jwk.Algorithm{jwk.RS256, jwk.ES256, jwk.EdDSA} {
		key, err := jwk.Generate(alg)
		if err != nil {
			t.Fatal(err)
		}
		m, err := fje.New(fje.Config[user]{PrivateKey: key})
		if err != nil {
			t.Fatal(err)
		}
		token, err := m.AccessToken("joe", fje.TokenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		a := &app{Manager: m}
		if got := a.status(fje.Guard{}, token); got != http.StatusNoContent {
			t.Errorf("%s: %d", alg, got)
		}
		public, err := json.Marshal(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		confused, err := jwk.NewSecret(jwk.HS256, "k", public)
		if err != nil {
			t.Fatal(err)
		}
		target := attack.Target{Key: confused, Now: time.Now(), Header: map[string]any{"alg": "HS256", "typ": "JWT"}, Claims: map[string]any{"sub": "joe", "type": "access", "exp": 1 << 40}}
		if got := a.status(fje.Guard{}, target.Valid(t)); got != http.StatusUnprocessableEntity {
			t.Errorf("%s: signed with the public key: %d", alg, got)
		}
	}
}

// TestManager_lifetimes: the token's end, that of its freshness, and none.
func TestManager_lifetimes(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	a := newApp(t, fje.Config[user]{AccessExpires: time.Minute, RefreshExpires: fje.Never, Now: func() time.Time { return now }})
	make := func(o fje.TokenOptions) string {
		token, err := a.AccessToken("joe", o)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	short, fresh, eternal := make(fje.TokenOptions{}), make(fje.TokenOptions{FreshFor: 10 * time.Second}), make(fje.TokenOptions{Expires: fje.Never})
	for _, test := range []struct {
		after time.Duration
		token string
		guard fje.Guard
		want  int
	}{
		{59 * time.Second, short, fje.Guard{}, 204}, {60 * time.Second, short, fje.Guard{}, 401},
		{10 * time.Second, fresh, fje.Guard{Fresh: true}, 204}, {11 * time.Second, fresh, fje.Guard{Fresh: true}, 401}, {11 * time.Second, fresh, fje.Guard{}, 204},
		{1000 * time.Hour, eternal, fje.Guard{}, 204},
	} {
		now = time.Unix(1_800_000_000, 0).Add(test.after)
		if got := a.status(test.guard, test.token); got != test.want {
			t.Errorf("after %v: %d, want %d", test.after, got, test.want)
		}
	}
}

func TestManager_settings(t *testing.T) {
	a := newApp(t, fje.Config[user]{
		HeaderName: "X-Token", BareHeader: true, QueryName: "t", QueryPrefix: "v1:", ErrorMessageKey: "error", WithoutNotBefore: true,
		Locations: []fje.Location{fje.Headers, fje.QueryString}, IdentityClaim: "user",
	})
	token, err := a.AccessToken("joe", fje.TokenOptions{Claims: map[string]any{"tenant": "ours"}})
	if err != nil {
		t.Fatal(err)
	}
	handler := a.Func(func(w http.ResponseWriter, _ *http.Request, c caller) {
		if tenant, _ := c.String("tenant"); tenant != "ours" || c.Claims["nbf"] != "" || c.Identity != "joe" {
			t.Errorf("caller %+v", c)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	for _, test := range []struct{ header, query, want string }{
		{token, "", ""},
		{"", "?t=v1:" + token, ""},
		{token + " x", "", `{"error":"Bad X-Token header. Expected 'X-Token: <JWT>'"}`},
		{"", "?t=" + token, `{"error":"Invalid value for query parameter 't'. Expected the value to start with 'v1:'"}`},
		{"", "", `{"error":"Missing JWT in headers or query_string (Missing X-Token Header; Missing 't' query paramater)"}`},
	} {
		request := httptest.NewRequest(http.MethodGet, "/"+test.query, nil)
		request.Header.Set("X-Token", test.header)
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, request)
		if got := strings.TrimSpace(response.Body.String()); got != test.want {
			t.Errorf("%q %q: got %s, want %s", test.header, test.query, got, test.want)
		}
	}
}

// TestManager_cookieSettings: names, paths and attributes, and that unsetting names the same cookies.
func TestManager_cookieSettings(t *testing.T) {
	a := newApp(t, fje.Config[user]{Cookie: fje.CookieConfig{
		AccessName: "a", AccessPath: "/api", AccessCSRFName: "ac", Domain: "example.com", Lasting: true, Insecure: true, Strict: true,
	}})
	token, err := a.AccessToken("joe", fje.TokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	response := httptest.NewRecorder()
	if err := a.SetAccessCookies(response, token); err != nil {
		t.Fatal(err)
	}
	csrf, err := a.CSRFToken(token)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a=" + token + "; Path=/api; Domain=example.com; Max-Age=31540000; HttpOnly; SameSite=Strict",
		"ac=" + csrf + "; Path=/; Domain=example.com; Max-Age=31540000; SameSite=Strict",
	}
	if got := response.Header().Values("Set-Cookie"); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	response = httptest.NewRecorder()
	a.UnsetCookies(response)
	if got := strings.Join(response.Header().Values("Set-Cookie"), "\n"); strings.Count(got, "Max-Age=0") != 4 || !strings.Contains(got, "a=; Path=/api") {
		t.Errorf("got %q", got)
	}
	if err := a.SetAccessCookies(response, token+"x"); err == nil {
		t.Error("a token that does not verify was put into a cookie")
	}
}

// TestManager_csrfInAForm, when the settings say so.
func TestManager_csrfInAForm(t *testing.T) {
	for allowed, want := range map[bool]int{true: http.StatusNoContent, false: http.StatusUnauthorized} {
		a := newApp(t, fje.Config[user]{Locations: []fje.Location{fje.Cookies}, Cookie: fje.CookieConfig{CSRFForm: allowed}})
		token, err := a.AccessToken("joe", fje.TokenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		csrf, err := a.CSRFToken(token)
		if err != nil {
			t.Fatal(err)
		}
		request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("csrf_token="+csrf))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Cookie", "access_token_cookie="+token)
		response := httptest.NewRecorder()
		a.Func(func(w http.ResponseWriter, _ *http.Request, _ caller) { w.WriteHeader(http.StatusNoContent) }).ServeHTTP(response, request)
		if response.Code != want {
			t.Errorf("allowed=%t: %d", allowed, response.Code)
		}
	}
}

// TestFunc_jsonLeavesTheBody for the handler to read, however long it is.
func TestFunc_jsonLeavesTheBody(t *testing.T) {
	a := newApp(t, fje.Config[user]{Locations: []fje.Location{fje.JSON}})
	token, err := a.AccessToken("joe", fje.TokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	body := `{"access_token":"` + token + `","text":"` + strings.Repeat("x", 1000) + `"}`
	request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	a.Func(func(_ http.ResponseWriter, r *http.Request, _ caller) {
		if got, err := io.ReadAll(r.Body); string(got) != body {
			t.Errorf("read %d bytes of %d, %v", len(got), len(body), err)
		}
	}).ServeHTTP(httptest.NewRecorder(), request)
}

// TestFunc_failuresOfTheApplicationAre500, and are told to the application only.
func TestFunc_failuresOfTheApplicationAre500(t *testing.T) {
	broken := errors.New("the database at db.internal is gone")
	var told []error
	config := fje.Config[user]{Secret: make([]byte, 32), Failed: func(_ context.Context, err error) { told = append(told, err) }}
	rand.Read(config.Secret)
	for name, set := range map[string]func(*fje.Config[user]){
		"lookup": func(c *fje.Config[user]) {
			c.Lookup = func(context.Context, fje.Token) (user, bool, error) { return user{}, true, broken }
		},
		"revocation": func(c *fje.Config[user]) {
			c.IsRevoked = func(context.Context, fje.Token) (bool, error) { return false, broken }
		},
	} {
		c := config
		set(&c)
		m, err := fje.New(c)
		if err != nil {
			t.Fatal(err)
		}
		token, err := m.AccessToken("joe", fje.TokenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		told = nil
		if got := (&app{Manager: m}).status(fje.Guard{}, token); got != http.StatusInternalServerError {
			t.Errorf("%s: %d", name, got)
		}
		if len(told) != 1 || !errors.Is(told[0], broken) {
			t.Errorf("%s: told %v", name, told)
		}
	}
}
