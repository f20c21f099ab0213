package flaskjwtextended_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	fje "github.com/hallpass-go/hallpass/compat/flaskjwtextended"
	"github.com/hallpass-go/hallpass/jwk"
)

// get sends a GET and returns the status and the body of the answer.
func get(t *testing.T, url, authorization string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", authorization)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// ask sends a request to a guarded handler, which answers with the subject.
func ask(t *testing.T, c fje.Config[user], g fje.Guard, request *http.Request) (int, string) {
	t.Helper()
	handler := newAuth(t, c).Func(func(w http.ResponseWriter, _ *http.Request, id fje.Identity[user]) {
		_, _ = io.WriteString(w, id.Subject+" "+string(id.Location))
	}, g)
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, request)
	return response.Code, response.Body.String()
}

func access(t *testing.T, c fje.Config[user], m fje.Mint) fje.Token {
	t.Helper()
	token, err := newAuth(t, c).AccessToken(t.Context(), "ann", m)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func bearer(token string) *http.Request {
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	return request
}

func TestNew_tellsEveryMistake(t *testing.T) {
	_, err := fje.New(fje.Config[user]{
		Secret: []byte("super-secret"), AccessExpires: 1, Leeway: -1, IdentityClaim: "exp", HeaderType: "JWT",
		BareHeader: true,
		Locations:  []fje.Location{"body"}, AccessCookie: fje.CookieNames{Name: "a b"},
		RefreshCookie:  fje.CookieNames{Path: "/;"},
		CookieSameSite: http.SameSiteNoneMode, InsecureCookies: true,
	})
	for _, want := range []string{
		"AccessExpires", "Leeway", "IdentityClaim", "BareHeader", `"body"`, "AccessCookie", "RefreshCookie",
		"SameSite=None", "Secret",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if !errors.Is(err, jwk.ErrWeakKey) {
		t.Errorf("a tutorial's secret was taken: %v", err)
	}
}

// pair returns the two halves of a new key in PEM.
func pair(t *testing.T) (private, public []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(
		&pem.Block{Type: "PRIVATE KEY", Bytes: privateDER},
	), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER})
}

