package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// service is what stands behind a proxy. It remembers the last request.
type service struct {
	*httptest.Server
	mu     sync.Mutex
	header http.Header // of the last request; nil if there was none
	body   string
}

func startService(t *testing.T) *service {
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.header, s.body = r.Header, string(body)
	}))
	t.Cleanup(s.Close)
	return s
}

// last returns the last request, and forgets it.
func (s *service) last() (http.Header, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	header, body := s.header, s.body
	s.header, s.body = nil, ""
	return header, body
}

// snippet is the configuration of a proxy as docs/forward-auth.md has it, with these addresses.
func snippet(t *testing.T, language string, front, hallpass, behind string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/forward-auth.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "```"+language+"\n")
	config, _, ended := strings.Cut(after, "```")
	if !found || !ended {
		t.Fatalf("the document has no %s", language)
	}
	for _, address := range []string{"127.0.0.1:8000", "127.0.0.1:8080", "127.0.0.1:9000"} {
		if !strings.Contains(config, address) && address != "127.0.0.1:8000" {
			t.Fatalf("the configuration does not name %s", address)
		}
	}
	return strings.NewReplacer("127.0.0.1:8000", front, "127.0.0.1:8080", hallpass, "127.0.0.1:9000", behind).
		Replace(config)
}

// proxies are the programs, each with how it is started on the snippet: it returns the command.
var proxies = []struct {
	name, pkg, language string
	command             func(t *testing.T, program, dir, config, front string) *exec.Cmd
}{
	{"nginx", "nginx", "nginx", func(t *testing.T, program, dir, config, _ string) *exec.Cmd {
		whole := "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {}\nhttp {\naccess_log off;\n"
		for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			whole += fmt.Sprintf("%s_temp_path %s;\n", kind, filepath.Join(dir, kind))
		}
		file := write(t, dir, "nginx.conf", whole+config+"}\n")
		return exec.Command(program, "-e", "stderr", "-p", dir, "-c", file)
	}},
	{"caddy", "caddy", "caddy", func(t *testing.T, program, dir, config, _ string) *exec.Cmd {
		file := write(t, dir, "Caddyfile", "{\n\tadmin off\n\tauto_https off\n}\n"+config)
		return exec.Command(program, "run", "--config", file, "--adapter", "caddyfile")
	}},
	{"traefik", "traefik", "yaml", func(t *testing.T, program, dir, config, front string) *exec.Cmd {
		file := write(t, dir, "dynamic.yaml", config)
		return exec.Command(program, "--entrypoints.web.address="+front, "--providers.file.filename="+file)
	}},
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The proxies of the document let pass who may, and the service learns from us alone who it is.
func TestForwardAuth(t *testing.T) {
	t.Parallel()
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			t.Parallel()
			program := findProxy(t, proxy.name, proxy.pkg)
			s, behind := serve(t, "--behind-proxy=127.0.0.1/32"), startService(t)
			front, dir := freeAddress(t), t.TempDir()
			config := snippet(t, proxy.language, front, strings.TrimPrefix(s.URL, "http://"),
				strings.TrimPrefix(behind.URL, "http://"))
			cmd := proxy.command(t, program, dir, config, front)
			log := &lockedBuffer{}
			cmd.Stdout, cmd.Stderr, cmd.Env = log, log, append(os.Environ(), "HOME="+dir)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				if t.Failed() {
					t.Logf("log of %s:\n%.5000s", proxy.name, log)
				}
			})
			w := walk{t: t, server: s, service: behind, url: "http://" + front}
			w.untilReady()
			w.run()
		})
	}
}

