package conformance_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/e2e/conformance"
	"github.com/hallpass-go/hallpass/internal/traffic"
)

// folder has the traffic. If the environment names none, the tests of the server make some.
var folder string

func TestMain(m *testing.M) {
	if folder = os.Getenv(traffic.Variable); folder != "" {
		os.Exit(m.Run())
	}
	code, err := recordAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func recordAndRun(m *testing.M) (code int, err error) {
	if folder, err = os.MkdirTemp("", "hallpass-traffic-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(folder)
	command := exec.Command("go", "test", "-count=1", "./internal/server")
	command.Dir = filepath.Join("..", "..")
	command.Env = append(os.Environ(), traffic.Variable+"="+folder)
	if out, err := command.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("recording the tests of the server: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// exchanges are all that were recorded, each with the document of its server.
func exchanges(t *testing.T) iter.Seq2[*conformance.Document, traffic.Exchange] {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "traffic-*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no traffic in %s: %v", folder, err)
	}
	return func(yield func(*conformance.Document, traffic.Exchange) bool) {
		for _, name := range files {
			file, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			lines := json.NewDecoder(bufio.NewReader(file))
			for lines.More() {
				var x traffic.Exchange
				if err := lines.Decode(&x); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if !yield(documentOf(t, x), x) {
					return
				}
			}
		}
	}
}

var documents = map[string]*conformance.Document{}

func documentOf(t *testing.T, x traffic.Exchange) *conformance.Document {
	if documents[x.Document] == nil {
		d, err := conformance.Read(filepath.Join(folder, x.Document))
		if err != nil {
			t.Fatalf("%s is not valid OpenAPI 3.1: %v", x.Document, err)
		}
		documents[x.Document] = d
	}
	return documents[x.Document]
}

// seldom are the refusals that are not provoked at each route.
var seldom = []string{" 500 internal", " 500 server_error", " 503 overloaded"}

// Nothing that the server answers in any test is outside its document, and no request that it
// accepts. And the document promises nothing that no test has seen.
func TestTraffic_isWithinTheDocument(t *testing.T) {
	seen, missing, n, wrong := map[string]bool{}, map[string]bool{}, 0, 0
	for d, x := range exchanges(t) {
		n++
		pattern, err := d.Check(x)
		if err != nil {
			if wrong++; wrong <= 20 {
				t.Errorf("%s %s %.300q → %d %.500s\n%v", x.Method, x.Target, x.Body, x.Status, x.AnswerBody, err)
			}
		}
		seen[promiseOf(pattern, x)] = true
		for _, promise := range d.Promises() {
			missing[promise] = true
		}
	}
	total := len(missing)
	for promise := range seen {
		delete(missing, promise)
	}
	for promise := range missing {
		if !slices.ContainsFunc(seldom, func(end string) bool { return strings.HasSuffix(promise, end) }) {
			t.Errorf("no test has seen %s", promise)
		}
	}
	t.Logf("%d exchanges, %d outside the document; %d of %d promises seen", n, wrong, total-len(missing), total)
}

// promiseOf is the promise that an exchange keeps.
func promiseOf(pattern string, x traffic.Exchange) string {
	var problem struct{ Code, Error string } // Error is that of RFC 6749
	if x.Status >= 400 {
		_ = json.Unmarshal(x.AnswerBody, &problem) // Check has reported it
	}
	return strings.TrimSpace(fmt.Sprint(pattern, " ", x.Status, " ", problem.Code+problem.Error))
}

// What the validator is for is found: each change of a real exchange is outside the document.
func TestCheck_findsWhatIsOutside(t *testing.T) {
	for _, c := range []struct {
		about, pattern string
		status         int
		change         func(*traffic.Exchange)
	}{
		{"a further member", "GET /v1/me", 200, answer(`"session_id"`, `"colour":"red","session_id"`)},
		{"a member of another type", "GET /v1/users/{id}", 200, answer(`"disabled":false`, `"disabled":"no"`)},
		{"a member that is not there", "POST /v1/login", 200, answer(`"token_type":"Bearer",`, ``)},
		{"a time that is none", "GET /v1/users/{id}", 200, answer(`"created_at":"`, `"created_at":"today `)},
		{"an address that is none", "GET /v1/users/{id}", 200, answer(`"email":null`, `"email":"a b"`)},
		{"null where it may not be", "GET /v1/users/{id}", 200, answer(`"disabled":false`, `"disabled":null`)},
		{"another value", "POST /v1/login", 200, answer(`"Bearer"`, `"bearer"`)},
		{"another code", "GET /v1/me", 401, answer(`"code":"token_`, `"code":"ticket_`)},
		{"a code of another route", "POST /v1/users", 409, answer(`username_taken`, `last_admin`)},
		{"another status", "GET /v1/me", 200, func(x *traffic.Exchange) { x.Status = 202 }},
		{"no challenge", "GET /v1/me", 401, func(x *traffic.Exchange) { x.Answer.Del("WWW-Authenticate") }},
		{"no Location", "POST /v1/users", 201, func(x *traffic.Exchange) { x.Answer.Del("Location") }},
		{"another media type", "GET /v1/me", 200, func(x *traffic.Exchange) {
			x.Answer.Set("Content-Type", "text/plain")
		}},
		{"a body where there is none", "POST /v1/logout", 204, func(x *traffic.Exchange) {
			x.AnswerBody = []byte("{}")
		}},
		{"an accepted member", "POST /v1/users", 201, func(x *traffic.Exchange) {
			x.Body = bytes.Replace(x.Body, []byte(`{`), []byte(`{"roles":["admin"],`), 1)
		}},
		{"an accepted parameter", "GET /v1/users", 200, func(x *traffic.Exchange) { x.Target += "?limit=1000" }},
		{"nobody", "GET /v1/me", 200, func(x *traffic.Exchange) { x.Fields.Del("Authorization") }},
		{"another limit", "POST /v1/login", 429, func(x *traffic.Exchange) {
			x.Answer.Set("RateLimit-Policy", `"rename";q=5;w=86400`)
		}},
		{"an unknown path", "GET /v1/me", 200, func(x *traffic.Exchange) { x.Target = "/v1/secrets" }},
		{"another method", "GET /v1/me", 200, func(x *traffic.Exchange) { x.Method = "POST" }},
	} {
		tried := 0
		for d, x := range exchanges(t) {
			if x.Status != c.status || x.Method == "HEAD" {
				continue
			}
			if before, err := d.Check(x); err != nil || before != c.pattern {
				continue
			}
			was, _ := json.Marshal(x)
			c.change(&x)
			if is, _ := json.Marshal(x); slices.Equal(was, is) {
				continue // there is nothing to change in this one
			}
			tried++
			if _, err := d.Check(x); err == nil {
				t.Errorf("%s: %s %s → %d %s is taken for right", c.about, x.Method, x.Target, x.Status, x.AnswerBody)
			}
			break
		}
		if tried == 0 {
			t.Errorf("%s: no test has had %s → %d", c.about, c.pattern, c.status)
		}
	}
}

// answer changes the body of an answer.
func answer(old, new string) func(*traffic.Exchange) {
	return func(x *traffic.Exchange) { x.AnswerBody = bytes.Replace(x.AnswerBody, []byte(old), []byte(new), 1) }
}

// A document that is not valid OpenAPI 3.1 is refused.
func TestParse_refusesWhatIsNotValid(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(folder, "document-*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no document in %s: %v", folder, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conformance.Parse(text); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"openapi": "3.1.1"`, `"openapi": "3.0.3"`},
		{`"operationId": "getV1Me"`, `"operationId": "getV1Users"`}, // which there is already
		{`"#/components/schemas/User"`, `"#/components/schemas/Nobody"`},
		{`"type": "boolean"`, `"type": "yes"`},
		{`"in": "path"`, `"in": "road"`},
		{`"title": "Hallpass"`, `"titel": "Hallpass"`},
		{`"token": []`, `"ticket": []`},
	} {
		changed := bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(changed, text) {
			t.Errorf("there is no %s", change[0])
		}
		if _, err := conformance.Parse(changed); err == nil {
			t.Errorf("valid with %s", change[1])
		}
	}
}
