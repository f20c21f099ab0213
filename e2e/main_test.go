// Package e2e builds the real binary, starts it in a temporary folder and talks to it over a
// socket.
package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/testservers"
	"github.com/hallpass-go/hallpass/internal/traffic"
)

var binary string // the hallpass that is tested

func TestMain(m *testing.M) {
	if os.Getenv(aheadVariable) != "" {
		serveAhead()
		return
	}
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "hallpass-e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "hallpass")
	build := exec.Command("go", "build", "-o", binary, "github.com/hallpass-go/hallpass/cmd/hallpass")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building hallpass: %w\n%s", err, out)
	}
	return testservers.Run(m), nil
}

// server is a running hallpass serve.
type server struct {
	t       *testing.T
	URL     string
	env     []string // besides the test's own
	program string   // binary, or another one that serves
	data    string
	args    []string
	cmd     *exec.Cmd
	log     *lockedBuffer
	done    chan error
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve starts a server on a free port, with a data folder of its own, and waits until it is ready.
func serve(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{t: t, program: binary, data: filepath.Join(t.TempDir(), "data"), args: args, log: &lockedBuffer{}}
	if !testservers.OnSQLite() {
		s.env = []string{"HALLPASS_DB=" + testservers.Postgres(t)}
	}
	s.start()
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("log of the server:\n%.20000s", s.log)
		}
	})
	return s
}

// start starts the server, on the port of last time if there was one, and returns how long it took
// to be ready.
func (s *server) start() time.Duration {
	s.t.Helper()
	address := strings.TrimPrefix(s.URL, "http://")
	if address == "" {
		address = freeAddress(s.t)
		s.URL = "http://" + address
	}
	s.cmd = exec.Command(s.program, append([]string{"serve", "--addr", address, "--data", s.data}, s.args...)...)
	s.cmd.Env = append(os.Environ(), s.env...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	started := time.Now()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan<- error) { done <- cmd.Wait() }(s.cmd, s.done)
	for time.Since(started) < 20*time.Second {
		if resp, err := http.Get(s.URL + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				traffic.FromEnvironment().Started(address)
				return time.Since(started)
			}
		}
		select {
		case err := <-s.done:
			s.t.Fatalf("the server ended: %v\n%s", err, s.log)
		case <-time.After(5 * time.Millisecond):
		}
	}
	s.t.Fatalf("the server is not ready after 20 s\n%s", s.log)
	return 0
}

// kill ends the server as a power cut would, and waits for its end.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	if _, open := <-s.done; open {
		close(s.done)
	}
}

// database opens the server's database, beside the server. The caller must close it.
func (s *server) database() *sql.DB {
	s.t.Helper()
	driver, url := "sqlite", "file:"+filepath.Join(s.data, "hallpass.db")+"?_pragma=busy_timeout(5000)"
	if len(s.env) > 0 {
		if name, value, _ := strings.Cut(s.env[0], "="); name == "HALLPASS_DB" {
			driver, url = "pgx", value
		}
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		s.t.Fatal(err)
	}
	return db
}

