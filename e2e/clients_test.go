package e2e

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// recipe is a piece of code of docs/clients.md, which stands under its name.
func recipe(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "<!-- "+name+" -->\n```")
	_, code, opened := strings.Cut(after, "\n")
	code, _, ended := strings.Cut(code, "\n```")
	if !found || !opened || !ended {
		t.Fatalf("the document has no code of %s", name)
	}
	return code + "\n"
}

// standardClients are the libraries, and what runs their recipe. The code around it gets the settings,
// and prints as JSON what the recipe has found.
var standardClients = []struct {
	name, file, before, after string
	command                   []string
}{
	{"openid-client", "client.mjs", inNode, toldByNode, []string{"node", "client.mjs"}},
	{"oauth4webapi", "client.mjs", inNode, toldByNode, []string{"node", "client.mjs"}},
	{"authlib", "client.py", inPython, toldByPython, []string{"/usr/bin/python3", "client.py"}},
}

const (
	// Node.js has the global crypto from version 20 on.
	inNode = "globalThis.crypto ??= (await import('node:crypto')).webcrypto\n" +
		"const { issuer, id, secret, refreshToken } = JSON.parse(process.env.SETTINGS)\n"

	toldByNode = "console.log(JSON.stringify({ own, about, next }))\n"

	inPython = "import json, os\nglobals().update(json.loads(os.environ['SETTINGS']))\n" +
		"client_id, client_secret, refresh_token = id, secret, refreshToken\n"

	toldByPython = "print(json.dumps({'own': own, 'about': about, 'next': refreshed}))\n"
)

// Clients that others have written walk as our document about them says: discovery, client credentials,
// introspection, revocation, refresh.
func TestClients_workAsDocumented(t *testing.T) {
	for _, c := range standardClients {
		t.Run(c.name, func(t *testing.T) {
			dir := folderWith(t, c.name)
			s := serve(t)
			s.signUp("alice")
			alice, machine := s.login("alice"), s.addClient("billing", "--scope", "invoices.read", "--scope", "more")
			settings, err := json.Marshal(map[string]string{
				"issuer": s.URL, "id": machine.ID, "secret": machine.Secret, "refreshToken": alice.Refresh,
			})
			if err != nil {
				t.Fatal(err)
			}
			code := recipe(t, c.name)
			if c.name == "authlib" { // which wants https, as the document says
				code = strings.Replace(code, "server.validate()\n", validatedAsHTTPS, 1)
			} else { // imports come first
				last := strings.LastIndex(code, "import ")
				end := last + strings.IndexByte(code[last:], '\n') + 1
				code = code[:end] + c.before + code[end:]
				c.before = ""
			}
			write(t, dir, c.file, c.before+code+c.after)
			command := exec.Command(c.command[0], c.command[1:]...)
			command.Dir = dir
			command.Env = append(os.Environ(), "SETTINGS="+string(settings))
			var out, errs bytes.Buffer
			command.Stdout, command.Stderr = &out, &errs
			if err := command.Run(); err != nil {
				t.Fatalf("%v\n%s\n%s", err, out.Bytes(), errs.Bytes())
			}
			s.checkTold(out.Bytes(), machine.ID)
		})
	}
}

// validatedAsHTTPS lets Authlib check everything but the scheme of the URLs.
const validatedAsHTTPS = `AuthorizationServerMetadata(
    json.loads(json.dumps(document).replace("http://", "https://"))).validate()
`

