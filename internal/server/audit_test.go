package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/audit"
	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/testservers"
	"github.com/hallpass-go/hallpass/internal/users"
)

type auditEntry struct {
	ID, Event, IP  string
	At             time.Time
	User           string `json:"user_id"`
	Actor          string `json:"actor_id"`
	Session        string `json:"session_id"`
	Token          string `json:"token_id"`
	Key            string `json:"key_id"`
	Request        string `json:"request_id"`
	Reason, Detail string
}

// auditOf returns a page of the audit, newest first.
func (f *fixture) auditOf(by person, query string) (entries []auditEntry, next string) {
	f.t.Helper()
	var list struct {
		Items []auditEntry `json:"items"`
		Next  string       `json:"next_cursor"`
	}
	f.do("GET /v1/audit"+query, "", by.bearer()).want(http.StatusOK, "").object(&list)
	return list.Items, list.Next
}

// deed is a request that changes something, and what the audit says of it, oldest first: event, and
// "user" where it is about alice, "actor" where the entry names root.
type deed struct {
	request, body, by string
	told              string
	first             string // a request of root before it
}

var deeds = []deed{
	{"POST /v1/users", credentials("carol", passwordOf("carol")), "", "user_created", ""},
	{"POST /v1/login", credentials("alice", passwordOf("alice")), "", "session_started user", ""},
	{"POST /v1/refresh", `{"refresh_token":"{refresh}"}`, "", "session_refreshed user", ""},
	{"POST /v1/reauthenticate", `{"password":"` + passwordOf("alice") + `"}`, "alice", "reauthenticated user", ""},
	{"POST /v1/logout", "", "alice", "session_ended user", ""},
	{"POST /v1/logout/all", "", "alice", "session_ended user", ""},
	{"DELETE " + session, "", "alice", "session_ended user", ""},
	{"DELETE " + session, "", "root", "session_ended user actor", ""},
	{"POST /v1/revoke", "token={token}", "", "session_ended user", ""},
	{"PATCH " + ofAlice, `{"email":"new@alice.example"}`, "alice", "user_changed user", ""},
	{"PATCH " + ofAlice, `{"username":"alicia"}`, "root", "user_changed user actor", ""},
	{"PATCH " + ofAlice, `{` + proof + `,` + newPassword + `}`, "alice",
		"password_changed user, session_refreshed user", ""},
	{"PATCH " + ofAlice, `{` + newPassword + `}`, "root", "password_changed user actor, session_ended user actor", ""},
	{"PUT " + ofAlice + "/roles", `{"roles":["user","editor"]}`, "root", "roles_changed user actor", ""},
	{"POST " + ofAlice + "/disable", "", "root", "user_disabled user actor, session_ended user actor", ""},
	{"POST " + ofAlice + "/enable", "", "root", "user_enabled user actor", "POST " + ofAlice + "/disable"},
	{"DELETE " + ofAlice, "", "root", "user_deleted user actor, session_ended user actor", ""},
	{"POST /v1/keys/rotate", "", "root", "key_changed actor", ""},
}

func (d deed) send(t *testing.T, f *fixture, people map[string]person) answer {
	t.Helper()
	alice := people["alice"]
	fill := strings.NewReplacer("{alice}", alice.id, "{session}", alice.session, "{token}", alice.access,
		"{refresh}", alice.refresh)
	var headers []string
	if d.by != "" {
		headers = append(headers, people[d.by].bearer())
	}
	if strings.HasPrefix(d.body, "token=") {
		headers = append(headers, "Content-Type: application/x-www-form-urlencoded")
	}
	return f.do(fill.Replace(d.request), fill.Replace(d.body), headers...)
}

// scene is where the deed is done.
func (d deed) scene(t *testing.T) (*fixture, map[string]person) {
	t.Helper()
	f := newFixture(t, options{})
	people := map[string]person{"alice": f.join("alice"), "root": f.admin("root")}
	if d.first != "" {
		deed{request: d.first, by: "root"}.send(t, f, people).wantStatus(http.StatusOK)
	}
	return f, people
}

// Each deed has its entries, which say who did what to whom, from where, in which request.
func TestAudit_hasEachDeed(t *testing.T) {
	for _, d := range deeds {
		f, people := d.scene(t)
		before, _ := f.auditOf(people["root"], "?limit=1")
		a := d.send(t, f, people)
		if a.Status >= 300 {
			t.Fatalf("%s by %s: %d %s", d.request, d.by, a.Status, a.Body)
		}
		entries, _ := f.auditOf(people["root"], "")
		entries = entries[:slices.IndexFunc(entries, func(e auditEntry) bool { return e.ID == before[0].ID })]
		slices.Reverse(entries)
		var told []string
		for _, e := range entries {
			what := e.Event
			if e.User == people["alice"].id {
				what += " user"
			}
			if e.Actor == people["root"].id {
				what += " actor"
			}
			told = append(told, what)
			if e.IP != "192.0.2.7" || e.Request != a.Header.Get("X-Request-Id") ||
				!e.At.Equal(f.clock.Now().Truncate(time.Microsecond)) {
				t.Errorf("%s: %s has address %q, request %q, time %s", d.request, e.Event, e.IP, e.Request, e.At)
			}
			if strings.HasPrefix(e.Event, "session_") && e.Session == "" || e.Event == "key_changed" && e.Key == "" {
				t.Errorf("%s: %s does not say which: %+v", d.request, e.Event, e)
			}
		}
		if got := strings.Join(told, ", "); got != d.told {
			t.Errorf("%s by %q is told as %q, want %q", d.request, d.by, got, d.told)
		}
	}
}

