package server_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

// A change that changes nothing succeeds. Nobody is told of it, and no token ends.
func TestUsers_changeOfNothing(t *testing.T) {
	f := newFixture(t, options{})
	alice, root := f.join("alice"), f.admin("root")
	machine := f.machine("billing")
	f.do("PATCH /v1/users/"+alice.id, `{"email":"alice@a.example"}`, root.bearer()).want(http.StatusOK, "")
	before, _ := f.auditOf(root, "")
	for _, c := range []struct{ request, body string }{
		{"PUT /v1/users/" + alice.id + "/roles", `{"roles":["user","user"]}`},
		{"POST /v1/users/" + alice.id + "/enable", ""},
		{"PATCH /v1/users/" + alice.id, `{"email":"alice@a.example","username":"alice"}`},
		{"PATCH /v1/users/" + alice.id, `{}`},
		{"POST /v1/clients/" + machine.ID + "/enable", ""},
	} {
		f.do(c.request, c.body, root.bearer()).want(http.StatusOK, "")
		if after, _ := f.auditOf(root, ""); after[0].ID != before[0].ID {
			t.Errorf("%s %s is told as %+v", c.request, c.body, after[0])
		}
		f.do("GET /v1/me", "", alice.bearer()).want(http.StatusOK, "")
	}
	f.do("PATCH /v1/users/"+alice.id, `{"email":"b@a.example","username":"alicia"}`, root.bearer()).
		want(http.StatusOK, "")
	if after, _ := f.auditOf(root, "?limit=1"); after[0].Detail != "username (was alice), email" {
		t.Errorf("told %+v", after[0])
	}
	f.do("DELETE /v1/users/"+alice.id, "", root.bearer()).want(http.StatusNoContent, "")
	entries, _ := f.auditOf(root, "?event=user_deleted")
	if len(entries) != 1 || entries[0].Detail != "alicia" {
		t.Errorf("told %+v", entries)
	}
}

// With If-Match a user is changed only if they are still as they were read (RFC 9110 §13.1.1), and of
// several such changes at once, one is made.
func TestUsers_ifMatch(t *testing.T) {
	f := newFixture(t, options{})
	alice, root := f.join("alice"), f.admin("root")
	path := "/v1/users/" + alice.id
	read := func() string { return f.do("GET "+path, "", root.bearer()).want(http.StatusOK, "").Header.Get("ETag") }
	stale := read()
	changed := f.do("PATCH "+path, `{"email":"a@a.example"}`, root.bearer(), "If-Match: "+stale).want(http.StatusOK, "")
	now := read()
	if tag := changed.Header.Get("ETag"); tag != now || now == stale {
		t.Errorf("the tag was %s, is %s, and was said to be %s", stale, now, tag)
	}
	for _, tags := range []string{stale, "W/" + now, `"x", "y"`, ""} {
		for _, c := range []struct{ request, body string }{
			{"PATCH " + path, `{"email":"b@a.example"}`}, {"PUT " + path + "/roles", `{"roles":["editor"]}`},
			{"POST " + path + "/disable", ""}, {"POST " + path + "/enable", ""}, {"DELETE " + path, ""},
		} {
			f.do(c.request, c.body, root.bearer(), "If-Match: "+tags).
				want(http.StatusPreconditionFailed, "precondition_failed")
		}
	}
	if tag := read(); tag != now {
		t.Errorf("refused changes have changed something: %s, %s", now, tag)
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	answers := map[int]int{}
	for _, name := range strings.Split("cdefghij", "") {
		all.Go(func() {
			a := f.do("PATCH "+path, `{"email":"`+name+`@a.example"}`, root.bearer(), "If-Match: "+now)
			mu.Lock()
			defer mu.Unlock()
			answers[a.Status]++
		})
	}
	all.Wait()
	if answers[200] != 1 || answers[412] != 7 {
		t.Errorf("eight at once: %v", answers)
	}
	f.do("PATCH "+path, `{"email":"k@a.example"}`, root.bearer(), `If-Match: "x", `+read()).want(http.StatusOK, "")
	f.do("DELETE "+path, "", root.bearer(), "If-Match: *").want(http.StatusNoContent, "")
}
