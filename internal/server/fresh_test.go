package server_test

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/users"
)

// freshCase is one request of a route, by a user whose login is recent and by the same user when it
// is not.
type freshCase struct {
	pattern, by string
	path, body  string // {alice}, {root} and {client} are IDs; {session}, {token} and {refresh} are alice's
	why         string // a login that is not recent is enough; "" when it is not
}

const (
	newPassword = `"password":"nine copper kettles hum"`
	ofAlice     = "/v1/users/{alice}"
	ofRoot      = "/v1/users/{root}"
	session     = "/v1/sessions/{session}"
	ofClient    = "/v1/clients/{client}"

	reads     = "reads, and changes nothing"
	public    = "is for everybody, without a token"
	isLogin   = "is how one gets a recent login"
	takesAway = "takes power away and gives none; who sees a thief must not be slowed down"
	proved    = "current_password proves what a recent login does"
	noMore    = "gives what the session had, and no recent login"
)

var (
	signupOfCarol = credentials("carol", passwordOf("carol"))
	proof         = `"current_password":"` + passwordOf("alice") + `"`
)

// closedSignup is the route of sign-up where only administrators may make users.
const closedSignup = "POST /v1/users (closed)"

// freshness is every route of the server. Whoever adds one says here whether a stale login is
// enough, and why.
var freshness = []freshCase{
	{"POST /v1/login", "", "", credentials("alice", passwordOf("alice")), isLogin},
	{"POST /v1/refresh", "", "", `{"refresh_token":"{refresh}"}`, noMore},
	{"POST /v1/token", "", "", "grant_type=refresh_token&refresh_token={refresh}", noMore},
	{"GET /v1/clients", "root", "", "", reads},
	{"GET /v1/clients/{id}", "root", ofClient, "", reads},
	{"POST /v1/clients", "root", "", `{"name":"billing"}`, ""},
	{"POST /v1/clients/{id}/rotate", "root", ofClient + "/rotate", "", ""},
	{"POST /v1/clients/{id}/disable", "root", ofClient + "/disable", "", ""},
	{"POST /v1/clients/{id}/enable", "root", ofClient + "/enable", "", ""},
	{"DELETE /v1/clients/{id}", "root", ofClient, "", ""},
	{"POST /v1/reauthenticate", "alice", "", `{"password":"` + passwordOf("alice") + `"}`, isLogin},
	{"POST /v1/logout", "alice", "", "", takesAway},
	{"POST /v1/logout/all", "alice", "", "", takesAway},
	{"POST /v1/revoke", "", "", "token={token}", takesAway},
	{"GET /v1/sessions", "alice", "", "", reads},
	{"DELETE /v1/sessions/{id}", "alice", session, "", takesAway},
	{"DELETE /v1/sessions/{id}", "root", session, "", takesAway},
	{"GET /v1/jwks.json", "", "", "", public},
	{"GET /.well-known/jwks.json", "", "", "", public},
	{"GET /v1/revocations", "", "", "", public},
	{"GET /.well-known/oauth-authorization-server", "", "", "", public},
	{"GET /healthz", "", "", "", public},
	{"GET /metrics", "", "", "", public},
	{"GET /.well-known/security.txt", "", "", "", public},
	{"GET /readyz", "", "", "", public},
	{"GET /openapi.json", "", "", "", public},
	{"GET /docs", "", "", "", public},
	{"GET /docs/style.css", "", "", "", public},
	{"GET /v1/me", "alice", "", "", reads},
	{"GET /v1/verify", "alice", "", "", reads},
	{"POST /v1/introspect", "root", "", "token={token}", reads},
	{"GET /v1/audit", "root", "", "", reads},
	{"GET /v1/keys", "root", "", "", reads},
	{"POST /v1/keys/rotate", "root", "", "", ""},
	{"GET /v1/users", "root", "", "", reads},
	{"GET /v1/users/{id}", "alice", ofAlice, "", reads},
	{"GET /v1/users/{id}", "root", ofAlice, "", reads},
	{"POST /v1/users", "", "", signupOfCarol, public},
	{closedSignup, "root", "/v1/users", signupOfCarol, ""},
	{"PATCH /v1/users/{id}", "alice", ofAlice, `{"username":"alicia"}`, ""},
	{"PATCH /v1/users/{id}", "alice", ofAlice, `{"email":"new@alice.example"}`, ""},
	{"PATCH /v1/users/{id}", "alice", ofAlice, `{"email":null}`, ""},
	{"PATCH /v1/users/{id}", "alice", ofAlice, `{` + proof + `,` + newPassword + `}`, proved},
	{"PATCH /v1/users/{id}", "alice", ofAlice, `{"username":"a",` + proof + `,` + newPassword + `}`, ""},
	{"PATCH /v1/users/{id}", "root", ofRoot, `{"email":"new@root.example"}`, ""},
	{"PATCH /v1/users/{id}", "root", ofAlice, `{"username":"alicia"}`, ""},
	{"PATCH /v1/users/{id}", "root", ofAlice, `{"email":"new@alice.example"}`, ""},
	{"PATCH /v1/users/{id}", "root", ofAlice, `{` + newPassword + `}`, ""},
	{"PATCH /v1/users/{id}", "bob", ofRoot, `{` + newPassword + `}`, ""}, // one administrator another's
	{"DELETE /v1/users/{id}", "alice", ofAlice, "", ""},
	{"DELETE /v1/users/{id}", "root", ofAlice, "", ""},
	{"PUT /v1/users/{id}/roles", "root", ofAlice + "/roles", `{"roles":["user","admin"]}`, ""},
	{"POST /v1/users/{id}/disable", "root", ofAlice + "/disable", "", ""},
	{"POST /v1/users/{id}/enable", "root", ofAlice + "/enable", "", ""},
}

