package flaskjwtextended_test

import (
	"net/http"
	"testing"
	"time"

	fje "github.com/hallpass-go/hallpass/compat/flaskjwtextended"
	"github.com/hallpass-go/hallpass/compat/internal/pyjwttest"
)

// options are the options with which the original calls PyJWT.
func options(c fje.Config[user]) map[string]any {
	return map[string]any{
		"algorithms": []string{"HS256"}, "audience": c.Audience, "issuer": c.Issuer, "leeway": 0,
		"options": map[string]any{"verify_aud": true, "verify_sub": true},
	}
}

// TestAccessToken_isTakenByPyJWT checks that PyJWT accepts a token with all claims of the original,
// and refuses one with another secret.
func TestAccessToken_isTakenByPyJWT(t *testing.T) {
	python := pyjwttest.Find(t)
	c, _ := target(t)
	auth := newAuth(t, c)
	token, err := auth.AccessToken(t.Context(), "ann", fje.Mint{Fresh: true, Claims: map[string]any{"team": "<réd>"}})
	if err != nil {
		t.Fatal(err)
	}
	claims, problem := python.Decode(t, token.Text, c.Secret, options(c))
	if problem != "" {
		t.Fatal(problem)
	}
	issued := claims["iat"].(float64)
	for name, want := range map[string]any{
		"fresh": true, "type": "access", "sub": "ann", "nbf": issued, "exp": issued + 900, "jti": token.ID,
		"csrf": token.CSRF, "aud": c.Audience, "iss": c.Issuer,
		"iat": issued, "team": "<réd>",
	} {
		if claims[name] != want {
			t.Errorf("%s: got %v, want %v", name, claims[name], want)
		}
	}
	if len(claims) != 11 {
		t.Errorf("got other claims: %v", claims)
	}
	if _, problem := python.Decode(t, token.Text, append(c.Secret, 'x'),
		options(c)); problem != "Signature verification failed" {
		t.Errorf("with another secret: %q", problem)
	}
	refresh, err := auth.RefreshToken(t.Context(), "ann", fje.Mint{})
	if err != nil {
		t.Fatal(err)
	}
	claims, problem = python.Decode(t, refresh.Text, c.Secret, options(c))
	if problem != "" || claims["type"] != "refresh" || claims["fresh"] != false ||
		claims["exp"].(float64)-claims["iat"].(float64) != 30*24*3600 {
		t.Errorf("the refresh token: %v, %q", claims, problem)
	}
}

// TestFunc_takesATokenOfPyJWT also checks that an expired token and tokens with another secret,
// algorithm or type are refused.
func TestFunc_takesATokenOfPyJWT(t *testing.T) {
	python := pyjwttest.Find(t)
	c, target := target(t)
	url := serve(t, c, &revoked{})
	other := append([]byte("x"), c.Secret...)
	with := func(name string, value any) map[string]any {
		claims := map[string]any{}
		for n, v := range target.Claims {
			claims[n] = v
		}
		claims[name] = value
		return claims
	}
	for _, test := range []struct {
		token string
		want  int
	}{
		{python.Encode(t, c.Secret, "HS256", nil, target.Claims), http.StatusOK},
		{python.Encode(t, c.Secret, "HS256", nil, with("exp", time.Now().Unix()-1)), http.StatusUnauthorized},
		{python.Encode(t, c.Secret, "HS256", nil, with("type", "refresh")), http.StatusUnprocessableEntity},
		{python.Encode(t, c.Secret, "HS512", nil, target.Claims), http.StatusUnprocessableEntity},
		{python.Encode(t, other, "HS256", nil, target.Claims), http.StatusUnprocessableEntity},
	} {
		if got, body := get(t, url+"/protected", "Bearer "+test.token); got != test.want {
			t.Errorf("%s: got %d %s, want %d", test.token, got, body, test.want)
		}
	}
}
