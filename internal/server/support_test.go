package server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/audit"
	"github.com/hallpass-go/hallpass/internal/clients"
	"github.com/hallpass-go/hallpass/internal/keyring"
	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/sessiondb"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/testservers"
	"github.com/hallpass-go/hallpass/internal/traffic"
	"github.com/hallpass-go/hallpass/internal/users"
	"github.com/hallpass-go/hallpass/password"
)

func TestMain(m *testing.M) { os.Exit(testservers.Run(m)) }

// fixture is a server on a database of its own, without a socket: requests are handed to its
// handler.
type fixture struct {
	t        testing.TB
	server   *server.Server
	handler  http.Handler // of the server; records the traffic
	accounts *users.Accounts
	clients  *clients.Registry
	db       *sqldb.DB
	keys     *keyring.Ring
	store    *sessiondb.Store
	audit    *audit.Log
	log      *lockedBuffer
	clock    *clock
	path     string
}

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

type clock struct {
	mu  sync.Mutex
	now time.Time
}

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

// cheap are costs at which a test need not wait for a login.
var cheap = password.Params{MemoryKiB: 64, Passes: 1, AllowWeak: true}

type options struct {
	config   func(*server.Config)
	governor password.GovernorConfig
	params   password.Params // of the governor; cheap ones if unset
}

func newFixture(t testing.TB, o options) *fixture {
	t.Helper()
	dir := t.TempDir()
	f := &fixture{t: t, log: &lockedBuffer{}, clock: &clock{now: time.Now()}, path: filepath.Join(dir, "hallpass.db")}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	f.db, err = sqldb.Open(t.Context(), testservers.Database(t, f.path))
	must(err)
	t.Cleanup(func() { _ = f.db.Close() }) // some tests close it first
	f.audit, err = audit.Open(t.Context(), f.db)
	must(err)
	record := server.RecordEvents(f.audit, f.clock.Now)
	f.keys, err = keyring.Open(t.Context(), keyring.Config{
		DB: f.db, SecretFile: filepath.Join(dir, "secret"),
		Record: func(ctx context.Context, key keyring.KeyInfo) error { return record(ctx, server.KeyEvent(ctx, key)) },
	})
	must(err)
	f.store, err = sessiondb.New(t.Context(), f.db)
	must(err)
	o.governor.Params = o.params
	if o.params == (password.Params{}) {
		o.governor.Params = cheap
	}
	governor, err := password.NewGovernor(o.governor)
	must(err)
	f.accounts, err = users.OpenAccounts(t.Context(), users.AccountsConfig{DB: f.db,
		Passwords: governor, Now: f.clock.Now})
	must(err)
	f.clients, err = clients.Open(t.Context(), f.db)
	must(err)
	c := server.Config{
		Issuer: "https://issuer.test", Keys: f.keys, Store: f.store, Accounts: f.accounts,
		Clients: f.clients, Ping: f.db.Ping,
		Audit: f.audit, ShowMetrics: true, SecurityContact: "mailto:security@issuer.test",
		Log: slog.New(slog.NewJSONHandler(f.log, nil)), Now: f.clock.Now,
	}
	if o.config != nil {
		o.config(&c)
	}
	f.server, err = server.New(t.Context(), c)
	must(err)
	f.handler = traffic.FromEnvironment().Handler(f.server.Handler())
	return f
}

// answer is a response that has been read.
type answer struct {
	t      testing.TB
	Status int
	Header http.Header
	Body   string
}

// do sends one request: "METHOD /path", a body, and header lines. The client's address is 192.0.2.7
// unless a "From:" line says another, and it names the server 127.0.0.1 unless a "Host:" line says
// another.
func (f *fixture) do(request, body string, headers ...string) answer {
	f.t.Helper()
	method, path, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr, r.Host = "192.0.2.7:1234", "127.0.0.1:8080"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		switch name {
		case "From":
			r.RemoteAddr = value
			continue
		case "Host":
			r.Host = value
			continue
		}
		if name == "Content-Type" {
			r.Header.Del(name)
		}
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return answer{f.t, w.Code, w.Header(), string(text)}
}

// want checks the status and, of a refusal, the code and the form.
func (a answer) want(status int, code string) answer {
	a.t.Helper()
	if a.Status != status || a.str("code") != code {
		a.t.Fatalf("answered %d %s, want %d %s", a.Status, a.Body, status, code)
	}
	if code != "" &&
		(a.Header.Get("Content-Type") != "application/problem+json" || a.str("request_id") == "" ||
			a.str("detail") == "") {
		a.t.Errorf("a refusal of another form: %v %s", a.Header, a.Body)
	}
	return a
}