// A stolen or forgotten session, an administrator's too, gives nobody power over an account, a role
// or a key.
func TestRoutes_thatGivePowerWantAFreshLogin(t *testing.T) {
	told := map[string]bool{}
	for _, c := range freshness {
		told[c.pattern] = true
		fresh, stale := c.ask(t, 0), c.ask(t, 5*time.Minute+time.Second)
		about := c.pattern + " by " + c.by + " " + c.body
		if fresh.Status >= 300 {
			t.Errorf("%s: a recent login gets %d %s", about, fresh.Status, fresh.Body)
		}
		if c.why != "" && stale.Status != fresh.Status {
			t.Errorf("%s: a stale login gets %d %s, although it %s", about, stale.Status, stale.Body, c.why)
		}
		challenge := stale.Header.Get("WWW-Authenticate")
		if c.why == "" && (stale.Status != http.StatusUnauthorized ||
			stale.str("code") != "fresh_token_required" || !strings.Contains(challenge, `max_age="300"`)) {
			t.Errorf("%s: a stale login gets %d %s %s", about, stale.Status, stale.Body, challenge)
		}
	}
	delete(told, closedSignup)
	s := newFixture(t, options{}).server
	routes, table := slices.Sorted(slices.Values(s.Patterns())), slices.Sorted(maps.Keys(told))
	if mux := patterns(s.Mux()); !slices.Equal(routes, mux) {
		t.Errorf("the table of routes has\n%s\nand the mux has\n%s", strings.Join(routes, "\n"),
			strings.Join(mux, "\n"))
	}
	if !slices.Equal(routes, table) {
		t.Errorf("the server has the routes\n%s\nand the table has\n%s",
			strings.Join(routes, "\n"), strings.Join(table, "\n"))
	}
}

// isForm reports whether a body of the tables is a form.
func isForm(body string) bool {
	return strings.HasPrefix(body, "token=") || strings.HasPrefix(body, "grant_type=")
}

// ask sends the request of a case that long after the login, on a server of its own.
func (c freshCase) ask(t *testing.T, after time.Duration) answer {
	t.Helper()
	_, _, a := c.send(t, after)
	return a
}

// send is ask, with the server and who uses it.
func (c freshCase) send(t *testing.T, after time.Duration) (*fixture, map[string]person, answer) {
	t.Helper()
	closed := c.pattern == closedSignup
	f := newFixture(t, options{config: func(config *server.Config) { config.ClosedSignup = closed }})
	people := map[string]person{"root": f.admin("root"), "bob": f.admin("bob")}
	if !closed {
		people["alice"] = f.join("alice")
	}
	f.clock.Advance(after)
	alice := people["alice"]
	fill := strings.NewReplacer("{alice}", alice.id, "{root}", people["root"].id,
		"{session}", alice.session, "{token}", alice.access, "{refresh}", alice.refresh,
		"{client}", f.machine("warehouse").ID)
	method, path, _ := strings.Cut(c.pattern, " ")
	if c.path != "" {
		path = c.path
	}
	var headers []string
	if c.by != "" {
		headers = append(headers, people[c.by].bearer())
	}
	if c.pattern == "GET /metrics" {
		headers = append(headers, "From: 127.0.0.1:1")
	}
	if isForm(c.body) {
		headers = append(headers, "Content-Type: application/x-www-form-urlencoded")
	}
	return f, people, f.do(method+" "+fill.Replace(path), fill.Replace(c.body), headers...)
}

// patterns returns what a mux has, sorted. The mux has no list of its own, so this reads the one
// that it keeps for itself.
func patterns(mux *http.ServeMux) []string {
	index := reflect.ValueOf(mux).Elem().FieldByName("index")
	set := map[string]bool{}
	add := func(list reflect.Value) {
		for i := range list.Len() {
			set[list.Index(i).Elem().FieldByName("str").String()] = true
		}
	}
	for segments := index.FieldByName("segments").MapRange(); segments.Next(); {
		add(segments.Value())
	}
	add(index.FieldByName("multis"))
	return slices.Sorted(maps.Keys(set))
}

