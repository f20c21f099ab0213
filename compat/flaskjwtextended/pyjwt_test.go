package flaskjwtextended_test

import (
	"crypto/rand"
	"net/http"
	"testing"
	"time"

	fje "github.com/hallpass-go/hallpass/compat/flaskjwtextended"
	"github.com/hallpass-go/hallpass/compat/internal/pyjwttest"
)

// options are those of Flask-JWT-Extended's own call of PyJWT.
var options = map[string]any{
	"algorithms": []string{"HS256"}, "leeway": 0, "audience": "api", "issuer": "https://issuer.example", "options": map[string]any{"verify_aud": true},
}

func config(secret string) fje.Config[user] {
	return fje.Config[user]{Secret: []byte(secret), Issuer: "https://issuer.example", Audience: "api"}
}

// TestTokens_areTakenByPyJWT, access and refresh, with each claim that its clients look at; and none of another secret.
func TestTokens_areTakenByPyJWT(t *testing.T) {
	python := pyjwttest.Find(t)
	secret := rand.Text() + rand.Text()
	m, err := fje.New(config(secret))
	if err != nil {
		t.Fatal(err)
	}
	for kind, mint := range map[string]func(string, fje.TokenOptions) (string, error){"access": m.AccessToken, "refresh": m.RefreshToken} {
		token, err := mint("joe", fje.TokenOptions{Fresh: true, Claims: map[string]any{"role": "admin"}})
		if err != nil {
			t.Fatal(err)
		}
		claims, problem := python.Decode(t, token, []byte(secret), options)
		if problem != "" || claims["type"] != kind || claims["fresh"] != (kind == "access") || claims["sub"] != "joe" || claims["role"] != "admin" {
			t.Errorf("%s: got %v, %q", kind, claims, problem)
		}
		for _, name := range []string{"jti", "csrf", "nbf", "iat", "exp", "aud", "iss"} {
			if claims[name] == nil {
				t.Errorf("%s: no %s", kind, name)
			}
		}
		if _, problem := python.Decode(t, token, []byte(secret+"x"), options); problem != "Signature verification failed" {
			t.Errorf("with another secret: %q", problem)
		}
	}
}

// TestFunc_takesATokenOfPyJWT, and refuses an expired one, one for another audience and one of another secret.
func TestFunc_takesATokenOfPyJWT(t *testing.T) {
	python := pyjwttest.Find(t)
	secret := rand.Text() + rand.Text()
	m, err := fje.New(config(secret))
	if err != nil {
		t.Fatal(err)
	}
	a := &app{Manager: m}
	now := time.Now().Unix()
	mint := func(secret, audience string, exp int64) string {
		return python.Encode(t, []byte(secret), "HS256", nil, map[string]any{
			"fresh": false, "iat": now, "jti": "1", "type": "access", "sub": "joe", "nbf": now, "exp": exp, "aud": audience, "iss": "https://issuer.example",
		})
	}
	for _, test := range []struct {
		token string
		want  int
	}{
		{mint(secret, "api", now+60), http.StatusNoContent},
		{mint(secret, "api", now-1), http.StatusUnauthorized},
		{mint(secret, "other", now+60), http.StatusUnprocessableEntity},
		{mint(secret+"x", "api", now+60), http.StatusUnprocessableEntity},
	} {
		if got := a.status(fje.Guard{}, test.token); got != test.want {
			t.Errorf("got %d, want %d", got, test.want)
		}
	}
}