func (a answer) wantStatus(status int) {
	a.t.Helper()
	if a.Status != status {
		a.t.Errorf("answered %d %s, want %d", a.Status, a.Body, status)
	}
}

func (a answer) str(member string) string {
	var members map[string]any
	_ = json.Unmarshal([]byte(a.Body), &members) // some answers have no body
	value, _ := members[member].(string)
	return value
}

// code is the code of a refusal. RFC 6749 has one for a store that is away and for a limit.
func (a answer) code() string {
	if a.str("error") == "temporarily_unavailable" {
		return map[int]string{
			http.StatusServiceUnavailable: hallpass.ErrStoreUnavailable.Code,
			http.StatusTooManyRequests:    hallpass.ErrRateLimited.Code,
		}[a.Status]
	}
	return a.str("code")
}

var textOfOAuth = regexp.MustCompile(`^[ !#-\[\]-~]+$`) // RFC 6749 §5.2

// wantOAuth checks a refusal of RFC 6749 §5.2.
func (a answer) wantOAuth(status int, code string) answer {
	a.t.Helper()
	var members map[string]string
	a.object(&members)
	if a.Status != status || members["error"] != code {
		a.t.Fatalf("answered %d %s, want %d %s", a.Status, a.Body, status, code)
	}
	h := a.Header
	if h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" ||
		h.Get("Pragma") != "no-cache" || len(members) != 2 || !textOfOAuth.MatchString(members["error_description"]) ||
		strings.HasPrefix(h.Get("WWW-Authenticate"), "Basic ") != (status == http.StatusUnauthorized) {
		a.t.Errorf("a refusal of another form: %v %s", h, a.Body)
	}
	return a
}

func (a answer) object(v any) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.Body), v); err != nil {
		a.t.Fatalf("%v: %s", err, a.Body)
	}
}

func passwordOf(name string) string { return "the password of " + name }

// person is a user who has logged in.
type person struct{ id, name, access, refresh, session string }

func (p person) bearer() string { return "Authorization: Bearer " + p.access }

func credentials(name, secret string) string {
	text, _ := json.Marshal(map[string]string{"username": name, "password": secret})
	return string(text)
}

func (f *fixture) join(name string) person {
	f.t.Helper()
	created := f.do("POST /v1/users", credentials(name, passwordOf(name))).want(http.StatusCreated, "")
	p := f.login(name)
	p.id = created.str("id")
	return p
}

func (f *fixture) login(name string) person {
	f.t.Helper()
	a := f.do("POST /v1/login", credentials(name, passwordOf(name))).want(http.StatusOK, "")
	return person{
		name:    name,
		access:  a.str("access_token"),
		refresh: a.str("refresh_token"),
		session: a.str("session_id"),
	}
}

// admin makes a user an administrator, as the command line does, and logs them in.
func (f *fixture) admin(name string) person {
	f.t.Helper()
	user, err := f.accounts.Create(context.Background(),
		users.NewUser{Username: name, Password: passwordOf(name), Roles: []string{users.AdminRole}})
	if err != nil {
		f.t.Fatal(err)
	}
	p := f.login(name)
	p.id = user.ID
	return p
}

// machineClient is a machine client with its secret.
type machineClient struct{ ID, secret string }

// basic is the field by which it authenticates.
func (c machineClient) basic() string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(c.ID+":"+c.secret))
}

// machine makes a machine client, as the command line does.
func (f *fixture) machine(name string, scopes ...string) machineClient {
	f.t.Helper()
	issuer, err := hallpass.NewIssuer(hallpass.IssuerConfig[struct{}]{
		Issuer: "hallpass", Audience: "hallpass", Keys: f.keys, Store: f.store,
		Record: server.RecordEvents(f.audit, f.clock.Now), Now: f.clock.Now,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	service := clients.New(clients.Config{Registry: f.clients, Issuer: issuer, Now: f.clock.Now})
	c, secret, err := service.Create(context.Background(), name, scopes)
	if err != nil {
		f.t.Fatal(err)
	}
	return machineClient{c.ID, secret}
}

// grantOf is what the server would write into a token of the user.
func (f *fixture) grantOf(id string) (hallpass.Grant[struct{}], error) {
	return users.Authorize(f.accounts)(context.Background(), id)
}

var proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
