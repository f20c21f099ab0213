package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/hallpass-go/hallpass/internal/testservers"
)

// ledger is what the server has acknowledged.
type ledger struct {
	mu     sync.Mutex
	users  map[string]string // name → ID
	tokens map[string]string // name → the newest refresh token that was received
}

func (l *ledger) note(name, id, refresh string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id != "" {
		l.users[name] = id
	}
	if refresh != "" {
		l.tokens[name] = refresh
	}
}

func (l *ledger) token(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tokens[name]
}

// Kill the server while users sign up and sessions are refreshed, again and again. What was
// acknowledged is there afterwards, and nobody needs a new login: who got no answer sends the token
// that they have once more.
func TestKill_losesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	s := serve(t, "--login-limit-account=0", "--login-limit-address=0", "--refresh-limit=0")
	l := &ledger{users: map[string]string{}, tokens: map[string]string{}}
	const sessions, signups, refreshes, rounds = 8, 200, 200, 4
	for n := range sessions {
		name := fmt.Sprint("owner", n)
		p := s.join(name)
		l.note(name, p.ID, p.Refresh)
	}
	made := 0
	for round := range rounds {
		var signedUp, refreshed atomic.Int64
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for n := range sessions {
			wg.Go(func() { s.keepRefreshing(l, fmt.Sprint("owner", n), &refreshed, stop) })
		}
		for n := range 4 {
			wg.Go(func() { s.keepSigningUp(l, fmt.Sprintf("user%d-%d-", round, n), &signedUp, stop) })
		}
		for signedUp.Load() < signups/rounds || refreshed.Load() < refreshes/rounds {
			time.Sleep(time.Millisecond)
		}
		s.kill()
		close(stop)
		wg.Wait()
		made += int(signedUp.Load())
		s.start()
	}
	root := s.admin("root")
	for name, id := range l.users {
		if got := s.do(request{Do: "GET /v1/users/" + id, Token: root.Access}); got.Status != 200 ||
			got.str("username") != name {
			t.Errorf("the acknowledged user %s: %d %s", name, got.Status, got.Text)
		}
	}
	for name, token := range l.tokens {
		if got := s.refresh(token); got.Status != 200 {
			t.Errorf("the session of %s: %d %s", name, got.Status, got.Text)
		}
	}
	if made < signups {
		t.Errorf("only %d sign-ups", made)
	}
	s.kill()
	s.checkIntegrity()
}

// keepRefreshing refreshes one owner's session until told to stop, as a client does: a token that
// was answered replaces the one before.
func (s *server) keepRefreshing(l *ledger, name string, done *atomic.Int64, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		got, err := s.try(request{Do: "POST /v1/refresh", Body: object("refresh_token", l.token(name))})
		if err != nil {
			continue // killed; the token at hand is sent once more
		}
		if got.Status != http.StatusOK {
			s.t.Errorf("%s was logged out: %d %s", name, got.Status, got.Text)
			return
		}
		l.note(name, "", got.JSON["refresh_token"].(string))
		done.Add(1)
	}
}

func (s *server) keepSigningUp(l *ledger, prefix string, done *atomic.Int64, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		name := prefix + strconv.Itoa(n)
		got, err := s.try(request{Do: "POST /v1/users", Body: object("username", name, "password", passwordOf(name))})
		if err != nil {
			continue
		}
		switch got.Status {
		case http.StatusCreated:
			l.note(name, got.JSON["id"].(string), "")
			done.Add(1)
		case http.StatusServiceUnavailable:
		default:
			s.t.Errorf("sign-up of %s: %d %s", name, got.Status, got.Text)
		}
	}
}

// checkIntegrity reads the database of a server that is not running.
func (s *server) checkIntegrity() {
	s.t.Helper()
	defer s.checkAudit()
	if !testservers.OnSQLite() {
		return
	}
	db := s.database()
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		s.t.Errorf("integrity_check: %q, %v", verdict, err)
	}
}

// A stop under load cuts nothing: every request that was accepted is answered. Twenty times.
func TestStop_finishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	s := serve(t)
	token := s.join("alice").Access
	for range 20 {
		s.stopUnderLoad(token)
		s.start()
	}
}