// Without its entry nothing happens: no user, no session, no revocation, no key.
func TestAudit_withoutItsEntryThereIsNoDeed(t *testing.T) {
	for _, d := range deeds {
		f, people := d.scene(t)
		fill, empty := `CREATE TRIGGER filled BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'it is full'); END`,
			`DROP TRIGGER filled`
		if !testservers.OnSQLite() {
			fill, empty = `ALTER TABLE audit ADD CONSTRAINT filled CHECK (event = '') NOT VALID`,
				`ALTER TABLE audit DROP CONSTRAINT filled`
		}
		f.exec(fill)
		before := f.state()
		if a := d.send(t, f, people); a.Status != http.StatusInternalServerError {
			t.Errorf("%s by %s: %d %s", d.request, d.by, a.Status, a.Body)
		}
		if after := f.state(); after != before {
			t.Errorf("%s by %s left\n%s\nof\n%s", d.request, d.by, after, before)
		}
		f.exec(empty)
		if strings.Contains(d.request, "logout") || strings.Contains(d.request, "revoke") {
			f.do("GET /v1/me", "", people["alice"].bearer()).wantStatus(http.StatusOK) // not even in memory
		}
	}
}

// Without its deed there is no entry.
func TestAudit_withoutItsDeedThereIsNoEntry(t *testing.T) {
	f, people := deed{}.scene(t)
	before, _ := f.auditOf(people["root"], "?limit=1")
	root := people["root"].bearer()
	f.do("POST /v1/users", credentials("alice", passwordOf("alice"))).want(http.StatusConflict, "username_taken")
	f.do("DELETE /v1/users/"+people["root"].id, "", root).want(http.StatusConflict, "last_admin")
	roles := "/v1/users/" + people["root"].id + "/roles"
	f.do("PUT "+roles, `{"roles":["user"]}`, root).want(http.StatusConflict, "last_admin")
	f.do("POST /v1/users/"+people["root"].id+"/disable", "", root).want(http.StatusConflict, "last_admin")
	f.do("DELETE /v1/users/nobody", "", root).want(http.StatusNotFound, "not_found")
	after, _ := f.auditOf(people["root"], "?limit=1")
	if after[0].ID != before[0].ID {
		t.Errorf("the audit tells of %+v", after[0])
	}
}

// What a guesser tries is there, but a guesser who goes on beyond the limit does not fill the
// database.
func TestAudit_hasRefusedLogins(t *testing.T) {
	limited := func(c *server.Config) { c.Limits.LoginAccount = users.Limit{Burst: 10, Per: time.Minute} }
	f := newFixture(t, options{config: limited})
	alice, root := f.join("alice"), f.admin("root")
	for range 40 {
		f.do("POST /v1/login", credentials("alice", "a wrong password"), "From: 192.0.2.8:1")
	}
	f.do("POST /v1/login", credentials("nobody", "a wrong password"), "From: 192.0.2.9:1")
	count := map[string]int{}
	entries, _ := f.auditOf(root, "?limit=200&event=login_failed")
	for _, e := range entries {
		count[e.Reason+" "+e.User]++
	}
	want := map[string]int{
		"invalid_credentials " + alice.id: 10, "rate_limited " + alice.id: 1, "invalid_credentials ": 1,
	}
	if fmt.Sprint(count) != fmt.Sprint(want) {
		t.Errorf("failed log-ins in the audit: %v, want %v", count, want)
	}
}

// A thief's token ends the session, and the audit says so.
func TestAudit_hasReuse(t *testing.T) {
	f, people := deed{}.scene(t)
	alice := people["alice"]
	refresh := func() answer { return f.do("POST /v1/refresh", `{"refresh_token":"`+alice.refresh+`"}`) }
	refresh().want(http.StatusOK, "")
	f.clock.Advance(time.Hour)
	refresh().want(http.StatusUnauthorized, "refresh_token_reused")
	root := f.login("root")
	entries, _ := f.auditOf(root, "?event=refresh_token_reused&user="+alice.id)
	if len(entries) != 1 || entries[0].Session != alice.session || entries[0].Reason != "refresh_token_reused" {
		t.Errorf("the audit has %+v", entries)
	}
}

