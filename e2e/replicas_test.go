package e2e

import (
	"flag"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/testservers"
)

var trials = flag.Int(
	"trials",
	8,
	"revocations that are measured: go test ./e2e -run TestRevocation_reaches -v -args -trials 200",
)

// replica starts another server on the same data, with arguments that come after those of this one.
func (s *server) replica(more ...string) *server {
	s.t.Helper()
	args := slices.Concat([]string{"--issuer", s.URL}, s.args, more) // one issuer, whatever their addresses
	r := &server{t: s.t, program: binary, data: s.data, args: args, env: s.env, log: &lockedBuffer{}}
	r.start()
	s.t.Cleanup(r.kill)
	return r
}

// until returns how long it takes from now until a GET with a token is refused.
func until(t *testing.T, url, token string) time.Duration {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		if status(t, url, token) == http.StatusUnauthorized {
			return time.Since(begin)
		}
		if time.Since(begin) > 10*time.Second {
			t.Fatal("the token still holds 10 s after its revocation")
		}
	}
}

func status(t *testing.T, url, token string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// measure revokes sessions at a server, and returns how long another program goes on taking their
// tokens, the shortest first.
func measure(t *testing.T, s *server, elsewhere string) []time.Duration {
	t.Helper()
	s.signUp("measured")
	took := make([]time.Duration, *trials)
	for i := range took {
		p := s.login("measured")
		// Before the trial: the other program takes the token.
		for begin := time.Now(); status(t, elsewhere, p.Access) != http.StatusOK; time.Sleep(10 * time.Millisecond) {
			if time.Since(begin) > 5*time.Second {
				t.Fatal("the token is not taken elsewhere")
			}
		}
		time.Sleep(time.Duration(i*37%500) * time.Millisecond) // at any time between two looks
		s.do(request{Do: "POST /v1/logout", Token: p.Access}).want(http.StatusNoContent, "")
		if got := s.me(p.Access); got.Status != http.StatusUnauthorized {
			t.Errorf("the next request to the same process: %d", got.Status)
		}
		took[i] = until(t, elsewhere, p.Access)
	}
	slices.Sort(took)
	t.Logf("%d trials: median %v, p99 %v, longest %v", len(took), took[len(took)/2],
		took[len(took)*99/100], took[len(took)-1])
	return took
}

// Two servers on one file: what one revokes the other refuses within a second.
func TestRevocation_reachesAnotherProcess(t *testing.T) {
	t.Parallel()
	s := serve(t)
	took := measure(t, s, s.replica().URL+"/v1/me")
	if longest := took[len(took)*99/100]; longest > time.Second {
		t.Errorf("p99 is %v", longest)
	}
}

// A service that verifies by itself, which asks for what is new twice a second.
func TestRevocation_reachesAnOfflineService(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "offlineservice")
	if out, err := exec.Command("go", "build", "-o", program,
		"github.com/hallpass-go/hallpass/examples/offlineservice").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := serve(t)
	address := freeAddress(t)
	service := exec.Command(program, "-server", s.URL, "-issuer", s.URL, "-addr", address)
	service.Stderr = os.Stderr
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = service.Process.Kill(); _ = service.Wait() })
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if response, err := http.Get("http://" + address + "/hello"); err == nil {
			response.Body.Close()
			break
		}
		if time.Since(begin) > 5*time.Second {
			t.Fatal("the service did not start")
		}
	}
	took := measure(t, s, "http://"+address+"/hello")
	if longest := took[len(took)*99/100]; longest > 1500*time.Millisecond {
		t.Errorf("p99 is %v, over the poll and a second", longest)
	}
}

// gone is a way in which the database can be away, and how it comes back. The tests may run as
// root, to whom no mode of a file says no: so these are of what SQLite itself meets.
type gone struct {
	away func(t *testing.T, file string) (back func())
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

var absences = map[string]gone{
	"moved away": {func(t *testing.T, file string) func() {
		rename(t, file, file+".away")
		return func() { rename(t, file+".away", file) }
	}},
	"a folder in its place": {func(t *testing.T, file string) func() {
		rename(t, file, file+".away")
		if err := os.Mkdir(file, 0o700); err != nil {
			t.Fatal(err)
		}
		return func() {
			_ = os.Remove(file)
			rename(t, file+".away", file)
		}
	}},
	"its folder moved away": {func(t *testing.T, file string) func() {
		rename(t, filepath.Dir(file), filepath.Dir(file)+".away")
		return func() { rename(t, filepath.Dir(file)+".away", filepath.Dir(file)) }
	}},
}

// With the database gone, access tokens verify, and what needs it is 503 within a second; with its
// return all is back within five.
func TestStore_goneAndBack(t *testing.T) {
	onlySQLite(t)
	t.Parallel()
	for name, absence := range absences {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, "--login-limit-account=0", "--login-limit-address=0")
			s.goneAndBack(func() (back func()) { return absence.away(t, filepath.Join(s.data, "hallpass.db")) })
		})
	}
}

