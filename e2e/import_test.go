package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/foreign"
)

// userLine is a row of an import.
func userLine(name, hash string, more ...string) string {
	return object(append([]string{"username", name, "password", hash}, more...)...) + "\n"
}

func writeUsers(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Users of all formats are imported beside a running server and log in at once; from then on their
// hashes are the server's own. Who was disabled elsewhere is disabled here.
func TestImport_besideARunningServer(t *testing.T) {
	t.Parallel()
	s := serve(t, "--login-limit-account=0", "--login-limit-address=0")
	s.join("somebody")
	hashes := foreign.Hashes(t, "seven green herons wade")
	var text strings.Builder
	for i, h := range hashes {
		text.WriteString(userLine(fmt.Sprint("user", i), h.Encoded))
	}
	text.WriteString(userLine("gone", hashes[0].Encoded, "disabled", "true"))
	s.command("", "user", "import", writeUsers(t, text.String()))
	for i, h := range hashes {
		name := fmt.Sprint("user", i)
		login := func(secret string) answer {
			return s.do(request{Do: "POST /v1/login", Body: object("username", name, "password", secret)})
		}
		if refused := login(h.Password + "!"); refused.Status != http.StatusUnauthorized {
			t.Errorf("%s: %d for a wrong password", h.Spelling, refused.Status)
		}
		first := login(h.Password)
		if first.Status != http.StatusOK {
			t.Errorf("%s: %d for the right password: %s", h.Spelling, first.Status, first.Text)
			continue
		}
		if stored := s.passwordHash(name); !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Errorf("%s: the hash was not replaced", h.Spelling)
		}
		if again := login(h.Password); again.Status != http.StatusOK {
			t.Errorf("%s: %d the second time", h.Spelling, again.Status)
		}
	}
	login := request{Do: "POST /v1/login", Body: object("username", "gone", "password", hashes[0].Password)}
	if a := s.do(login); a.Status != http.StatusUnauthorized {
		t.Errorf("a disabled user: %d", a.Status)
	}
}

// passwordHash reads what is stored for a user.
func (s *server) passwordHash(name string) (hash string) {
	s.t.Helper()
	s.query("SELECT password_hash FROM users WHERE username_key = '"+name+"'", &hash)
	return hash
}

// An import that is killed, again and again, leaves whole batches, and goes on until all are there.
// Beside it the server makes users of its own.
func TestImport_killed(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const rows, batch = 20_000, 250
	path := writeUsers(t, manyUsers(rows))
	kills, before := 0, 0
	for delay := 30 * time.Millisecond; ; delay += 10 * time.Millisecond {
		err := s.killedAfter(delay, "user", "import", path, "--data", s.data)
		var there, told int
		s.query("SELECT count(*) FROM users WHERE imported <> ''", &there)
		s.query("SELECT count(*) FROM audit WHERE event = 'user_created'", &told)
		if told != there+kills {
			t.Fatalf("%d users were imported and %d added, and %d events tell of one", there, kills, told)
		}
		if there%batch != 0 || there < before {
			t.Fatalf("%d users after %d", there, before)
		}
		if before = there; err == nil {
			break
		}
		if ended, ok := errors.AsType[*exec.ExitError](err); !ok || ended.ExitCode() >= 0 {
			t.Fatalf("the import failed: %v", err)
		}
		kills++
		s.command("seven green herons wade\n", "user", "add", fmt.Sprint("own", kills), "--password-stdin")
	}
	if before != rows || kills < 3 {
		t.Errorf("%d users after %d kills, want %d and 3 or more", before, kills, rows)
	}
	var sums struct {
		Already int `json:"already_imported"`
	}
	out := s.command("", "user", "import", path, "--json")
	if err := json.Unmarshal([]byte(out), &sums); err != nil || sums.Already != rows {
		t.Errorf("once more: %s (%v)", out, err)
	}
	t.Logf("%d kills", kills)
}

// killedAfter runs a command and kills it with -9 unless it has ended by then. The error is nil or an
// [exec.ExitError].
func (s *server) killedAfter(delay time.Duration, args ...string) error {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), s.env...)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	// The deadline of a context would also be the error of a command that has ended well just before.
	kill := time.AfterFunc(delay, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	return cmd.Wait()
}

func manyUsers(n int) string {
	const hash = "pbkdf2:sha256:1000$saltsalt$5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"
	var text strings.Builder
	for i := range n {
		name := fmt.Sprint("user", i)
		text.WriteString(userLine(name, hash, "email", name+"@example.org"))
	}
	return text.String()
}

// 100,000 users take seconds, and no more memory than few do.
func TestImport_timeAndMemory(t *testing.T) {
	s := serve(t)
	const rows = 100_000
	path := writeUsers(t, manyUsers(rows))
	for _, dryRun := range []string{"--dry-run=true", "--dry-run=false"} {
		start := time.Now()
		cmd := exec.CommandContext(t.Context(), binary, "user", "import", path, dryRun, "--json", "--data", s.data)
		var out bytes.Buffer
		cmd.Stdout, cmd.Env = &out, append(os.Environ(), s.env...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		peak := peakMemory(cmd.Process.Pid)
		err := cmd.Wait()
		took := time.Since(start)
		var sums struct{ Imported int }
		if err != nil || json.Unmarshal(out.Bytes(), &sums) != nil || sums.Imported != rows {
			t.Fatalf("%s: %v: %.1000s", dryRun, err, &out)
		}
		t.Logf("%s: %d rows in %v, %d a second", dryRun, rows, took.Round(time.Millisecond), int(rows/took.Seconds()))
		t.Logf("%s: %d MiB of memory", dryRun, peak>>10)
		if peak > 64<<10 || peak == 0 && runtime.GOOS == "linux" {
			t.Errorf("%s: %d MiB of memory, want 64 or less", dryRun, peak>>10)
		}
	}
}

// peakMemory looks at a process until it ends, and returns the most memory that it had, in KiB. It is
// 0 on systems other than Linux. (What the system tells of a process that has ended may be the peak of
// the one that started it.)
func peakMemory(pid int) (kib int) {
	for {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, peak, found := bytes.Cut(status, []byte("VmHWM:"))
		if err != nil || !found {
			return kib // it has ended
		}
		if _, err := fmt.Sscan(string(peak), &kib); err != nil {
			return kib
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// query reads one value from the database beside the server.
func (s *server) query(statement string, value any) {
	s.t.Helper()
	db := s.database()
	defer db.Close()
	if err := db.QueryRowContext(s.t.Context(), statement).Scan(value); err != nil {
		s.t.Fatal(err)
	}
}