func TestListAudit_filtersAndPages(t *testing.T) {
	f, people := deed{}.scene(t)
	root := people["root"]
	for range 5 {
		f.clock.Advance(time.Second)
		f.login("alice")
	}
	all, _ := f.auditOf(root, "?user="+people["alice"].id)
	if len(all) != 7 { // created, and six log-ins
		t.Fatalf("%d entries about alice: %+v", len(all), all)
	}
	for _, name := range []string{"user", "actor", "session", "event"} {
		f.do("GET /v1/audit?"+name+"=", "", root.bearer()).want(http.StatusUnprocessableEntity, "validation_failed")
	}
	var paged []auditEntry
	for query := "?limit=3&user=" + people["alice"].id; ; {
		some, next := f.auditOf(root, query)
		paged = append(paged, some...)
		if next == "" {
			break
		}
		query = "?limit=3&user=" + people["alice"].id + "&cursor=" + next
	}
	if fmt.Sprint(paged) != fmt.Sprint(all) {
		t.Errorf("the pages have\n%v\nand the list\n%v", paged, all)
	}
	since := url.QueryEscape(f.clock.Now().Add(-time.Second).Format(time.RFC3339Nano))
	if late, _ := f.auditOf(root, "?event=session_started&since="+since); len(late) != 2 {
		t.Errorf("%d log-ins in the last second, want 2", len(late))
	}
	if early, _ := f.auditOf(root, "?event=session_started&until="+since); len(early) != 5 {
		t.Errorf("%d log-ins before, want 5", len(early)) // of alice four, of root one
	}
	for _, query := range []string{"?cursor=x", "?cursor=-1", "?since=yesterday", "?until=", "?limit=0"} {
		f.do("GET /v1/audit"+query, "", root.bearer()).want(http.StatusUnprocessableEntity, "validation_failed")
	}
	f.do("GET /v1/audit?usr=x", "", root.bearer()).want(http.StatusBadRequest, "malformed_request")
	f.do("GET /v1/audit", "", people["alice"].bearer()).want(http.StatusForbidden, "insufficient_role")
}

// What a client writes cannot look like another entry, in a terminal or in a log.
func TestAudit_holdsNoControlCharacter(t *testing.T) {
	f, people := deed{}.scene(t)
	if err := f.audit.Add(context.Background(), audit.Entry{
		At: f.clock.Now(), Event: "e\x1b[2J", IP: "1\n2026", Detail: strings.Repeat("é", 300) + "\xff",
	}); err != nil {
		t.Fatal(err)
	}
	entries, _ := f.auditOf(people["root"], "?limit=1")
	if e := entries[0]; e.Event != "e?[2J" || e.IP != "1?2026" || e.Detail != strings.Repeat("é", 128) {
		t.Errorf("the audit has %q", e)
	}
}

func TestAudit_isSwept(t *testing.T) {
	f, people := deed{}.scene(t)
	before, _ := f.auditOf(people["root"], "")
	f.clock.Advance(time.Hour)
	root := f.login("root")
	n, err := f.audit.Sweep(t.Context(), f.clock.Now(), 2)
	if err != nil || n != 2 {
		t.Errorf("swept %d, %v, want 2", n, err)
	}
	if n, err = f.audit.Sweep(t.Context(), f.clock.Now(), 100); err != nil || n != len(before)-2 {
		t.Errorf("swept %d, %v, want %d", n, err, len(before)-2)
	}
	if after, _ := f.auditOf(root, ""); len(after) != 1 {
		t.Errorf("%d entries are left, want the last log-in", len(after))
	}
}

// exec runs a statement on the database, past the server.
func (f *fixture) exec(statement string) {
	f.t.Helper()
	if err := f.db.Write(f.t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(statement)
		return err
	}); err != nil {
		f.t.Fatal(err)
	}
}

// state is everything that deeds change, as text.
func (f *fixture) state() string {
	f.t.Helper()
	var b strings.Builder
	for _, query := range []string{
		`SELECT id || username || email || password_hash || roles || disabled FROM users ORDER BY id`,
		`SELECT id || '.' || generation || '.' || revoked_at || '.' || auth_time FROM sessions ORDER BY id`,
		`SELECT kind || revoked_id || sequence FROM revocations ORDER BY sequence`,
		`SELECT id || state FROM signing_keys ORDER BY id`,
		`SELECT username_key || user_id FROM reserved_names ORDER BY username_key`,
	} {
		rows, err := f.db.Query(f.t.Context(), query)
		if err != nil {
			f.t.Fatal(err)
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				f.t.Fatal(err)
			}
			b.WriteString(line + "\n")
		}
		if err := errorsOf(rows); err != nil {
			f.t.Fatal(err)
		}
	}
	return b.String()
}

func errorsOf(rows *sqldb.Rows) error {
	if err := rows.Err(); err != nil {
		return err
	}
	return rows.Close()
}