// onlySQLite skips a test that is about files.
func onlySQLite(t *testing.T) {
	t.Helper()
	if !testservers.OnSQLite() {
		t.Skip("this is about a SQLite file")
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// command runs hallpass with the server's data folder and returns what it printed. It must succeed.
func (s *server) command(stdin string, args ...string) string {
	s.t.Helper()
	cmd := exec.Command(binary, append(args, "--data", s.data)...)
	cmd.Stdin, cmd.Env = strings.NewReader(stdin), append(os.Environ(), s.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("hallpass %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// addClient makes a machine client, and returns its ID and its secret.
func (s *server) addClient(name string, args ...string) (c struct {
	ID     string `json:"id"`
	Secret string `json:"client_secret"`
}) {
	s.t.Helper()
	out := s.command("", append([]string{"client", "add", name, "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &c); err != nil || c.ID == "" || c.Secret == "" {
		s.t.Fatalf("hallpass client add printed %s (%v)", out, err)
	}
	return c
}

// answer is what came back.
type answer struct {
	t      *testing.T
	what   string
	Status int
	Header http.Header
	Text   string
	JSON   map[string]any
}

// request is one request: "METHOD /path", with what it carries.
type request struct {
	Do     string
	Token  string
	Body   string
	Header map[string]string
}

var client = &http.Client{
	Timeout:   30 * time.Second,
	Transport: traffic.FromEnvironment().Transport(&http.Transport{MaxIdleConnsPerHost: 128}),
}

func (s *server) do(r request) answer {
	s.t.Helper()
	got, err := s.try(r)
	if err != nil {
		s.t.Fatalf("%s: %v", r.Do, err)
	}
	return got
}

// try is do for requests that may fail on the way.
func (s *server) try(r request) (answer, error) {
	method, path, _ := strings.Cut(r.Do, " ")
	req, err := http.NewRequestWithContext(context.Background(), method, s.URL+path, strings.NewReader(r.Body))
	if err != nil {
		return answer{}, err
	}
	if r.Body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.Token != "" {
		req.Header.Set("Authorization", "Bearer "+r.Token)
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	got := answer{t: s.t, what: r.Do, Status: resp.StatusCode, Header: resp.Header, Text: string(text)}
	if strings.Contains(resp.Header.Get("Content-Type"), "json") && len(text) > 0 {
		if err := json.Unmarshal(text, &got.JSON); err != nil {
			return answer{}, fmt.Errorf("%w in %q", err, text)
		}
	}
	return got, nil
}

// want fails the test unless the answer has that status and, for refusals, that code.
func (a answer) want(status int, code string) answer {
	a.t.Helper()
	if got, _ := a.JSON["code"].(string); a.Status != status || got != code {
		a.t.Fatalf("%s answered %d %s, want %d %q", a.what, a.Status, a.Text, status, code)
	}
	if a.Status >= 400 {
		a.wantProblem()
	}
	return a
}

// wantProblem checks the form of a refusal (RFC 9457).
func (a answer) wantProblem() {
	a.t.Helper()
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("%s: Content-Type %q", a.what, got)
	}
	for _, member := range []string{"type", "title", "detail", "request_id"} {
		if s, _ := a.JSON[member].(string); s == "" {
			a.t.Errorf("%s: no %s in %s", a.what, member, a.Text)
		}
	}
	if a.JSON["status"] != float64(a.Status) || a.JSON["request_id"] != a.Header.Get("X-Request-Id") {
		a.t.Errorf("%s: %s does not go with status %d, %s", a.what, a.Text, a.Status, a.Header.Get("X-Request-Id"))
	}
	if a.Status == 401 && !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer ") {
		a.t.Errorf("%s: 401 with the challenge %q", a.what, a.Header.Get("WWW-Authenticate"))
	}
}

// wantField checks that a 422 lists the field with that code.
func (a answer) wantField(field, code string) {
	a.t.Helper()
	list, _ := a.JSON["errors"].([]any)
	for _, e := range list {
		if m := e.(map[string]any); m["field"] == field && m["code"] == code {
			return
		}
	}
	a.t.Errorf("%s: %s does not list %s %s", a.what, a.Text, field, code)
}

// str returns a member that must be a string.
func (a answer) str(member string) string {
	a.t.Helper()
	s, ok := a.JSON[member].(string)
	if !ok {
		a.t.Fatalf("%s: no %s in %s", a.what, member, a.Text)
	}
	return s
}

func object(pairs ...string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // not for strings
	}
	return string(text)
}

func passwordOf(name string) string {
	return "the long secret of " + strings.Repeat("x", 1) + name[:1] + " and more"
}

// person is a user who is logged in.
type person struct {
	ID, Name, Access, Refresh, Session string
}

func (s *server) signUp(name string) string {
	s.t.Helper()
	return s.do(request{Do: "POST /v1/users", Body: object("username", name, "password", passwordOf(name))}).
		want(201, "").
		str("id")
}

func (s *server) login(name string) person {
	s.t.Helper()
	got := s.do(request{Do: "POST /v1/login", Body: object("username", name, "password", passwordOf(name))}).
		want(200, "")
	return person{
		Name:    name,
		Access:  got.str("access_token"),
		Refresh: got.str("refresh_token"),
		Session: got.str("session_id"),
	}
}

// join signs a new user up and logs them in.
func (s *server) join(name string) person {
	s.t.Helper()
	id := s.signUp(name)
	p := s.login(name)
	p.ID = id
	return p
}

// admin makes an administrator by the command line, beside the running server, and logs them in.
func (s *server) admin(name string) person {
	s.t.Helper()
	var made struct{ ID string }
	out := s.command(passwordOf(name)+"\n", "user", "add", name, "--role", "admin", "--password-stdin", "--json")
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		s.t.Fatalf("%v in %q", err, out)
	}
	p := s.login(name)
	p.ID = made.ID
	return p
}

func (s *server) refresh(token string) answer {
	s.t.Helper()
	return s.do(request{Do: "POST /v1/refresh", Body: object("refresh_token", token)})
}

func (s *server) me(token string) answer {
	s.t.Helper()
	return s.do(request{Do: "GET /v1/me", Token: token})
}
