package server_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every request by somebody is logged with who it was, whichever half of the code has the route.
func TestRoutes_logWhoAsked(t *testing.T) {
	for _, c := range freshness {
		if c.by == "" || c.pattern == closedSignup {
			continue
		}
		f, people, a := c.send(t, time.Second)
		if a.Status >= 300 {
			t.Fatalf("%s by %s: %d %s", c.pattern, c.by, a.Status, a.Body)
		}
		line := f.requestLine(a)
		if line["user_id"] != people[c.by].id {
			t.Errorf("%s by %s is logged as %v's, want %s", c.pattern, c.by, line["user_id"], people[c.by].id)
		}
	}
}

// requestLine is the line of the log that a request has.
func (f *fixture) requestLine(a answer) map[string]any {
	f.t.Helper()
	for text := range strings.Lines(f.log.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			f.t.Fatal(err)
		}
		if line["msg"] == "request" && line["request_id"] == a.Header.Get("X-Request-Id") {
			return line
		}
	}
	f.t.Fatalf("no line of request %s in\n%s", a.Header.Get("X-Request-Id"), f.log)
	return nil
}

// notYet are the routes of the contract that the server does not have. Whoever builds one takes it
// out.
var notYet = []string{
	"GET /v1/refusals/{request_id}", "GET /",
}

// besides are the routes that the contract does not name, and why.
var besides = map[string]string{
	"GET /v1/jwks.json":             "the library's own place for the keys",
	"GET /v1/clients":               "machine clients, as the issue about them has it, and so are the next six",
	"POST /v1/clients":              "as above",
	"GET /v1/clients/{id}":          "as above",
	"DELETE /v1/clients/{id}":       "as above",
	"POST /v1/clients/{id}/rotate":  "as above",
	"POST /v1/clients/{id}/disable": "as above",
	"POST /v1/clients/{id}/enable":  "as above",
	"GET /docs/style.css":           "a part of the page at /docs",
	"GET /.well-known/security.txt": "RFC 9116 says where, and a setting whether",
}

// The document that the server gives out has the routes of the mux and of the contract that others
// test against.
func TestRoutes_areThoseOfTheContract(t *testing.T) {
	f := newFixture(t, options{})
	documented := f.documented()
	if mux := patterns(f.server.Mux()); !slices.Equal(mux, documented) {
		t.Errorf("the mux has\n%s\nand the document has\n%s", strings.Join(mux, "\n"), strings.Join(documented, "\n"))
	}
	inContract := routesOfTheContract(t)
	for _, pattern := range documented {
		if besides[pattern] == "" && !slices.Contains(inContract, pattern) {
			t.Errorf("%s is not in the contract, which has %q", pattern, inContract)
		}
		if slices.Contains(notYet, pattern) {
			t.Errorf("%s is there: take it out of notYet", pattern)
		}
	}
	for _, pattern := range inContract {
		if !slices.Contains(documented, pattern) && !slices.Contains(notYet, pattern) {
			t.Errorf("%s is in the contract, and not in the document", pattern)
		}
	}
}

// documented returns the routes of the document that the server gives out, sorted.
func (f *fixture) documented() (patterns []string) {
	f.t.Helper()
	var document struct {
		Paths map[string]map[string]any
	}
	f.do("GET /openapi.json", "").want(http.StatusOK, "").object(&document)
	for path, methods := range document.Paths {
		for method := range methods {
			patterns = append(patterns, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(patterns)
	return patterns
}

// routesOfTheContract reads the tables whose first column has methods and paths.
func routesOfTheContract(t *testing.T) (routes []string) {
	t.Helper()
	vectors := os.Getenv("HALLPASS_VECTORS")
	text, err := os.ReadFile(filepath.Join(vectors, "..", "CONTRACT.md"))
	if vectors == "" || err != nil {
		t.Skip("the contract is not beside HALLPASS_VECTORS")
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		method := ""
		for part := range strings.SplitSeq(strings.ReplaceAll(cells[1], ", /", ",/"), ",") {
			words := strings.Fields(part)
			switch {
			case len(words) == 1 && method != "": // "POST /v1/users/{id}/disable,/enable"
				last := routes[len(routes)-1]
				routes = append(routes, last[:strings.LastIndex(last, "/")]+words[0])
			case len(words) >= 2 && methods[words[0]] && strings.HasPrefix(words[1], "/"):
				method = words[0]
				path, _, _ := strings.Cut(words[1], "?")
				routes = append(routes, method+" "+path)
			}
		}
	}
	if len(routes) < 25 {
		t.Fatalf("only %q are read from the contract", routes)
	}
	return routes
}

var methods = map[string]bool{"GET": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true}

// What is done to a user is told, with who did it.
func TestEvents_tellWhoDidWhat(t *testing.T) {
	f := newFixture(t, options{})
	alice, root := f.join("alice"), f.admin("root")
	ofAlice := "/v1/users/" + alice.id
	for _, c := range []struct {
		request, body, event string
		by                   person
	}{
		{"PATCH " + ofAlice, `{"email":"new@alice.example"}`, "user_changed", alice},
		{"PATCH " + ofAlice, nthPassword("alice", 1), "password_changed", alice},
		{"PATCH " + ofAlice, `{` + newPassword + `}`, "password_changed", root},
		{"PUT " + ofAlice + "/roles", `{"roles":["user","editor"]}`, "roles_changed", root},
		{"POST " + ofAlice + "/disable", "", "user_disabled", root},
		{"POST " + ofAlice + "/enable", "", "user_enabled", root},
		{"DELETE " + ofAlice, "", "user_deleted", root},
	} {
		before := len(f.log.String())
		a := f.do(c.request, c.body, c.by.bearer())
		if a.Status >= 300 {
			t.Fatalf("%s: %d %s", c.request, a.Status, a.Body)
		}
		told := false
		for text := range strings.Lines(f.log.String()[before:]) {
			var line map[string]any
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
			if line["msg"] != c.event {
				continue
			}
			told = true
			byAnother := line["actor_id"] == root.id
			if line["user_id"] != alice.id || byAnother != (c.by.id == root.id) {
				t.Errorf("%s is told as %s", c.request, text)
			}
			if strings.Contains(text, "herons") || strings.Contains(text, "kettles") ||
				strings.Contains(text, "password of") {
				t.Errorf("an event holds a password: %s", text)
			}
		}
		if !told {
			t.Errorf("%s tells no %s:\n%s", c.request, c.event, f.log.String()[before:])
		}
	}
}

// A list of sessions is a document like any other: whoever has it already is told so.
func TestSessions_haveAnETag(t *testing.T) {
	f := newFixture(t, options{})
	alice, bob := f.join("alice"), f.join("bob")
	first := f.do("GET /v1/sessions", "", alice.bearer()).want(http.StatusOK, "")
	tag := "If-None-Match: " + first.Header.Get("ETag")
	if got := first.Header.Get("Cache-Control") + "; " +
		first.Header.Get("Vary"); got != "private, no-cache; Authorization" {
		t.Errorf("Cache-Control and Vary: %s", got)
	}
	f.do("GET /v1/sessions", "", alice.bearer(), tag).wantStatus(http.StatusNotModified)
	f.do("GET /v1/sessions", "", bob.bearer(), tag).wantStatus(http.StatusOK)
}