func TestNew_keys(t *testing.T) {
	c, _ := config()
	private, public := pair(t)
	_, otherPublic := pair(t)
	hs384, _ := jwk.GenerateSecret(jwk.HS384)
	hs256, _ := jwk.GenerateSecret(jwk.HS256)
	es384, _ := jwk.Generate(jwk.ES384)
	for _, test := range []struct {
		name   string
		config fje.Config[user]
		ok     bool
	}{
		{"none", fje.Config[user]{}, false},
		{"a secret and a key", fje.Config[user]{Secret: c.Secret, PrivateKey: private}, false},
		{"a pair", fje.Config[user]{PrivateKey: private, PublicKey: public, Algorithm: jwk.ES256}, true},
		{"a private key", fje.Config[user]{PrivateKey: private, Algorithm: jwk.ES256}, true},
		{"a public key", fje.Config[user]{PublicKey: public, Algorithm: jwk.ES256}, true},
		{"halves of two pairs", fje.Config[user]{PrivateKey: private, PublicKey: otherPublic,
			Algorithm: jwk.ES256}, false},
		{"a key for HS256", fje.Config[user]{PrivateKey: private}, false},
		{"a public key for HS256", fje.Config[user]{PublicKey: public}, false},
		{"a public key as the secret", fje.Config[user]{Secret: public}, false},
		{"another secret", fje.Config[user]{Secret: c.Secret, AlsoVerify: []jwk.Key{hs384}}, true},
		{"another secret of the algorithm", fje.Config[user]{Secret: c.Secret, AlsoVerify: []jwk.Key{hs256}}, false},
		{"a public key beside a secret", fje.Config[user]{Secret: c.Secret,
			AlsoVerify: []jwk.Key{es384.Public()}}, false},
		{"a secret beside a public key", fje.Config[user]{PublicKey: public, Algorithm: jwk.ES256,
			AlsoVerify: []jwk.Key{hs256}}, false},
		{"another public key", fje.Config[user]{PublicKey: public, Algorithm: jwk.ES256,
			AlsoVerify: []jwk.Key{es384.Public()}}, true},
	} {
		if _, err := fje.New(test.config); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestFunc_keysOfTwoAlgorithms: tokens with both keys are accepted. Tokens with a third algorithm
// or another key are refused.
func TestFunc_keysOfTwoAlgorithms(t *testing.T) {
	old, _ := config()
	c, _ := config()
	c.Algorithm, c.Secret = jwk.HS384, append(c.Secret, "and some more"...)
	c.AlsoVerify = []jwk.Key{serverKey(t, old.Secret)}
	for name, token := range map[string]string{"the key": access(t, c, fje.Mint{}).Text,
		"the further key": access(t, old, fje.Mint{}).Text} {
		if status, body := ask(t, c, fje.Guard{}, bearer(token)); status != http.StatusOK {
			t.Errorf("a token of %s: %d %s", name, status, body)
		}
	}
	other, _ := config()
	third := c
	third.Algorithm, third.Secret, third.AlsoVerify = jwk.HS512, append(c.Secret, old.Secret...), nil
	sameAlgorithm := c
	sameAlgorithm.Secret = append(other.Secret, "and some more"...)
	for forged, want := range map[string]string{
		access(t, other, fje.Mint{}).Text:         "Signature verification failed",
		access(t, sameAlgorithm, fje.Mint{}).Text: "Signature verification failed",
		access(t, third, fje.Mint{}).Text:         "The specified alg value is not allowed",
	} {
		if _, body := ask(t, c, fje.Guard{}, bearer(forged)); body != `{"msg":"`+want+"\"}\n" {
			t.Errorf("got %s, want %s", body, want)
		}
	}
}

func TestFunc_publicKeyAlone(t *testing.T) {
	private, public := pair(t)
	token := access(t, fje.Config[user]{PrivateKey: private, Algorithm: jwk.ES256}, fje.Mint{}).Text
	c := fje.Config[user]{PublicKey: public, Algorithm: jwk.ES256}
	if status, body := ask(t, c, fje.Guard{}, bearer(token)); status != http.StatusOK {
		t.Errorf("got %d %s", status, body)
	}
	if _, err := newAuth(t, c).AccessToken(t.Context(), "ann", fje.Mint{}); err == nil {
		t.Error("a public key signed")
	}
}

func TestAccessToken_isWhatMintSays(t *testing.T) {
	c, _ := config()
	now := time.Unix(1_800_000_000, 900)
	c.Now = func() time.Time { return now }
	c.AdditionalClaims = func(_ context.Context, subject string) (map[string]any, error) {
		return map[string]any{"name": subject, "team": "blue"}, nil
	}
	token := access(t, c, fje.Mint{FreshFor: time.Minute, Expires: time.Hour, Claims: map[string]any{"team": "red"}})
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if !uuid.MatchString(token.ID) || !uuid.MatchString(token.CSRF) || token.ID == token.CSRF || token.Refresh ||
		token.ExpiresAt.Unix() != 1_800_003_600 {
		t.Errorf("got %+v", token)
	}
	fresh := fje.Guard{Fresh: true}
	for after, want := range map[time.Duration]int{0: 200, time.Minute: 200, 61 * time.Second: 401} {
		now = time.Unix(1_800_000_000, 0).Add(after)
		if status, body := ask(t, c, fresh, bearer(token.Text)); status != want {
			t.Errorf("after %v: %d %s", after, status, body)
		}
	}
	for after, want := range map[time.Duration]int{-time.Second: 422, time.Hour - time.Second: 200, time.Hour: 401} {
		now = time.Unix(1_800_000_000, 0).Add(after)
		if status, body := ask(t, c, fje.Guard{}, bearer(token.Text)); status != want {
			t.Errorf("after %v: %d %s", after, status, body)
		}
	}
	now = time.Unix(1_800_000_000, 0)
	c.VerifyClaims = func(_ context.Context, claims fje.Claims) (bool, error) {
		return claims["name"] == `"ann"` && claims["team"] == `"red"`, nil
	}
	if status, body := ask(t, c, fje.Guard{}, bearer(token.Text)); status != http.StatusOK {
		t.Errorf("the additional claims: %d %s", status, body)
	}
}

// TestFunc_never: tokens of one type never expire, while those of the other type still do.
func TestFunc_never(t *testing.T) {
	c, _ := config()
	now := time.Unix(1_800_000_000, 0)
	c.Now = func() time.Time { return now }
	c.RefreshExpires = fje.Never
	refresh, err := newAuth(t, c).RefreshToken(t.Context(), "ann", fje.Mint{})
	if err != nil || !refresh.ExpiresAt.IsZero() {
		t.Fatalf("got %+v, %v", refresh, err)
	}
	short := access(t, c, fje.Mint{})
	now = now.AddDate(100, 0, 0)
	if status, body := ask(t, c, fje.Guard{Refresh: true}, bearer(refresh.Text)); status != http.StatusOK {
		t.Errorf("the refresh token: %d %s", status, body)
	}
	if status, body := ask(t, c, fje.Guard{}, bearer(short.Text)); status != http.StatusUnauthorized {
		t.Errorf("the access token: %d %s", status, body)
	}
	never := c
	never.AccessExpires = fje.Never
	eternal := access(t, never, fje.Mint{}).Text
	if status, body := ask(t, never, fje.Guard{}, bearer(eternal)); status != http.StatusOK {
		t.Errorf("an access token without end: %d %s", status, body)
	}
	const want = "{\"msg\":\"Token is missing the \\\"exp\\\" claim\"}\n"
	if status, body := ask(t, c, fje.Guard{}, bearer(eternal)); status != http.StatusUnprocessableEntity ||
		body != want {
		t.Errorf("where they are to end: %d %s", status, body)
	}
}

// TestFunc_publicKeyAsASecret: a public key used as an HMAC secret does not create a valid token
// (RFC 8725 §3.1), with any algorithm.
func TestFunc_publicKeyAsASecret(t *testing.T) {
	private, public := pair(t)
	c := fje.Config[user]{PrivateKey: private, Algorithm: jwk.ES256}
	_, target := target(t)
	confused, err := jwk.NewSecret(jwk.HS256, "k", bytes.ReplaceAll(public, []byte("-----"), []byte("=====")))
	if err != nil {
		t.Fatal(err)
	}
	target.Key = confused
	for _, alg := range []string{"HS256", "ES256"} {
		target.Header = map[string]any{"alg": alg, "typ": "JWT"}
		if status, body := ask(t, c, fje.Guard{}, bearer(target.Valid(t))); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", alg, status, body)
		}
	}
}

func TestAccessToken_refuses(t *testing.T) {
	c, _ := config()
	auth := newAuth(t, c)
	if _, err := auth.AccessToken(t.Context(), "", fje.Mint{}); err == nil {
		t.Error("an empty subject was taken")
	}
	if _, err := auth.RefreshToken(t.Context(), "ann", fje.Mint{Fresh: true}); err == nil {
		t.Error("a refresh token is fresh")
	}
	if _, err := auth.AccessToken(t.Context(), "ann", fje.Mint{Expires: -1}); err == nil {
		t.Error("a token was made that has expired")
	}
	for _, name := range []string{"exp", "iat", "nbf", "jti", "type", "fresh", "csrf", "sub", "aud", "iss"} {
		if _, err := auth.AccessToken(t.Context(), "ann", fje.Mint{Claims: map[string]any{name: "x"}}); err == nil {
			t.Errorf("%s was replaced", name)
		}
	}
	broken := errors.New("no database")
	c.AdditionalClaims = func(context.Context, string) (map[string]any, error) { return nil, broken }
	if _, err := newAuth(t, c).AccessToken(t.Context(), "ann", fje.Mint{}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestFunc_settings(t *testing.T) {
	c, _ := config()
	c.Lookup, c.Revoked, c.VerifyClaims = nil, nil, nil
	c.Algorithm = jwk.HS512
	c.IdentityClaim, c.MessageKey, c.NoNotBefore = "identity", "message", true
	c.HeaderName, c.HeaderType = "X-Token", "JWT"
	c.QueryName, c.QueryPrefix, c.JSONKey = "token", "Bearer ", "t"
	c.Locations = []fje.Location{fje.Headers, fje.QueryString}
	token := access(t, c, fje.Mint{}).Text
	header := func(value string) *http.Request {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Header.Set("X-Token", value)
		return request
	}
	for _, test := range []struct {
		name    string
		request *http.Request
		status  int
		body    string
	}{
		{"the header", header("JWT " + token), 200, "ann headers"},
		{"another type", header("Bearer " + token), 401,
			`{"message":"Missing JWT in headers or query_string (Missing 'JWT' type in ` +
				`'X-Token' header. Expected 'X-Token: JWT <JWT>'; Missing 'token' query paramater)"}`},
		{"the query", httptest.NewRequest("GET", "/?token=Bearer+"+token, nil), 200, "ann query_string"},
		{"the query's prefix", httptest.NewRequest("GET", "/?token="+token, nil), 422,
			`{"message":"Invalid value for query parameter 'token'. Expected the value to start with 'Bearer '"}`},
	} {
		status, body := ask(t, c, fje.Guard{}, test.request)
		if status != test.status || strings.TrimSpace(body) != test.body {
			t.Errorf("%s: got %d %s", test.name, status, body)
		}
	}
	c.HeaderType, c.BareHeader, c.Locations = "", true, nil
	for value, want := range map[string]string{
		token: "ann headers", "JWT " + token: `{"message":"Bad X-Token header. Expected 'X-Token: <JWT>'"}`,
		"": `{"message":"Missing X-Token Header"}`,
	} {
		if _, body := ask(t, c, fje.Guard{}, header(value)); strings.TrimSpace(body) != want {
			t.Errorf("bare: got %s, want %s", body, want)
		}
	}
	post := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"t":"`+token+`"}`))
	post.Header.Set("Content-Type", "application/json")
	if status, body := ask(t, c, fje.Guard{Locations: []fje.Location{fje.JSON}}, post); status != http.StatusOK {
		t.Errorf("JSON: %d %s", status, body)
	}
}

// TestFunc_identitiesThatAreNoText are refused, unless JWT_VERIFY_SUB is off or the identity is
// another claim.
func TestFunc_identitiesThatAreNoText(t *testing.T) {
	c, target := target(t)
	c.Lookup = nil
	target.Claims["sub"], target.Claims["identity"] = 7, 8
	token := target.Valid(t)
	if status, body := ask(t, c, fje.Guard{}, bearer(token)); status != http.StatusUnprocessableEntity {
		t.Errorf("got %d %s", status, body)
	}
	c.AnySubject = true
	if _, body := ask(t, c, fje.Guard{}, bearer(token)); body != "7 headers" {
		t.Errorf("any subject: %s", body)
	}
	c.IdentityClaim = "identity"
	if _, body := ask(t, c, fje.Guard{}, bearer(token)); body != "8 headers" {
		t.Errorf("another claim: %s", body)
	}
	for _, nobody := range []any{json.RawMessage("null"), ""} {
		target.Claims["identity"] = nobody
		if status, body := ask(t, c, fje.Guard{}, bearer(target.Valid(t))); status != http.StatusUnprocessableEntity {
			t.Errorf("identity %v: %d %s", nobody, status, body)
		}
	}
}

func TestFunc_leeway(t *testing.T) {
	c, _ := config()
	now := time.Unix(1_800_000_000, 0)
	c.Now = func() time.Time { return now }
	c.Leeway = 10 * time.Second
	token := access(t, c, fje.Mint{Expires: time.Minute}).Text
	for after, want := range map[time.Duration]int{-10 * time.Second: 200, -11 * time.Second: 422,
		69 * time.Second: 200, 70 * time.Second: 401} {
		now = time.Unix(1_800_000_000, 0).Add(after)
		if status, body := ask(t, c, fje.Guard{}, bearer(token)); status != want {
			t.Errorf("after %v: %d %s", after, status, body)
		}
	}
}

// TestFunc_failuresOfTheApplicationAre500 also checks that only the application sees the errors.
func TestFunc_failuresOfTheApplicationAre500(t *testing.T) {
	broken := errors.New("the database at db.internal is gone")
	for name, breakIt := range map[string]func(*fje.Config[user]){
		"Revoked": func(c *fje.Config[user]) {
			c.Revoked = func(context.Context, fje.Claims) (bool, error) { return false, broken }
		},
		"VerifyClaims": func(c *fje.Config[user]) {
			c.VerifyClaims = func(context.Context, fje.Claims) (bool, error) { return true, broken }
		},
		"Lookup": func(c *fje.Config[user]) {
			c.Lookup = func(context.Context, fje.Claims) (user, bool, error) { return user{}, true, broken }
		},
	} {
		c, _ := config()
		breakIt(&c)
		var told error
		c.Failed = func(_ context.Context, err error) { told = err }
		status, body := ask(t, c, fje.Guard{}, bearer(access(t, c, fje.Mint{}).Text))
		if status != http.StatusInternalServerError || body != "{\"msg\":\"Internal Server Error\"}\n" ||
			!errors.Is(told, broken) {
			t.Errorf("%s: %d %s, told %v", name, status, body, told)
		}
	}
}

func TestFunc_answerStandsForTheLoaders(t *testing.T) {
	c, _ := config()
	c.Answer = func(w http.ResponseWriter, _ *http.Request, f fje.Failure) {
		http.Error(w, string(f.Kind)+": "+f.Message, http.StatusTeapot)
	}
	if status, body := ask(t, c, fje.Guard{}, httptest.NewRequest("GET", "/", nil)); status != http.StatusTeapot ||
		body != "unauthorized: Missing Authorization Header\n" {
		t.Errorf("got %d %s", status, body)
	}
	token := access(t, c, fje.Mint{}).Text
	if _, body := ask(t, c, fje.Guard{Fresh: true},
		bearer(token)); body != "needs_fresh_token: Fresh token required\n" {
		t.Errorf("got %s", body)
	}
}

func TestFunc_panicsForALocationThatIsNone(t *testing.T) {
	c, _ := config()
	defer func() {
		if recover() == nil {
			t.Error("it was mounted")
		}
	}()
	newAuth(t, c).Func(who, fje.Guard{Locations: []fje.Location{"header"}})
}

func TestNew_keepsItsOwnLists(t *testing.T) {
	c, _ := config()
	c.Locations, c.CSRFMethods = []fje.Location{fje.Headers}, []string{"POST"}
	auth := newAuth(t, c)
	c.Locations[0], c.CSRFMethods[0] = fje.Cookies, "GET"
	response := httptest.NewRecorder()
	auth.Func(who, fje.Guard{}).ServeHTTP(response, httptest.NewRequest("GET", "/", nil))
	if response.Body.String() != "{\"msg\":\"Missing Authorization Header\"}\n" {
		t.Errorf("got %s", response.Body)
	}
}

// TestFunc_answersOptionsItself: for a pattern without a method, OPTIONS calls no handler and needs
// no token.
func TestFunc_answersOptionsItself(t *testing.T) {
	c, _ := config()
	auth := newAuth(t, c)
	for name, handler := range map[string]http.Handler{
		"Func": auth.Func(func(http.ResponseWriter, *http.Request, fje.Identity[user]) {
			t.Error("the handler is called")
		}, fje.Guard{}),
		"Optional": auth.Optional(func(http.ResponseWriter, *http.Request, *fje.Identity[user]) {
			t.Error("the handler of an optional route is called")
		}, fje.Guard{}),
	} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodOptions, "/protected", nil))
		if answer.Code != http.StatusOK || answer.Header().Get("Allow") == "" {
			t.Errorf("%s: %d %v", name, answer.Code, answer.Header())
		}
	}
}
