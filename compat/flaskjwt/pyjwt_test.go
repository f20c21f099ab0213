package flaskjwt_test

import (
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/compat/internal/pyjwttest"
)

// options are the options with which Flask-JWT calls PyJWT.
var options = map[string]any{
	"algorithms": []string{"HS256"}, "leeway": 10,
	"options": map[string]any{
		"verify_signature": true, "verify_exp": true, "verify_nbf": true, "verify_iat": true,
		"require": []string{"exp", "iat", "nbf"},
	},
}

// TestToken_isTakenByPyJWT also checks that PyJWT refuses a token with another secret.
func TestToken_isTakenByPyJWT(t *testing.T) {
	python := pyjwttest.Find(t)
	c := config()
	c.Secret = []byte(hex.EncodeToString(c.Secret))
	token, err := newAuth(t, c).Token(user{7})
	if err != nil {
		t.Fatal(err)
	}
	claims, problem := python.Decode(t, token, c.Secret, options)
	if problem != "" || claims["identity"] != 7.0 || claims["exp"].(float64)-claims["iat"].(float64) != 300 ||
		claims["nbf"] != claims["iat"] {
		t.Errorf("got %v, %q", claims, problem)
	}
	if _, problem := python.Decode(t, token, append(c.Secret, 'x'),
		options); problem != "Signature verification failed" {
		t.Errorf("with another secret: %q", problem)
	}
}

// TestFunc_takesATokenOfPyJWT also checks that an expired token and one with another secret are
// refused.
func TestFunc_takesATokenOfPyJWT(t *testing.T) {
	python := pyjwttest.Find(t)
	c := config()
	c.Secret = []byte(hex.EncodeToString(c.Secret))
	url := serve(t, newAuth(t, c))
	now := time.Now().Unix()
	claims := func(exp int64) map[string]any {
		return map[string]any{"identity": 1, "iat": now, "nbf": now, "exp": exp}
	}
	for want, token := range map[int]string{
		http.StatusOK:           python.Encode(t, c.Secret, "HS256", nil, claims(now+300)),
		http.StatusUnauthorized: python.Encode(t, c.Secret, "HS256", nil, claims(now-11)),
	} {
		if got := get(t, url, "JWT "+token); got.StatusCode != want {
			t.Errorf("got %d, want %d", got.StatusCode, want)
		}
	}
	if got := get(t, url, "JWT "+python.Encode(t, append(c.Secret, 'x'), "HS256", nil,
		claims(now+300))); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("another secret: %d", got.StatusCode)
	}
	if got := get(t, url, "JWT "+python.Encode(t, c.Secret, "HS512", nil,
		claims(now+300))); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("another algorithm: %d", got.StatusCode)
	}
}
