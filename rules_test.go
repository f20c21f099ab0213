package hallpass_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
)

// pass asks the rules about one caller on "GET /users/{id}" and returns the status and the code of
// the answer.
func pass(t *testing.T, a *api, token, path string, rules ...hallpass.Rule) (int, http.Header) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("GET /users/{id}", a.Func(func(http.ResponseWriter, *http.Request, identity) {}, rules...))
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w.Code, w.Result().Header
}

func TestRules(t *testing.T) {
	a := newAPI(t, nil)
	a.users.SetGrant("bob", grant{Roles: []string{"admin"}, Scopes: []string{"read"}})
	alice, bob := a.login("alice").String(t, "access_token"), a.login("bob").String(t, "access_token")
	gold := hallpass.Check(func(_ *http.Request, id identity) error {
		if id.Custom.Plan != "gold" {
			return hallpass.ErrNotOwner
		}
		return nil
	})
	for _, c := range []struct {
		name   string
		rule   hallpass.Rule
		alice  int // on /users/alice
		bob    int // on /users/alice
		nobody int // alice on /users/nobody
	}{
		{"Self", hallpass.Self("id"), 200, 403, 403},
		{"Self of a value that the pattern lacks", hallpass.Self("user"), 403, 403, 403},
		{"Role", hallpass.Role("admin"), 403, 200, 403},
		{"Role of several", hallpass.Role("admin", "user"), 200, 200, 200},
		{"Role of none", hallpass.Role(), 403, 403, 403},
		{"Scope", hallpass.Scope("read"), 200, 200, 200},
		{"Scope of several", hallpass.Scope("read", "write"), 200, 403, 200},
		{"Fresh", hallpass.Fresh(time.Minute), 200, 200, 200},
		{"AnyOf", hallpass.AnyOf(hallpass.Self("id"), hallpass.Role("admin")), 200, 200, 403},
		{"AnyOf none", hallpass.AnyOf(), 500, 500, 500},
		{"AllOf", hallpass.AllOf(hallpass.Self("id"), hallpass.Scope("write")), 200, 403, 403},
		{"Check", gold, 200, 403, 200},
		{"Check of another type",
			hallpass.Check(func(*http.Request, hallpass.Identity[struct{}]) error { return nil }),
			500, 500, 500},
		{"Check that fails", hallpass.Check(func(*http.Request, identity) error {
			return errors.New("broken")
		}), 500, 500, 500},
		{"the zero Rule", hallpass.Rule{}, 500, 500, 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, _ := pass(t, a, alice, "/users/alice", c.rule); got != c.alice {
				t.Errorf("alice on her own: %d, want %d", got, c.alice)
			}
			if got, _ := pass(t, a, bob, "/users/alice", c.rule); got != c.bob {
				t.Errorf("bob on alice's: %d, want %d", got, c.bob)
			}
			if got, _ := pass(t, a, alice, "/users/nobody", c.rule); got != c.nobody {
				t.Errorf("alice on nobody's: %d, want %d", got, c.nobody)
			}
		})
	}
}

func TestRules_challenges(t *testing.T) {
	a := newAPI(t, nil)
	token := a.login("bob").String(t, "access_token")
	a.clock.Advance(6 * time.Minute)
	for _, c := range []struct {
		rule      hallpass.Rule
		status    int
		challenge []string
	}{
		{hallpass.Scope("read", "write"), 403, []string{`error="insufficient_scope"`, `scope="read write"`}},
		{hallpass.Fresh(5 * time.Minute), 401, []string{`error="insufficient_user_authentication"`, `max_age="300"`}},
		{hallpass.AnyOf(hallpass.Role("admin"), hallpass.Fresh(5*time.Minute)), 401, []string{`max_age="300"`}},
		{hallpass.AnyOf(hallpass.AllOf(hallpass.Self("id"), hallpass.Fresh(time.Minute)),
			hallpass.Role("admin")), 401, []string{`max_age="60"`}},
		{hallpass.Role("admin"), 403, []string{`error="insufficient_scope"`}},
	} {
		status, header := pass(t, a, token, "/users/bob", c.rule)
		challenge := header.Get("WWW-Authenticate")
		if status != c.status || !strings.HasPrefix(challenge, "Bearer ") {
			t.Errorf("%d %q, want %d", status, challenge, c.status)
		}
		for _, part := range c.challenge {
			if !strings.Contains(challenge, part) {
				t.Errorf("challenge %q lacks %s", challenge, part)
			}
		}
	}
}

func TestFresh_atItsLimit(t *testing.T) {
	a := newAPI(t, nil)
	token := a.login("alice").String(t, "access_token")
	// auth_time is in whole seconds, so the age of the login is counted from the start of its
	// second.
	a.clock.Advance(time.Minute - 250*time.Millisecond)
	if got, _ := pass(t, a, token, "/users/alice", hallpass.Fresh(time.Minute)); got != 200 {
		t.Errorf("a login exactly as old as allowed: %d", got)
	}
	a.clock.Advance(time.Second)
	if got, _ := pass(t, a, token, "/users/alice", hallpass.Fresh(time.Minute)); got != 401 {
		t.Errorf("a login a second older: %d", got)
	}
}
