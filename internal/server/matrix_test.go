package server_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/users"
	"github.com/hallpass-go/hallpass/jwt"
)

// callers are who sends each request, in the order of the columns below: nobody, another user, the
// user whom the request is about, an administrator, an administrator whose login is not recent, and
// a service whose token has another scope than any route wants, and no user.
var callers = []string{"nobody", "other", "owner", "admin", "stale", "service"}

// whoMay is every route of the server, and the status of each caller. DELETE of a session is 404 for
// others, so that IDs cannot be tried out.
var whoMay = []struct {
	pattern  string
	statuses [6]int
	body     string
}{
	{"POST /v1/login", [6]int{200, 200, 200, 200, 200, 200}, credentials("alice", passwordOf("alice"))},
	{"POST /v1/refresh", [6]int{200, 200, 200, 200, 200, 200}, `{"refresh_token":"{refresh}"}`},
	// With the password of alice: another user's is another.
	{"POST /v1/reauthenticate", [6]int{401, 401, 200, 401, 401, 401}, `{"password":"` + passwordOf("alice") + `"}`},
	{"POST /v1/logout", [6]int{401, 204, 204, 204, 204, 204}, ""},
	{"POST /v1/logout/all", [6]int{401, 204, 204, 204, 204, 204}, ""},
	{"POST /v1/token", [6]int{200, 401, 401, 401, 401, 401}, "grant_type=refresh_token&refresh_token={refresh}"},
	{"GET /v1/clients", [6]int{401, 403, 403, 200, 200, 403}, ""},
	{"POST /v1/clients", [6]int{401, 403, 403, 201, 401, 403}, `{"name":"billing","scopes":["invoices"]}`},
	{"GET /v1/clients/{client}", [6]int{401, 403, 403, 200, 200, 403}, ""},
	{"POST /v1/clients/{client}/rotate", [6]int{401, 403, 403, 200, 401, 403}, `{"overlap_seconds":60}`},
	{"POST /v1/clients/{client}/disable", [6]int{401, 403, 403, 200, 401, 403}, ""},
	{"POST /v1/clients/{client}/enable", [6]int{401, 403, 403, 200, 401, 403}, ""},
	{"DELETE /v1/clients/{client}", [6]int{401, 403, 403, 204, 401, 403}, ""},
	{"POST /v1/revoke", [6]int{200, 200, 200, 200, 200, 200}, "token={token}"},
	{"GET /v1/sessions", [6]int{401, 200, 200, 200, 200, 200}, ""},
	{"DELETE /v1/sessions/{session}", [6]int{401, 404, 204, 204, 204, 404}, ""},
	{"GET /v1/jwks.json", [6]int{200, 200, 200, 200, 200, 200}, ""},
	{"GET /.well-known/jwks.json", [6]int{200, 200, 200, 200, 200, 200}, ""},
	{"GET /v1/revocations", [6]int{200, 200, 200, 200, 200, 200}, ""},
	{"GET /.well-known/oauth-authorization-server", [6]int{200, 200, 200, 200, 200, 200}, ""},
	{"GET /healthz", [6]int{200, 200, 200, 200, 200, 200}, ""},
	{"GET /readyz", [6]int{200, 200, 200, 200, 200, 200}, ""},
	{"GET /metrics", [6]int{404, 404, 404, 404, 404, 404}, ""}, // the fixture's clients are on other machines
	{"GET /.well-known/security.txt", [6]int{200, 200, 200, 200, 200, 200}, ""},
	{"GET /openapi.json", [6]int{200, 200, 200, 200, 200, 200}, ""},
	{"GET /docs", [6]int{200, 200, 200, 200, 200, 200}, ""},
	{"GET /docs/style.css", [6]int{200, 200, 200, 200, 200, 200}, ""},
	{"GET /v1/me", [6]int{401, 200, 200, 200, 200, 401}, ""},
	{"GET /v1/verify", [6]int{401, 204, 204, 204, 204, 204}, ""},
	{"POST /v1/introspect", [6]int{401, 403, 403, 200, 200, 403}, "token={token}"},
	{"GET /v1/audit", [6]int{401, 403, 403, 200, 200, 403}, ""},
	{"GET /v1/keys", [6]int{401, 403, 403, 200, 200, 403}, ""},
	{"POST /v1/keys/rotate", [6]int{401, 403, 403, 200, 401, 403}, ""},
	{"GET /v1/users", [6]int{401, 403, 403, 200, 200, 403}, ""},
	{"POST /v1/users", [6]int{201, 201, 201, 201, 201, 201}, signupOfCarol},
	{"GET /v1/users/{id}", [6]int{401, 403, 200, 200, 200, 403}, ""},
	{"PATCH /v1/users/{id}", [6]int{401, 403, 200, 200, 401, 403}, `{"email":"new@alice.example"}`},
	{"DELETE /v1/users/{id}", [6]int{401, 403, 204, 204, 401, 403}, ""},
	{"PUT /v1/users/{id}/roles", [6]int{401, 403, 403, 200, 401, 403}, `{"roles":["user","editor"]}`},
	{"POST /v1/users/{id}/disable", [6]int{401, 403, 403, 200, 401, 403}, ""},
	{"POST /v1/users/{id}/enable", [6]int{401, 403, 403, 200, 401, 403}, ""},
}