func (s *server) stopUnderLoad(token string) {
	s.t.Helper()
	var failed, answered atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for !isClosed(stop) {
				got, err := s.try(request{Do: "GET /v1/me", Token: token})
				switch {
				case err == nil && got.Status == 200:
					answered.Add(1)
				case isRefusedConnection(err):
					return // it listens no more
				default:
					failed.Add(1)
					s.t.Errorf("%v %d %s", err, got.Status, got.Text)
				}
			}
		})
	}
	for answered.Load() < 200 {
		time.Sleep(time.Millisecond)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case err := <-s.done:
		close(s.done)
		if err != nil {
			s.t.Errorf("the server ended with %v", err)
		}
	case <-time.After(15 * time.Second):
		s.t.Error("the server does not stop")
	}
	close(stop)
	wg.Wait()
	if failed.Load() > 0 {
		s.t.Errorf("%d of %d requests were cut off", failed.Load(), answered.Load())
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// isRefusedConnection reports that a request never reached the server: nobody listened, or an idle
// connection had been closed before it was written.
func isRefusedConnection(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED)
}

// Not parallel: it measures.
func TestStart_isQuickAndSmall(t *testing.T) {
	s := serve(t)
	s.join("alice")
	s.kill()
	if took := s.start(); took > time.Second {
		t.Errorf("ready after %s", took)
	}
	if runtime.GOOS != "linux" {
		t.Skip("resident memory is read from /proc, which is Linux's")
	}
	time.Sleep(500 * time.Millisecond)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("idle: %d KiB resident", kib)
	if kib > 40<<10 {
		t.Errorf("idle: %d KiB resident", kib)
	}
}

func TestStart_modesOfWhatItMakes(t *testing.T) {
	onlySQLite(t)
	t.Parallel()
	s := serve(t)
	s.signUp("alice")
	for name, want := range map[string]os.FileMode{"": 0o700, "hallpass.db": 0o600,
		"hallpass.db-wal": 0o600, "secret": 0o600} {
		info, err := os.Stat(filepath.Join(s.data, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%q has mode %o, want %o", name, got, want)
		}
	}
	for _, secret := range []string{passwordOf("alice"), `"d":`} {
		for _, file := range []string{"hallpass.db", "hallpass.db-wal"} {
			data, err := os.ReadFile(filepath.Join(s.data, file))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(data), secret) {
				t.Errorf("%s holds %s in clear", file, secret)
			}
		}
	}
}

// What the command line changes takes effect in the running server within a second.
func TestCommandLine_besideTheServer(t *testing.T) {
	t.Parallel()
	s := serve(t)
	changes := map[string]func(p person){
		"user disable":          func(p person) { s.command("", "user", "disable", p.Name) },
		"user delete":           func(p person) { s.command("", "user", "delete", p.Name) },
		"user set-roles":        func(p person) { s.command("", "user", "set-roles", p.Name, "--role", "guest") },
		"session revoke":        func(p person) { s.command("", "session", "revoke", p.Session) },
		"session revoke --user": func(p person) { s.command("", "session", "revoke", "--user", p.Name) },
	}
	s.admin("root")
	for name, change := range changes {
		p := s.join(strings.ReplaceAll(strings.TrimLeft(name, "-"), " ", "-"))
		s.me(p.Access).want(200, "")
		change(p)
		deadline := time.Now().Add(time.Second)
		got := s.me(p.Access)
		for got.Status == 200 && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
			got = s.me(p.Access)
		}
		if got.Status != 401 {
			t.Errorf("%s: a second later the token is answered with %d", name, got.Status)
		}
	}
}

// What the command line changes of a user is shown by a running server within a second, although the
// server keeps its answers; and it is shown from then on.
func TestUserCache_besideTheCommandLine(t *testing.T) {
	t.Parallel()
	s := serve(t)
	root, alice := s.admin("root"), s.join("alice")
	show := func() answer { return s.do(request{Do: "GET /v1/users/" + alice.ID, Token: root.Access}) }
	show().want(200, "")
	if kept := show(); !strings.Contains(kept.Header.Get("Cache-Status"), "hit") {
		t.Errorf("nothing is kept: %v", kept.Header)
	}
	for _, c := range []struct{ command, shows string }{
		{"user set-roles alice --role guest", `"guest"`}, {"user disable alice", `"disabled":true`},
		{"user enable alice", `"disabled":false`}, {"user delete alice", `"not_found"`},
	} {
		s.command("", strings.Fields(c.command)...)
		deadline := time.Now().Add(time.Second)
		for !strings.Contains(show().Text, c.shows) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: a second later the server shows %s", c.command, show().Text)
			}
		}
		for range 20 {
			if got := show().Text; !strings.Contains(got, c.shows) {
				t.Errorf("%s: the server shows %s again", c.command, got)
			}
		}
	}
}
