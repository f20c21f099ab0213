package hallpasstest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/hallpasstest"
)

type claims struct {
	Plan string `json:"plan"`
}

// newAPI returns the program under test, which only verifies tokens.
func newAPI(t *testing.T, kit *hallpasstest.Kit[claims]) http.Handler {
	t.Helper()
	v, err := hallpass.NewVerifier[claims](
		hallpass.VerifierConfig{Issuer: kit.Issuer, Audience: kit.Audience, Keys: kit.Keys},
	)
	if err != nil {
		t.Fatal(err)
	}
	return v.Func(func(w http.ResponseWriter, r *http.Request, id hallpass.Identity[claims]) {
		_, _ = io.WriteString(w, id.Subject+" "+id.Custom.Plan)
	}, hallpass.Role("admin"))
}

func get(h http.Handler, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestKit(t *testing.T) {
	kit := hallpasstest.New[claims](t)
	api := newAPI(t, kit)
	if w := get(api, kit.Token("alice", hallpass.Grant[claims]{Roles: []string{"admin"},
		Custom: claims{"gold"}})); w.Code != 200 ||
		w.Body.String() != "alice gold" {
		t.Errorf("the valid token: %d %s", w.Code, w.Body)
	}
	if w := get(api, kit.Token("alice", hallpass.Grant[claims]{})); w.Code != 403 {
		t.Errorf("the token without the role: %d", w.Code)
	}
	n := 0
	for reason, token := range kit.Refused("alice") {
		n++
		if w := get(api, token); w.Code != 401 {
			t.Errorf("%s: %d", reason, w.Code)
		}
	}
	if n < 9 {
		t.Errorf("%d tokens to refuse", n)
	}
	if w := get(api, hallpasstest.New[claims](t).Token("alice",
		hallpass.Grant[claims]{Roles: []string{"admin"}})); w.Code != 401 {
		t.Errorf("another kit's token: %d", w.Code)
	}
}

func TestKit_Auth(t *testing.T) {
	kit := hallpasstest.New[claims](t)
	auth := kit.Auth(hallpass.Config[claims]{})
	tokens, err := auth.StartSession(t.Context(), "alice", hallpass.Client{})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := auth.Verify(t.Context(), tokens.AccessToken); err != nil || id.Subject != "alice" {
		t.Errorf("Verify = %+v, %v", id, err)
	}
}
