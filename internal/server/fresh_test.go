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
)

// freshCase is one request of a route, by a user whose login is recent and by the same user when it is not.
type freshCase struct {
	by, path, body string // {alice}, {bob} and {root} are IDs; {session} and {token} and {refresh} are alice's
	why            string // a login that is not recent is enough; "" when it is not
	closed         bool   // with sign-up closed
}

const (
	newPassword = `"password":"nine copper kettles hum"`
	reads       = "reads, and changes nothing"
	public      = "is for everybody, without a token"
	takesAway   = "takes power away and gives none; who sees a thief must not be slowed down"
)

// freshness is every route of the server. Whoever adds one says here whether a stale login is enough, and why.
var freshness = map[string][]freshCase{
	"POST /v1/login":                              {{body: credentials("alice", passwordOf("alice")), why: "is how one gets a recent login"}},
	"POST /v1/refresh":                            {{body: `{"refresh_token":"{refresh}"}`, why: "gives what the session had, and no recent login"}},
	"POST /v1/reauthenticate":                     {{by: "alice", body: `{"password":"` + passwordOf("alice") + `"}`, why: "is how one gets a recent login"}},
	"POST /v1/logout":                             {{by: "alice", why: takesAway}},
	"POST /v1/logout/all":                         {{by: "alice", why: takesAway}},
	"POST /v1/revoke":                             {{body: "token={token}", why: takesAway}},
	"GET /v1/sessions":                            {{by: "alice", why: reads}},
	"DELETE /v1/sessions/{id}":                    {{by: "alice", path: "/v1/sessions/{session}", why: takesAway}, {by: "root", path: "/v1/sessions/{session}", why: takesAway}},
	"GET /v1/jwks.json":                           {{why: public}},
	"GET /.well-known/jwks.json":                  {{why: public}},
	"GET /v1/revocations":                         {{why: public}},
	"GET /.well-known/oauth-authorization-server": {{why: public}},
	"GET /healthz":                                {{why: public}},
	"GET /readyz":                                 {{why: public}},
	"GET /v1/me":                                  {{by: "alice", why: reads}},
	"GET /v1/verify":                              {{by: "alice", why: reads}},
	"POST /v1/introspect":                         {{by: "root", body: "token={token}", why: reads}},
	"GET /v1/keys":                                {{by: "root", why: reads}},
	"POST /v1/keys/rotate":                        {{by: "root"}},
	"GET /v1/users":                               {{by: "root", why: reads}},
	"GET /v1/users/{id}":                          {{by: "alice", path: "/v1/users/{alice}", why: reads}, {by: "root", path: "/v1/users/{alice}", why: reads}},
	"POST /v1/users": {
		{body: credentials("carol", passwordOf("carol")), why: public},
		{by: "root", body: credentials("carol", passwordOf("carol")), closed: true},
	},
	"PATCH /v1/users/{id}": {
		{by: "alice", path: "/v1/users/{alice}", body: `{"username":"alicia"}`},
		{by: "alice", path: "/v1/users/{alice}", body: `{"email":"new@alice.example"}`},
		{by: "alice", path: "/v1/users/{alice}", body: `{"email":null}`},
		{by: "alice", path: "/v1/users/{alice}", body: `{"current_password":"` + passwordOf("alice") + `",` + newPassword + `}`,
			why: "current_password proves what a recent login does"},
		{by: "alice", path: "/v1/users/{alice}", body: `{"username":"alicia","current_password":"` + passwordOf("alice") + `",` + newPassword + `}`},
		{by: "root", path: "/v1/users/{root}", body: `{"email":"new@root.example"}`},
		{by: "root", path: "/v1/users/{alice}", body: `{"username":"alicia"}`},
		{by: "root", path: "/v1/users/{alice}", body: `{"email":"new@alice.example"}`},
		{by: "root", path: "/v1/users/{alice}", body: `{` + newPassword + `}`},
		{by: "bob", path: "/v1/users/{root}", body: `{` + newPassword + `}`}, // an administrator, too
	},
	"DELETE /v1/users/{id}":       {{by: "alice", path: "/v1/users/{alice}"}, {by: "root", path: "/v1/users/{alice}"}},
	"PUT /v1/users/{id}/roles":    {{by: "root", path: "/v1/users/{alice}/roles", body: `{"roles":["user","admin"]}`}},
	"POST /v1/users/{id}/disable": {{by: "root", path: "/v1/users/{alice}/disable"}},
	"POST /v1/users/{id}/enable":  {{by: "root", path: "/v1/users/{alice}/enable"}},
}

