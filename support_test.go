package hallpass_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/hallpasstest"
	"github.com/hallpass-go/hallpass/sessions"
)

// appClaims are the own claims of the application under test.
type appClaims struct {
	Plan string `json:"plan,omitempty"`
}

type (
	identity = hallpass.Identity[appClaims]
	grant    = hallpass.Grant[appClaims]
)

// wait waits until what f says is so.
func (a *api) wait(f func() bool) {
	a.t.Helper()
	for begin := time.Now(); !f(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			a.t.Fatal("it did not come to pass")
		}
	}
}

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 23, 10, 0, 0, 250e6, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// users are the users of the application under test.
type users struct {
	mu       sync.Mutex
	password map[string]string
	grants   map[string]grant
	disabled map[string]bool
}

func newUsers() *users {
	return &users{
		password: map[string]string{"alice": "alice's password", "bob": "bob's password"},
		grants: map[string]grant{
			"alice": {Roles: []string{"user"}, Scopes: []string{"read", "write"}, Custom: appClaims{Plan: "gold"}},
		},
		disabled: map[string]bool{},
	}
}

func (u *users) Authenticate(_ context.Context, login hallpass.Login) (string, error) {
	return login.Username, u.CheckPassword(context.Background(), login.Username, login.Password, login.Client)
}

func (u *users) CheckPassword(_ context.Context, subject, password string, _ hallpass.Client) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if want, known := u.password[subject]; !known || want != password || u.disabled[subject] {
		return hallpass.ErrInvalidCredentials
	}
	return nil
}

func (u *users) Authorize(_ context.Context, subject string) (grant, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, known := u.password[subject]; !known || u.disabled[subject] {
		return grant{}, hallpass.ErrSubjectDisabled
	}
	return u.grants[subject], nil
}

func (u *users) SetGrant(subject string, g grant) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.grants[subject] = g
}

func (u *users) Disable(subject string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.disabled[subject] = true
}

// api is an application that uses the library, on a real socket.
type api struct {
	*hallpass.Auth[appClaims]
	t     *testing.T
	kit   *hallpasstest.Kit[appClaims]
	clock *clock
	users *users
	store sessions.Store
	URL   string

	mu     sync.Mutex
	events []hallpass.Event
}

// newAPI starts the application. change may change its configuration first.
func newAPI(t *testing.T, change func(*hallpass.Config[appClaims])) *api {
	t.Helper()
	a := &api{
		t:     t,
		kit:   hallpasstest.New[appClaims](t),
		clock: newClock(),
		users: newUsers(),
		store: sessions.NewMemory(),
	}
	c := hallpass.Config[appClaims]{
		Authenticate: a.users.Authenticate, CheckPassword: a.users.CheckPassword, Authorize: a.users.Authorize,
		Store: a.store, Now: a.clock.Now, AdminRole: "admin", Observe: a.observe,
	}
	if change != nil {
		change(&c)
	}
	a.Auth = a.kit.Auth(c)
	mux := http.NewServeMux()
	a.Mount(mux, "/auth")
	whoami := func(w http.ResponseWriter, r *http.Request, id identity) {
		io.WriteString(w, id.Subject+" "+id.Custom.Plan)
	}
	mux.Handle("/func", a.Func(whoami))
	mux.Handle("/require", a.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, ok := hallpass.IdentityFrom[appClaims](r.Context())
		if !ok {
			t.Error("Require let a request pass without an identity")
		}
		whoami(w, r, id)
	})))
	mux.Handle("/optional", a.Optional()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, ok := hallpass.IdentityFrom[appClaims](r.Context())
		if !ok {
			io.WriteString(w, "nobody")
			return
		}
		whoami(w, r, id)
	})))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	a.URL = server.URL
	return a
}

func (a *api) observe(_ context.Context, e hallpass.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, e)
}

// eventNames returns the names of the events since the last call.
func (a *api) eventNames() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []string
	for _, e := range a.events {
		names = append(names, e.Name)
	}
	a.events = nil
	return names
}

// answer is what came back.
type answer struct {
	Status int
	Header http.Header
	Text   string
	JSON   map[string]any
}

// Code returns the code of a problem document.
func (a answer) Code() string {
	code, _ := a.JSON["code"].(string)
	return code
}

// String returns a member that must be a string.
func (a answer) String(t *testing.T, member string) string {
	t.Helper()
	s, ok := a.JSON[member].(string)
	if !ok {
		t.Fatalf("no %s in %s", member, a.Text)
	}
	return s
}

// do sends a request: "METHOD /path", then a body and header lines "Name: value" as wanted.
func (a *api) do(request, body string, headers ...string) answer {
	a.t.Helper()
	method, path, _ := strings.Cut(request, " ")
	r, err := http.NewRequest(method, a.URL+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	return readAnswer(a.t, resp)
}

func readAnswer(t *testing.T, resp *http.Response) answer {
	t.Helper()
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := answer{Status: resp.StatusCode, Header: resp.Header, Text: string(text)}
	if strings.Contains(resp.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(text, &got.JSON); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	}
	return got
}

// login logs a user in, who must be let in.
func (a *api) login(user string) answer {
	a.t.Helper()
	body, _ := json.Marshal(map[string]string{"username": user, "password": user + "'s password"})
	got := a.do("POST /auth/login", string(body))
	if got.Status != 200 {
		a.t.Fatalf("login answered %d %s", got.Status, got.Text)
	}
	return got
}

func (a *api) refresh(token string) answer {
	a.t.Helper()
	return a.do("POST /auth/refresh", `{"refresh_token":"`+token+`"}`)
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// want fails the test unless the answer has that status and problem code ("" for none).
func (a answer) want(t *testing.T, status int, code string) {
	t.Helper()
	if a.Status != status || a.Code() != code {
		t.Errorf("answered %d %s, want %d %q", a.Status, a.Text, status, code)
	}
}

// member returns one string member of what v is as JSON.
func member(t *testing.T, v any, name string) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	value, _ := members[name].(string)
	return value
}