// Whoever renames themselves over and over learns of five names a day whether somebody has them,
// refused or not.
func TestChangeUser_renamingDoesNotListWhoExists(t *testing.T) {
	f := newFixture(t, options{config: func(c *server.Config) {
		c.Limits.Rename = users.Limit{Burst: 5, Per: 24 * time.Hour}
	}})
	alice, bob, root := f.join("alice"), f.join("bob"), f.admin("root")
	rename := func(by, of person, name string) answer {
		return f.do("PATCH /v1/users/"+of.id, `{"username":"`+name+`"}`, by.bearer())
	}
	rename(alice, alice, "no name").want(http.StatusUnprocessableEntity, "validation_failed") // tells nothing
	for _, name := range []string{"bob", "root", "BOB"} {
		rename(alice, alice, name).want(http.StatusConflict, "username_taken")
	}
	rename(alice, alice, "alicia").want(http.StatusOK, "")
	rename(alice, alice, "alice").want(http.StatusOK, "")
	for _, name := range []string{"bob", "nobody"} {
		a := rename(alice, alice, name).want(http.StatusTooManyRequests, "rate_limited")
		if a.Header.Get("Retry-After") == "" || !strings.Contains(a.Header.Get("RateLimit"), `"rename";r=0`) {
			t.Errorf("fields %v", a.Header)
		}
	}
	f.do("PATCH /v1/users/"+alice.id, `{"email":"new@alice.example"}`, alice.bearer()).want(http.StatusOK, "")
	rename(bob, bob, "robert").want(http.StatusOK, "")       // who has a count of their own
	rename(root, alice, "annemarie").want(http.StatusOK, "") // an administrator can list them anyway
	f.clock.Advance(5 * time.Hour)
	again := f.do("POST /v1/login", credentials("annemarie", passwordOf("alice"))).want(http.StatusOK, "")
	alice.access = again.str("access_token")
	rename(alice, alice, "robert").want(http.StatusConflict, "username_taken")
	rename(alice, alice, "nobody").want(http.StatusTooManyRequests, "rate_limited")
}

// The name that somebody gave up or left behind is nobody else's for a time, on every way to a
// name.
func TestUsers_oldNameStaysReserved(t *testing.T) {
	f := newFixture(t, options{})
	alice, bob, root := f.join("alice"), f.join("bob"), f.admin("root")
	f.do("PATCH /v1/users/"+alice.id, `{"username":"alicia"}`, alice.bearer()).want(http.StatusOK, "")
	for _, name := range []string{"alice", "ALICE"} {
		f.do("POST /v1/users", credentials(name, passwordOf("x"))).want(http.StatusConflict, "username_taken")
		f.do("PATCH /v1/users/"+bob.id, `{"username":"`+name+`"}`, bob.bearer()).
			want(http.StatusConflict, "username_taken")
		f.do("PATCH /v1/users/"+bob.id, `{"username":"`+name+`"}`, root.bearer()).
			want(http.StatusConflict, "username_taken")
	}
	f.do("PATCH /v1/users/"+alice.id, `{"username":"Alice"}`, alice.bearer()).want(http.StatusOK, "")
}

// Reservations that are over do not pile up.
func TestRun_sweepsReservedNames(t *testing.T) {
	f := newFixture(t, options{})
	alice := f.join("alice")
	f.do("PATCH /v1/users/"+alice.id, `{"username":"alicia"}`, alice.bearer()).want(http.StatusOK, "")
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {account.NameReserved - time.Second, 1}, {time.Second, 0}} {
		f.clock.Advance(c.after)
		if err := f.server.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := f.db.QueryRow(t.Context(), "SELECT count(*) FROM reserved_names").Scan(&n); err != nil ||
			n != c.want {
			t.Errorf("%v later %d names are reserved (%v), want %d", c.after, n, err, c.want)
		}
	}
}

// A name that could be read as somebody's ID is nobody's.
func TestUsers_nameIsNeverAnID(t *testing.T) {
	f := newFixture(t, options{})
	alice, bob := f.join("alice"), f.join("bob")
	for _, name := range []string{alice.id, strings.ToUpper(alice.id)} {
		for _, a := range []answer{
			f.do("POST /v1/users", credentials(name, passwordOf("x"))),
			f.do("PATCH /v1/users/"+bob.id, `{"username":"`+name+`"}`, bob.bearer()),
		} {
			a.want(http.StatusUnprocessableEntity, "validation_failed")
			if !strings.Contains(a.Body, `"field":"username","code":"looks_like_id"`) {
				t.Errorf("%s: %s", name, a.Body)
			}
		}
	}
}