// A stolen or forgotten session, an administrator's too, gives nobody power over an account, a role or a key.
func TestRoutes_thatGivePowerWantAFreshLogin(t *testing.T) {
	if routes := patterns(newFixture(t, options{}).server.Routes()); !slices.Equal(routes, slices.Sorted(maps.Keys(freshness))) {
		t.Errorf("the server has the routes\n%s\nand the table has\n%s", strings.Join(routes, "\n"),
			strings.Join(slices.Sorted(maps.Keys(freshness)), "\n"))
	}
	for pattern, cases := range freshness {
		for _, c := range cases {
			fresh := c.ask(t, pattern, 0)
			stale := c.ask(t, pattern, 5*time.Minute+time.Second)
			about := pattern + " by " + c.by + " " + c.body
			if fresh.Status >= 300 {
				t.Errorf("%s: a recent login gets %d %s", about, fresh.Status, fresh.Body)
			}
			if c.why != "" && stale.Status != fresh.Status {
				t.Errorf("%s: a stale login gets %d %s, although it %s", about, stale.Status, stale.Body, c.why)
			}
			if c.why == "" && (stale.Status != http.StatusUnauthorized || stale.str("code") != "fresh_token_required" ||
				!strings.Contains(stale.Header.Get("WWW-Authenticate"), `max_age="300"`)) {
				t.Errorf("%s: a stale login gets %d %s %s", about, stale.Status, stale.Body, stale.Header)
			}
		}
	}
}

// ask sends the request of a case that long after the login, on a server of its own.
func (c freshCase) ask(t *testing.T, pattern string, after time.Duration) answer {
	t.Helper()
	f := newFixture(t, options{config: func(config *server.Config) { config.ClosedSignup = c.closed }})
	people := map[string]person{"root": f.admin("root"), "bob": f.admin("bob")}
	if c.closed {
		people["alice"] = f.admin("alice")
	} else {
		people["alice"] = f.join("alice")
	}
	f.clock.Advance(after)
	alice := people["alice"]
	fill := strings.NewReplacer("{alice}", alice.id, "{bob}", people["bob"].id, "{root}", people["root"].id,
		"{session}", alice.session, "{token}", alice.access, "{refresh}", alice.refresh)
	method, path, _ := strings.Cut(pattern, " ")
	if c.path != "" {
		path = c.path
	}
	var headers []string
	if c.by != "" {
		headers = append(headers, people[c.by].bearer())
	}
	if strings.HasPrefix(c.body, "token=") {
		headers = append(headers, "Content-Type: application/x-www-form-urlencoded")
	}
	return f.do(method+" "+fill.Replace(path), fill.Replace(c.body), headers...)
}

// patterns returns what a mux has, sorted. The mux has no list of its own, so this reads the one that it keeps for itself.
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

// Whoever renames themselves over and over learns of five names a day whether somebody has them, refused or not.
func TestChangeUser_renamingDoesNotListWhoExists(t *testing.T) {
	f := newFixture(t, options{})
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

// The name that somebody gave up or left behind is nobody else's for a time, on every way to a name.
func TestUsers_oldNameStaysReserved(t *testing.T) {
	f := newFixture(t, options{})
	alice, bob, carol, root := f.join("alice"), f.join("bob"), f.join("carol"), f.admin("root")
	f.do("PATCH /v1/users/"+alice.id, `{"username":"alicia"}`, alice.bearer()).want(http.StatusOK, "")
	f.do("DELETE /v1/users/"+carol.id, "", carol.bearer()).want(http.StatusNoContent, "")
	for _, name := range []string{"alice", "ALICE", "carol"} {
		f.do("POST /v1/users", credentials(name, passwordOf("x"))).want(http.StatusConflict, "username_taken")
		f.do("PATCH /v1/users/"+bob.id, `{"username":"`+name+`"}`, bob.bearer()).want(http.StatusConflict, "username_taken")
		f.do("PATCH /v1/users/"+bob.id, `{"username":"`+name+`"}`, root.bearer()).want(http.StatusConflict, "username_taken")
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
		if err := f.db.QueryRow(t.Context(), "SELECT count(*) FROM reserved_names").Scan(&n); err != nil || n != c.want {
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