// Every route, asked by everybody: who may is what the table says.
func TestRoutes_answerEachCallerAsTheTableSays(t *testing.T) {
	told := map[string]bool{}
	for i, by := range callers {
		quiet := newScene(t, by, options{}) // for what changes nothing
		for _, c := range whoMay {
			told[strings.NewReplacer("{session}", "{id}", "{client}", "{id}").Replace(c.pattern)] = true
			where := quiet
			if c.statuses[i] < 300 && !strings.HasPrefix(c.pattern, "GET ") {
				where = newScene(t, by, options{})
			}
			if a := where.send(c.pattern, c.body); a.Status != c.statuses[i] {
				t.Errorf("%s by %s: %d %s, want %d", c.pattern, by, a.Status, a.Body, c.statuses[i])
			}
		}
	}
	want := patterns(newFixture(t, options{}).server.Mux())
	if got := slices.Sorted(maps.Keys(told)); !slices.Equal(got, want) {
		t.Errorf("this test asks\n%s\nand the mux has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Where sign-up is closed, only an administrator with a recent login makes users.
func TestRoutes_closedSignupIsForAdministrators(t *testing.T) {
	closed := options{config: func(c *server.Config) { c.ClosedSignup = true }}
	for i, want := range []int{401, 403, 403, 201, 401, 403} {
		if a := newScene(t, callers[i], closed).send("POST /v1/users", signupOfCarol); a.Status != want {
			t.Errorf("by %s: %d %s, want %d", callers[i], a.Status, a.Body, want)
		}
	}
}

// scene is a server with two users, alice and bob, an administrator, and somebody who asks.
type scene struct {
	f      *fixture
	alice  person
	client string // the ID of a machine client
	token  string // of who asks
}

func newScene(t *testing.T, by string, o options) scene {
	t.Helper()
	f := newFixture(t, o)
	root, alice, bob := f.admin("root"), f.user("alice"), f.user("bob")
	if by == "stale" {
		f.clock.Advance(5*time.Minute + time.Second)
	}
	return scene{f, alice, f.machine("warehouse").ID, map[string]string{
		"nobody": "", "other": bob.access, "owner": alice.access, "admin": root.access, "stale": root.access,
		"service": f.tokenWithScope("unrelated"),
	}[by]}
}

// send sends a request about alice.
func (s scene) send(pattern, body string) answer {
	s.f.t.Helper()
	var headers []string
	if s.token != "" {
		headers = append(headers, "Authorization: Bearer "+s.token)
	}
	if isForm(body) {
		headers = append(headers, form)
	}
	fill := strings.NewReplacer("{id}", s.alice.id, "{session}", s.alice.session, "{token}", s.alice.access,
		"{refresh}", s.alice.refresh, "{client}", s.client)
	return s.f.do(fill.Replace(pattern), fill.Replace(body), headers...)
}

// user makes a user, as the command line does, and logs them in.
func (f *fixture) user(name string) person {
	f.t.Helper()
	user, err := f.accounts.Create(f.t.Context(), users.NewUser{Username: name, Password: passwordOf(name)})
	if err != nil {
		f.t.Fatal(err)
	}
	p := f.login(name)
	p.id = user.ID
	return p
}

// tokenWithScope is a token of this server for a service: it has a scope, and neither user, session
// nor role.
func (f *fixture) tokenWithScope(scope string) string {
	f.t.Helper()
	key, err := f.keys.SigningKey(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	now := f.clock.Now()
	token, err := jwt.Sign(key, jwt.TypeAccess, jwt.Claims{
		Issuer: "https://issuer.test", Audience: []string{"https://issuer.test"}, Subject: "service", ID: "1",
		ClientID: "service", IssuedAt: now, ExpiresAt: now.Add(time.Minute), Scopes: []string{scope},
	}, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}
