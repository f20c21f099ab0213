package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/examples/internal/exampletest"
)

// program builds the example.
func program(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "replicas")
	if out, err := exec.Command("go", "build", "-o", file, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// process is a running example.
type process struct {
	URL string
	cmd *exec.Cmd
}

// startAll starts n processes on one database at the same time.
func startAll(t *testing.T, program, db string, n int) []process {
	t.Helper()
	all := make([]process, n)
	outputs := make([]io.Reader, n)
	for i := range all {
		cmd := exec.Command(program, "-addr", "127.0.0.1:0", "-db", db)
		cmd.Env = append(os.Environ(), "REPLICAS_PASSWORD=a password of one's own")
		output, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all[i], outputs[i] = process{cmd: cmd}, output
		t.Cleanup(all[i].kill)
	}
	for i := range all {
		lines := bufio.NewScanner(outputs[i])
		lines.Scan()
		_, url, found := strings.Cut(lines.Text(), "listening on ")
		if !found {
			t.Fatalf("process %d says: %s", i, lines.Text())
		}
		all[i].URL = url
		go func() { _, _ = io.Copy(io.Discard, outputs[i]) }()
	}
	return all
}

func (p process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// post sends a POST and returns the status and the tokens of the answer.
func (p process) post(t *testing.T, path, access, body string) (int, tokens) {
	t.Helper()
	content := strings.NewReader(body)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+path, content)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if access != "" {
		request.Header.Set("Authorization", "Bearer "+access)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var got tokens
	_ = json.NewDecoder(answer.Body).Decode(&got)
	return answer.StatusCode, got
}

func (p process) login(t *testing.T) tokens {
	t.Helper()
	const credentials = `{"username":"admin","password":"a password of one's own"}`
	status, got := p.post(t, "/auth/login", "", credentials)
	if status != http.StatusOK {
		t.Fatalf("login: %d", status)
	}
	return got
}

// me returns the status for a token. It waits while the process has not yet read the revocations.
func (p process) me(t *testing.T, access string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+access)
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		status := answer.StatusCode
		if status != http.StatusServiceUnavailable || time.Since(begin) > 10*time.Second {
			return status
		}
	}
}

// refusedAfter returns how long a process still accepts a token.
func (p process) refusedAfter(t *testing.T, access string) time.Duration {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if p.me(t, access) == http.StatusUnauthorized {
			return time.Since(begin)
		}
		if time.Since(begin) > 10*time.Second {
			t.Fatal("the token still holds 10 s after the logout")
		}
	}
}

func TestReplicas_shareTokensAndLogouts(t *testing.T) {
	program, db := program(t), filepath.Join(t.TempDir(), "replicas.db")
	all := startAll(t, program, db, 2)
	one, other := all[0], all[1]

	var out tokens
	var took []time.Duration
	for range 3 {
		out = one.login(t)
		if status := other.me(t, out.Access); status != http.StatusOK {
			t.Fatalf("a token of one at the other: %d", status)
		}
		status, next := other.post(t, "/auth/refresh", "", `{"refresh_token":"`+out.Refresh+`"}`)
		if status != http.StatusOK || one.me(t, next.Access) != http.StatusOK {
			t.Fatalf("a refresh token of one at the other: %d", status)
		}
		status, _ = one.post(t, "/auth/logout", next.Access, "")
		if status != http.StatusNoContent {
			t.Fatalf("logout: %d", status)
		}
		if status := one.me(t, out.Access); status != http.StatusUnauthorized {
			t.Errorf("at once, at the one where the logout was: %d", status)
		}
		took = append(took, other.refusedAfter(t, out.Access))
	}
	slices.Sort(took)
	t.Logf("refused by the other after %v", took)
	// Use the median, in case the machine is busy.
	if took[1] > 1500*time.Millisecond {
		t.Errorf("refused by the other after %v", took)
	}

	in := one.login(t)
	one.kill()
	other.kill()
	for _, again := range startAll(t, program, db, 2) {
		if status := again.me(t, out.Access); status != http.StatusUnauthorized {
			t.Errorf("a token from before the logout, after a restart: %d", status)
		}
		if status := again.me(t, in.Access); status != http.StatusOK {
			t.Errorf("a token of a session that goes on: %d", status)
		}
	}
}

func TestReplicas_wantAPasswordThatAllKnow(t *testing.T) {
	t.Setenv("REPLICAS_PASSWORD", "")
	args := []string{"-addr", "127.0.0.1:0", "-db", filepath.Join(t.TempDir(), "replicas.db")}
	err := run(t.Context(), args, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "REPLICAS_PASSWORD") {
		t.Errorf("it ended with: %v", err)
	}
}

func TestExpiry_isASetting(t *testing.T) {
	t.Setenv("REPLICAS_PASSWORD", "a password of one's own")
	db := filepath.Join(t.TempDir(), "replicas.db")
	p := exampletest.Start(t, run, "-db", db, "-expiry", "2s")
	at := process{URL: p.URL}
	logIn := func() string { return at.login(t).Access }
	p.Expires(t, logIn, func(token string) int { return at.me(t, token) }, http.StatusUnauthorized)
}

func TestJWKS_verifiesTokensElsewhere(t *testing.T) {
	t.Setenv("REPLICAS_PASSWORD", "a password of one's own")
	p := exampletest.Start(t, run, "-db", filepath.Join(t.TempDir(), "replicas.db"))
	p.IsVerifiedElsewhere(t, "replicas", process{URL: p.URL}.login(t).Access)
}
