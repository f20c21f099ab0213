package hallpass_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/hallpasstest"
	"github.com/hallpass-go/hallpass/jwk"
)

var mounts = []string{"GET /func", "GET /require", "GET /optional"}

func TestProtectedRoute_letsTheIdentityPass(t *testing.T) {
	a := newAPI(t, nil)
	token := a.login("alice").String(t, "access_token")
	for _, route := range mounts {
		if got := a.do(route, "", bearer(token)); got.Status != 200 || got.Text != "alice gold" {
			t.Errorf("%s answered %d %q", route, got.Status, got.Text)
		}
		if got := a.do(route, "", "Authorization: bEaReR  "+token); got.Status != 200 {
			t.Errorf("%s wants the scheme in one letter case: %d %s", route, got.Status, got.Text)
		}
	}
}

func TestProtectedRoute_refusesForgedAndForeignTokens(t *testing.T) {
	a := newAPI(t, func(c *hallpass.Config[appClaims]) { c.Now = time.Now })
	tokens := map[string]string{"HS256 with the public key": signedWithPublicKey(t, a)}
	for reason, token := range a.kit.Refused("alice") {
		tokens[reason] = token
	}
	for reason, token := range tokens {
		code := "token_invalid"
		if reason == "expired" {
			code = "token_expired"
		}
		for _, route := range mounts {
			got := a.do(route, "", bearer(token))
			if got.Status != 401 || got.Code() != code {
				t.Errorf("%s: %s answered %d %s", reason, route, got.Status, got.Text)
			}
			if challenge := got.Header.Get("WWW-Authenticate"); !strings.Contains(challenge, `error="invalid_token"`) {
				t.Errorf("%s: challenge %q", reason, challenge)
			}
		}
	}
}

// signedWithPublicKey makes the token of the classic attack: HMAC keyed with the published key.
func signedWithPublicKey(t *testing.T, a *api) string {
	t.Helper()
	key, err := a.kit.Keys.SigningKey(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	valid := strings.Split(a.kit.Token("alice", grant{}), ".")
	header := base64.RawURLEncoding.EncodeToString(
		fmt.Appendf(nil, `{"alg":"HS256","typ":"at+jwt","kid":%q}`, key.ID()),
	)
	published, err := a.kit.Keys.Published(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	public, err := published.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, public)
	mac.Write([]byte(header + "." + valid[1]))
	return header + "." + valid[1] + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestProtectedRoute_withoutAToken(t *testing.T) {
	a := newAPI(t, nil)
	for _, route := range []string{"GET /func", "GET /require"} {
		for _, header := range []string{"X-Nothing: x", "Authorization: Basic YTpi", "Cookie: access_token=x"} {
			got := a.do(route, "", header)
			got.want(t, 401, "token_missing")
			if challenge := got.Header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, "Bearer ") ||
				strings.Contains(challenge, "error") {
				t.Errorf("challenge %q: a client that sent no token is told no error (RFC 6750 §3)", challenge)
			}
		}
	}
	if got := a.do("GET /optional", ""); got.Text != "nobody" {
		t.Errorf("Optional answered %q to nobody", got.Text)
	}
	if got := a.do("GET /func?access_token="+a.login("alice").String(t, "access_token"), ""); got.Status != 401 {
		t.Errorf("a token in the query was taken: %d", got.Status)
	}
}

func TestProtectedRoute_withTwoTokens(t *testing.T) {
	a := newAPI(t, func(c *hallpass.Config[appClaims]) {
		c.Sources = []hallpass.TokenSource{
			hallpass.FromHeader(
				"Authorization",
				"Bearer",
			), hallpass.FromCookie("__Host-token"), hallpass.FromQuery("token"), hallpass.FromForm("access_token"),
		}
	})
	token := a.login("alice").String(t, "access_token")
	for name, got := range map[string]answer{
		"two header fields":       a.do("GET /func", "", bearer(token), bearer(token)),
		"header and cookie":       a.do("GET /func", "", bearer(token), "Cookie: __Host-token="+token),
		"header and query":        a.do("GET /func?token="+token, "", bearer(token)),
		"query twice":             a.do("GET /func?token="+token+"&token="+token, ""),
		"cookie twice":            a.do("GET /func", "", "Cookie: __Host-token="+token+"; __Host-token="+token),
		"form and query":          a.doForm("POST /func?token="+token, "access_token="+token),
		"form twice":              a.doForm("POST /func", "access_token="+token+"&access_token="+token),
		"optional, header, query": a.do("GET /optional?token="+token, "", bearer(token)),
	} {
		if got.Status != 400 || got.Code() != "malformed_request" {
			t.Errorf("%s: answered %d %s", name, got.Status, got.Text)
		}
	}
	for name, got := range map[string]answer{
		"header": a.do("GET /func", "", bearer(token)),
		"cookie": a.do("GET /func", "", "Cookie: __Host-token="+token),
		"query":  a.do("GET /func?token="+token, ""),
		"form":   a.doForm("POST /func", "access_token="+token),
	} {
		if got.Status != 200 {
			t.Errorf("%s alone: answered %d %s", name, got.Status, got.Text)
		}
	}
}

// doForm sends a form body.
func (a *api) doForm(request, body string) answer {
	a.t.Helper()
	method, path, _ := strings.Cut(request, " ")
	r, err := http.NewRequest(method, a.URL+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	return readAnswer(a.t, resp)
}

// A browser sends cookies with what another site makes it send.
func TestCookie_doesNotAuthenticateAnotherOrigin(t *testing.T) {
	a := newAPI(t, func(c *hallpass.Config[appClaims]) {
		c.Sources = []hallpass.TokenSource{hallpass.FromCookie("__Host-token")}
	})
	cookie := "Cookie: __Host-token=" + a.login("alice").String(t, "access_token")
	a.do("POST /func", "", cookie, "Sec-Fetch-Site: cross-site").want(t, 403, "cross_origin")
	a.do("POST /func", "", cookie, "Origin: https://evil.test").want(t, 403, "cross_origin")
	a.do("POST /func", "", cookie, "Sec-Fetch-Site: same-origin").want(t, 200, "")
	a.do("GET /func", "", cookie, "Sec-Fetch-Site: cross-site").want(t, 200, "")
}

func TestProtectedRoute_refusesWhoLostTheirSession(t *testing.T) {
	ctx := context.Background()
	ends := map[string]func(*api, answer) error{
		"logout": func(a *api, l answer) error {
			a.do("POST /auth/logout", "", bearer(l.JSON["access_token"].(string)))
			return nil
		},
		"logout by token": func(a *api, l answer) error {
			a.do("POST /auth/logout", `{"refresh_token":"`+l.JSON["refresh_token"].(string)+`"}`)
			return nil
		},
		"session revoked": func(a *api, l answer) error { return a.RevokeSession(ctx, l.JSON["session_id"].(string)) },
		"subject revoked": func(a *api, l answer) error { return a.RevokeSubject(ctx, "alice") },
		"access revoked":  func(a *api, l answer) error { return a.RevokeAccess(ctx, "alice") },
		"token revoked": func(a *api, l answer) error {
			id, err := a.Verify(ctx, l.JSON["access_token"].(string))
			if err != nil {
				return err
			}
			return a.RevokeToken(ctx, id.ID, id.ExpiresAt)
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, nil)
			login := a.login("alice")
			bob := a.login("bob").String(t, "access_token")
			if err := end(a, login); err != nil {
				t.Fatal(err)
			}
			for _, route := range mounts {
				a.do(route, "", bearer(login.String(t, "access_token"))).want(t, 401, "token_revoked")
				a.do(route, "", bearer(bob)).want(t, 200, "")
			}
			// The very next login is let in, in the same second too.
			again := a.login("alice")
			a.do("GET /func", "", bearer(again.String(t, "access_token"))).want(t, 200, "")
		})
	}
}