// checkTold checks what a client has found.
func (s *server) checkTold(out []byte, clientID string) {
	s.t.Helper()
	var told struct {
		Own, Next struct {
			Access    string `json:"access_token"`
			Refresh   string `json:"refresh_token"`
			TokenType string `json:"token_type"`
			Scope     string
		}
		About struct {
			Active       bool
			Sub, Scope   string
			ClientID     string `json:"client_id"`
			AuthTime     *int64 `json:"auth_time"`
			SessionID    string `json:"sid"`
			RefreshToken string `json:"refresh_token"`
		}
	}
	if err := json.Unmarshal(out, &told); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	about := told.About
	if !about.Active || about.Sub != clientID || about.ClientID != clientID || about.Scope != "invoices.read" ||
		about.AuthTime != nil || about.SessionID != "" || told.Own.Refresh != "" ||
		!strings.EqualFold(told.Own.TokenType, "Bearer") {
		s.t.Errorf("told of the client: %s", out)
	}
	// The client has revoked its token, and the refresh has given the next ones.
	s.do(request{Do: "GET /v1/verify", Token: told.Own.Access}).want(401, "token_revoked")
	s.me(told.Next.Access).want(200, "")
	s.refresh(told.Next.Refresh).want(200, "")
}

// folderWith returns a folder in which a library can be imported.
func folderWith(t *testing.T, library string) string {
	t.Helper()
	dir := t.TempDir()
	if library == "authlib" {
		if err := exec.Command("/usr/bin/python3", "-c", "import authlib, requests").Run(); err != nil {
			missing(t, "python3-authlib")
		}
		return dir
	}
	npm := filepath.Join(os.Getenv("HALLPASS_TEST_NPM"), "node_modules")
	if _, err := os.Stat(filepath.Join(npm, library)); os.Getenv("HALLPASS_TEST_NPM") == "" || err != nil {
		missing(t, "npm-"+library)
	}
	if err := os.Symlink(npm, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What the command line does to a client takes effect in a running server: at once for its secret, and
// within a second for its tokens.
func TestClient_changedOnTheCommandLine(t *testing.T) {
	s := serve(t)
	own := func(id, secret string) answer {
		return s.do(request{
			Do: "POST /v1/token", Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
			Body: url.Values{
				"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret},
			}.Encode(),
		})
	}
	first := s.addClient("billing", "--scope", "read")
	tokenOf := func(secret string) string { return own(first.ID, secret).want(200, "").str("access_token") }
	refused := func(token string) {
		t.Helper()
		for range 20 {
			if s.do(request{Do: "GET /v1/verify", Token: token}).Status == 401 {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Error("the token is accepted a second later")
	}
	var rotated struct {
		Secret string `json:"client_secret"`
	}
	rotate := func(args ...string) string {
		t.Helper()
		out := s.command("", append([]string{"client", "rotate", "billing", "--json"}, args...)...)
		if err := json.Unmarshal([]byte(out), &rotated); err != nil {
			t.Fatal(err)
		}
		return rotated.Secret
	}
	token := tokenOf(first.Secret)
	second := rotate("--overlap", "1h")
	tokenOf(first.Secret)
	s.do(request{Do: "GET /v1/verify", Token: token}).want(204, "")
	third := rotate()
	for _, old := range []string{first.Secret, second} {
		if a := own(first.ID, old); a.Status != 401 || a.str("error") != "invalid_client" {
			t.Errorf("an old secret: %d %s", a.Status, a.Text)
		}
	}
	refused(token)
	for _, end := range []string{"disable", "delete"} {
		token = tokenOf(third)
		s.command("", "client", end, first.ID)
		refused(token)
		if a := own(first.ID, third); a.Status != 401 {
			t.Errorf("after %s: %d %s", end, a.Status, a.Text)
		}
		if end == "disable" {
			if told := s.command("", "audit", "--user", "billing"); !strings.Contains(told, "client_disabled") {
				t.Errorf("the audit of the client tells %s", told)
			}
			s.command("", "client", "enable", "billing")
		}
	}
	if list := s.command("", "client", "list", "--json"); list != "" {
		t.Errorf("listed %s", list)
	}
	for _, secret := range []string{first.Secret, second, third} {
		if strings.Contains(s.log.String(), secret) || strings.Contains(s.command("", "audit", "--json"), secret) {
			t.Error("the log or the audit has a secret")
		}
	}
}
