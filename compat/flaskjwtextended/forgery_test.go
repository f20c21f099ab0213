package flaskjwtextended_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	fje "github.com/hallpass-go/hallpass/compat/flaskjwtextended"
	"github.com/hallpass-go/hallpass/internal/attack"
)

// target returns the API of config, with an issuer and an audience, and the claims of its own
// tokens.
func target(t *testing.T) (fje.Config[user], attack.Target) {
	t.Helper()
	c, _ := config()
	c.Issuer, c.Audience = "https://issuer.example", "api"
	now := time.Now()
	return c, attack.Target{
		Key: serverKey(t, c.Secret), Issuer: c.Issuer, Audience: c.Audience, Now: now,
		Header: map[string]any{"alg": "HS256", "typ": "JWT"},
		Claims: map[string]any{
			"fresh": true, "iat": now.Unix(), "jti": "id", "type": "access", "sub": "ann", "nbf": now.Unix(),
			"csrf": "value", "exp": now.Unix() + 300,
			"iss": c.Issuer, "aud": c.Audience,
		},
	}
}

// TestFunc_refusesForgeries checks every class of forgery except those that the original interprets
// differently or does not know. The tokens are in the query, where spaces and commas have no
// special meaning.
func TestFunc_refusesForgeries(t *testing.T) {
	c, target := target(t)
	handler := newAuth(t, c).Func(func(w http.ResponseWriter, _ *http.Request, _ fje.Identity[user]) {
		w.WriteHeader(http.StatusNoContent)
	}, fje.Guard{Locations: []fje.Location{fje.QueryString}})
	status := func(token string) int {
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/?jwt="+url.QueryEscape(token), nil))
		return response.Code
	}
	if got := status(target.Valid(t)); got != http.StatusNoContent {
		t.Fatalf("a valid token: %d", got)
	}
	refused := 0
	for forgery := range target.Forgeries(t) {
		switch got := status(forgery.Token); {
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

// readsOtherwise reports forgeries that are valid here. There is no kid. The typ may be absent. An
// integer may be written as text. Lifetimes have no bound. "nbf", "fresh" and "csrf" are checked
// only where a route requires them. The contents of a subject are up to the application.
func readsOtherwise(f attack.Forgery) bool {
	claim, value, _ := strings.Cut(f.Name, " ")
	switch f.Class {
	case "kid":
		return true
	case "typ":
		return f.Name == "<nil>" || strings.EqualFold(f.Name, "JWT")
	case "header text":
		return f.Name == `"Typ"`
	case "missing claim":
		return claim == "nbf" || claim == "fresh" || claim == "csrf"
	case "claim of a wrong type":
		isText := value == "\x00" || value == "a\nb"
		switch claim {
		case "exp", "iss", "aud", "type":
			return false
		case "sub":
			return isText
		case "jti":
			return isText || value == ""
		}
		return true
	case "date":
		return strings.HasSuffix(f.Name, "in text") || strings.HasPrefix(f.Name, "lives for")
	case "audience":
		return strings.HasPrefix(f.Name, "[api")
	}
	return false
}

// TestFunc_takesNoOtherKindOfToken checks that no route accepts other kinds of tokens signed with
// its key.
func TestFunc_takesNoOtherKindOfToken(t *testing.T) {
	c, target := target(t)
	auth := newAuth(t, c)
	called := func(w http.ResponseWriter, _ *http.Request, _ fje.Identity[user]) {
		w.WriteHeader(http.StatusNoContent)
	}
	routes := map[string]http.Handler{
		"access": auth.Func(
			called,
			fje.Guard{},
		), "refresh": auth.Func(called, fje.Guard{Refresh: true}), "any": auth.Func(called, fje.Guard{AnyType: true}),
	}
	for kind, taken := range map[any]string{"access": "access any", "refresh": "refresh any",
		"Refresh": "", "ACCESS": "", "": "", nil: "", true: "", 1: ""} {
		target.Claims["type"] = kind
		for name, route := range routes {
			request := httptest.NewRequest(http.MethodGet, "/", nil)
			request.Header.Set("Authorization", "Bearer "+target.Valid(t))
			response := httptest.NewRecorder()
			route.ServeHTTP(response, request)
			want := http.StatusUnprocessableEntity
			if strings.Contains(taken, name) {
				want = http.StatusNoContent
			}
			if response.Code != want {
				t.Errorf("a token of type %v at the route for %s: %d, want %d", kind, name, response.Code, want)
			}
		}
	}
}