// findProxy is find, also where root's programs are.
func findProxy(t *testing.T, program, pkg string) string {
	t.Helper()
	if path := "/usr/sbin/" + program; exists(path) {
		return path
	}
	return find(t, program, pkg)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// walk sends requests to a proxy.
type walk struct {
	t       *testing.T
	server  *server
	service *service
	url     string
}

func (w walk) untilReady() {
	w.t.Helper()
	for range 200 {
		resp, err := http.Get(w.url)
		if err == nil {
			resp.Body.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	w.t.Fatal("the proxy does not answer")
}

// send sends a request and returns its answer, and what the service got, if it got one.
func (w walk) send(method, path, token, body string, header http.Header) (*http.Response, http.Header, string) {
	w.t.Helper()
	req, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values // as it is written
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	got, text := w.service.last()
	return resp, got, text
}

// refused checks that the service did not see the request.
func (w walk) refused(what, path, token string, status int) {
	w.t.Helper()
	resp, got, _ := w.send(http.MethodGet, path, token, "", nil)
	if resp.StatusCode != status || got != nil {
		w.t.Errorf("%s: %s, and the service got %v, want %d", what, resp.Status, got, status)
	}
	if challenge := resp.Header.Get("WWW-Authenticate"); status == http.StatusUnauthorized &&
		!strings.HasPrefix(challenge, "Bearer") {
		w.t.Errorf("%s: challenge %q", what, challenge)
	}
}

func (w walk) run() {
	alice, root := w.server.join("alice"), w.server.admin("root")
	w.service.last()
	w.refused("no token", "/", "", http.StatusUnauthorized)
	w.refused("another token", "/", alice.Access[:len(alice.Access)-4]+"AAAA", http.StatusUnauthorized)
	w.refused("a user at the administrators' door", "/admin/", alice.Access, http.StatusForbidden)
	w.refused("the same, who names a role", "/admin/?role=user", alice.Access, http.StatusForbidden)
	if resp, got, _ := w.send(http.MethodGet, "/admin", alice.Access, "", nil); got != nil {
		w.t.Errorf("a user who asks for /admin is answered %s, and the service got %v", resp.Status, got)
	}
	_, got, _ := w.send(http.MethodGet, "/admin/x", root.Access, "", nil)
	w.wantOurs("an administrator", got, root, "admin,user")
	for _, inside := range []string{"/hallpass", "/hallpass/admin"} {
		if resp, _, _ := w.send(http.MethodGet, inside, "", "", nil); resp.StatusCode < 400 {
			w.t.Errorf("%s from outside is answered %s", inside, resp.Status)
		}
	}
	resp, got, body := w.send(http.MethodPost, "/posts?page=2&role=admin", alice.Access, `{"title":"x"}`, nil)
	if resp.StatusCode != 200 || body != `{"title":"x"}` {
		w.t.Errorf("a post is answered %s, and the service got %q", resp.Status, body)
	}
	w.wantOurs("a plain request", got, alice, "user")
	for name, forged := range forgeries() {
		_, got, _ := w.send(http.MethodGet, "/", alice.Access, "", forged)
		w.wantOurs(name, got, alice, "user")
	}
	w.server.do(request{Do: "POST /v1/logout", Token: alice.Access}).want(http.StatusNoContent, "")
	w.refused("after logout", "/", alice.Access, http.StatusUnauthorized)
}

// forgeries are header fields by which a client claims to be somebody, in every spelling.
func forgeries() map[string]http.Header {
	forged := map[string]http.Header{"twice": {
		"X-Auth-Subject": {"root", "root"}, "X-Auth-Roles": {"admin", "admin"}, "X-Auth-Scope": {"all", "all"},
	}}
	for _, first := range []string{"-", "_"} {
		for _, second := range []string{"-", "_"} {
			for _, spell := range []func(string) string{strings.ToLower, strings.ToUpper, asItIs} {
				header := http.Header{}
				for _, name := range []string{"Subject", "Roles", "Scope", "Session"} {
					header[spell("X"+first+"Auth"+second+name)] = []string{"admin"}
				}
				forged[spell("X"+first+"Auth"+second+"…")] = header
			}
		}
	}
	return forged
}

func asItIs(s string) string { return s }

// wantOurs checks that each field that a service could take for one of ours is there once, and ours.
func (w walk) wantOurs(what string, got http.Header, p person, roles string) {
	w.t.Helper()
	if got == nil {
		w.t.Errorf("%s: the service got no request", what)
		return
	}
	seen := map[string][]string{} // as CGI sees them (RFC 3875 §4.1.18)
	for name, values := range got {
		cgi := strings.ReplaceAll(strings.ToUpper(name), "-", "_")
		seen[cgi] = append(seen[cgi], values...)
	}
	for name, want := range map[string]string{
		"X_AUTH_SUBJECT": p.ID, "X_AUTH_ROLES": roles, "X_AUTH_SCOPE": "", "X_AUTH_SESSION": p.Session,
	} {
		values := slices.DeleteFunc(seen[name], func(v string) bool { return v == "" })
		if want == "" && len(values) > 0 || want != "" && !slices.Equal(values, []string{want}) {
			w.t.Errorf("%s: the service got %s: %q, want %q", what, name, seen[name], want)
		}
	}
}