func TestStore_postgresGoneAndBack(t *testing.T) {
	t.Parallel()
	postgres := testservers.OwnPostgres(t)
	s := serve(t, "--login-limit-account=0", "--login-limit-address=0", "--db", postgres.URL+"/postgres")
	s.goneAndBack(func() (back func()) {
		postgres.Stop()
		return func() {
			if err := postgres.Start(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func (s *server) goneAndBack(away func() (back func())) {
	s.t.Helper()
	t, p := s.t, s.join("alice")
	back := away()
	for range 3 {
		for _, r := range []request{
			{Do: "POST /v1/login", Body: object("username", "alice", "password", passwordOf("alice"))},
			{Do: "POST /v1/refresh", Body: object("refresh_token", p.Refresh)},
		} {
			begin := time.Now()
			got := s.do(r).want(http.StatusServiceUnavailable, "store_unavailable")
			if took := time.Since(begin); took > time.Second {
				t.Errorf("%s took %v", r.Do, took)
			}
			if got.Header.Get("Retry-After") == "" {
				t.Errorf("%s: no Retry-After", r.Do)
			}
		}
		if got := s.do(request{Do: "GET /v1/verify", Token: p.Access}); got.Status != http.StatusOK &&
			got.Status != http.StatusNoContent {
			t.Errorf("an access token: %d %s", got.Status, got.Text)
		}
	}
	back()
	begin := time.Now()
	for s.do(request{Do: "POST /v1/refresh", Body: object("refresh_token",
		p.Refresh)}).Status != http.StatusOK {
		if time.Since(begin) > 5*time.Second {
			t.Fatal("it is not back after 5 s")
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.login("alice")
	t.Logf("back after %v", time.Since(begin))
	if strings.Contains(s.log.String(), "panic") {
		t.Error("it panicked")
	}
}

// Whatever happens to a key is in the server's log, and in the audit with who did it: an
// administrator, the command line, or the server by itself, which then has no actor.
func TestKeys_changesAreTold(t *testing.T) {
	t.Parallel()
	s := serve(t)
	p := s.admin("root")
	rotate := request{Do: "POST /v1/keys/rotate", Token: p.Access}
	next := s.do(rotate).want(http.StatusOK, "").str("kid")
	s.command("", "key", "revoke", next)
	s.waitForLog("kid=" + next + " state=gone\n") // without an actor: another process has done it
	again := s.do(rotate).want(http.StatusOK, "").str("kid")
	s.kill()
	db := s.database()
	defer db.Close()
	const longAgo = "UPDATE signing_keys SET created_at = created_at - 1000000 * 60 * 7 WHERE state = 'next'"
	if _, err := db.ExecContext(t.Context(), longAgo); err != nil {
		t.Fatal(err)
	}
	s.start() // it activates the key
	s.waitForLog("kid=" + again + " state=active\n")
	if !strings.Contains(s.log.String(), "actor_id="+p.ID+" kid="+again+" state=next") {
		t.Error("the log does not say who rotated the key")
	}
	for _, c := range []struct{ kid, state, actor string }{
		{next, "next", p.ID}, {next, "gone", "command line"}, {again, "next", p.ID}, {again, "active", ""},
	} {
		actor := "none"
		s.query("SELECT max(actor_id) FROM audit WHERE key_id = '"+c.kid+"' AND detail = '"+c.state+"'", &actor)
		if actor != c.actor {
			t.Errorf("the audit says of %s, %s: by %q, want %q", c.kid, c.state, actor, c.actor)
		}
	}
}

func (s *server) waitForLog(wanted string) {
	s.t.Helper()
	for begin := time.Now(); !strings.Contains(s.log.String(), wanted); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			s.t.Fatalf("no %q in the log", wanted)
		}
	}
}