func TestVerifier_reportsEveryMistakeOfItsConfiguration(t *testing.T) {
	_, err := hallpass.NewVerifier[appClaims](hallpass.VerifierConfig{})
	for _, field := range []string{"Issuer", "Audience", "Keys"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("a verifier without %s: %v", field, err)
		}
	}
	_, err = hallpass.New(hallpass.Config[appClaims]{AccessTTL: time.Millisecond, RefreshGrace: time.Hour})
	for _, field := range []string{"Issuer", "Audience", "Keys", "AccessTTL", "RefreshGrace"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("an issuer with a bad %s: %v", field, err)
		}
	}
}

// A verifier of another service knows the public keys only.
func TestVerifier_withPublishedKeysAlone(t *testing.T) {
	a := newAPI(t, nil)
	published := a.do("GET /auth/jwks.json", "")
	if got := published.Header.Get("Cache-Control"); got != "public, max-age=300" {
		t.Errorf("Cache-Control %q", got)
	}
	set, err := jwk.ParseSet([]byte(published.Text))
	if err != nil {
		t.Fatal(err)
	}
	v, err := hallpass.NewVerifier[appClaims](
		hallpass.VerifierConfig{Issuer: a.kit.Issuer, Audience: a.kit.Audience, Keys: set, Now: a.clock.Now},
	)
	if err != nil {
		t.Fatal(err)
	}
	id, err := v.Verify(t.Context(), a.login("alice").String(t, "access_token"))
	if err != nil || id.Subject != "alice" || id.Custom.Plan != "gold" || !id.HasScope("write") ||
		!id.HasRole("user") ||
		id.HasRole("write") {
		t.Errorf("Verify = %+v, %v", id, err)
	}
	other, err := hallpass.NewVerifier[appClaims](
		hallpass.VerifierConfig{Issuer: a.kit.Issuer, Audience: a.kit.Audience, Keys: hallpasstest.Keys(t)},
	)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := other.Verify(t.Context(), a.kit.Token("alice", grant{})); err == nil || id.Subject != "" {
		t.Errorf("Verify with other keys = %+v, %v", id, err)
	}
}

func TestIdentityFrom_anotherType(t *testing.T) {
	a := newAPI(t, nil)
	h := a.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := hallpass.IdentityFrom[struct{}](r.Context()); ok {
			t.Error("an identity came out as another type than it went in")
		}
	}))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+a.login("alice").String(t, "access_token"))
	h.ServeHTTP(httptest.NewRecorder(), r)
	if _, ok := hallpass.IdentityFrom[appClaims](context.Background()); ok {
		t.Error("an identity came out of an empty context")
	}
}
