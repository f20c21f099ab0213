package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/hallpasstest"
	"github.com/hallpass-go/hallpass/internal/attack"
	"github.com/hallpass-go/hallpass/jwk"
)

func TestMasked(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "",
		"sqlite:./data/hallpass.db":          "sqlite:./data/hallpass.db",
		"sqlite:/tmp/a@b?c.db":               "sqlite:/tmp/a@b?c.db",
		"127.0.0.1:8080":                     "127.0.0.1:8080",
		"postgres://u:hunter2@h/db":          "postgres://u:xxxxx@h/db",
		"postgres://u@h/db":                  "postgres://u:xxxxx@h/db",
		"postgres://h/db":                    "postgres://h/db",
		"postgres://u@h/db?password=hunter2": "postgres://u:xxxxx@h/db?password=xxxxx",
		"redis://:hunter2@h:6379/0":          "redis://:xxxxx@h:6379/0",
		"mysql://u:hunter2%zz@h/db":          "mysql:xxxxx",
		"u:hunter2@tcp(h)/db":                "u:xxxxx",
		"host=h password=hunter2@x":          "xxxxx",
		"https://auth.example":               "https://auth.example",
	} {
		if got := masked(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "localhost": true, "": false, "0.0.0.0": false,
		"::": false, "10.0.0.1": false, "example.com": false,
		"localhost.evil.example": false, "::ffff:10.0.0.1": false,
	} {
		if got := isLoopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

// good returns settings that serve accepts.
func good() serveSettings {
	return serveSettings{
		tokenSettings: tokenSettings{Issuer: "https://auth.example"}, Addr: "127.0.0.1:8080",
		PasswordMinLength: 15, AccessTTL: time.Minute, SessionIdle: time.Hour,
		SessionMax: time.Hour, RefreshGrace: time.Second, AuditRetention: time.Hour,
		limitSettings: limitSettings{
			LoginLimitAccount: "10/1m", LoginLimitAddress: "0", SignupLimit: "9/1m", RenameLimit: "1/1h",
			RefreshLimit: "off", IntrospectionLimit: "off", RequestLimitUser: "off", RequestLimitAddress: "off",
		},
		SigningAlgorithm: "ES256", MaxConnections: 1,
	}
}

func TestValidate_eachMistake(t *testing.T) {
	if _, _, err := (&serveCommand{good()}).validate(); err != nil {
		t.Fatal(err)
	}
	domains := []string{"auth.example"}
	for word, spoil := range map[string]func(*serveSettings){
		"--issuer":               func(s *serveSettings) { s.Issuer = "auth.example" },
		"like https":             func(s *serveSettings) { s.Issuer = "https://user:pass@auth.example" },
		"--access-ttl":           func(s *serveSettings) { s.AccessTTL = 0 },
		"than the 24h":           func(s *serveSettings) { s.AccessTTL = 25 * time.Hour },
		"--session-idle":         func(s *serveSettings) { s.SessionIdle = 0 },
		"--session-max":          func(s *serveSettings) { s.SessionMax = -1 },
		"--refresh-grace":        func(s *serveSettings) { s.RefreshGrace = 0 },
		"--audit-retention":      func(s *serveSettings) { s.AuditRetention = 0 },
		"--user-cache":           func(s *serveSettings) { s.UserCache = time.Second + 1 },
		"up to 1s":               func(s *serveSettings) { s.UserCache = -1 },
		"--drain-delay":          func(s *serveSettings) { s.DrainDelay = -1 },
		"--key-rotation":         func(s *serveSettings) { s.KeyRotation = time.Minute },
		"--max-connections":      func(s *serveSettings) { s.MaxConnections = 0 },
		"its tokens could forge": func(s *serveSettings) { s.SigningAlgorithm = "HS256" },
		"is none of ES256":       func(s *serveSettings) { s.SigningAlgorithm = "none" },
		"the public URL":         func(s *serveSettings) { s.Addr, s.Issuer, s.InsecureHTTP = ":8080", "", true },
		"--max-sessions":         func(s *serveSettings) { s.MaxSessions = -1 },
		"--password-min-length":  func(s *serveSettings) { s.PasswordMinLength = 7 },
		"is not a limit":         func(s *serveSettings) { s.LoginLimitAddress = "x" },
		"--behind-proxy":         func(s *serveSettings) { s.BehindProxy = []string{"10.0.0.1"} },
		"--redis":                func(s *serveSettings) { s.Redis = "redis://h" },
		"go together":            func(s *serveSettings) { s.TLSCert = "cert.pem" },
		"exclude each other":     func(s *serveSettings) { s.TLSCert, s.TLSKey, s.ACMEDomain = "c", "k", domains },
		"not an origin":          func(s *serveSettings) { s.CORSOrigin = []string{"*"} },
		"--security-contact":     func(s *serveSettings) { s.SecurityContact = "security@example.com" },
		"--metrics-addr":         func(s *serveSettings) { s.MetricsAddr = "9090" },
		"go with --acme-domain":  func(s *serveSettings) { s.ACMEEmail = "a@b.example" },
		"HOST:PORT":              func(s *serveSettings) { s.Addr = "8080" },
		"plain HTTP":             func(s *serveSettings) { s.Addr = ":8080" },
	} {
		s := good()
		spoil(&s)
		_, _, err := (&serveCommand{s}).validate()
		if err == nil || !strings.Contains(err.Error(), word) || !errors.As(err, new(usageError)) {
			t.Errorf("%s: %v", word, err)
		}
	}
	for name, open := range map[string]func(*serveSettings){
		"TLS":        func(s *serveSettings) { s.TLSCert, s.TLSKey = "cert.pem", "key.pem" },
		"a proxy":    func(s *serveSettings) { s.BehindProxy = []string{"10.0.0.0/8"} },
		"on purpose": func(s *serveSettings) { s.InsecureHTTP = true },
	} {
		s := good()
		s.Addr = ":443"
		open(&s)
		if _, _, err := (&serveCommand{s}).validate(); err != nil {
			t.Errorf("open to others with %s: %v", name, err)
		}
	}
}

func TestLineReader_answersEveryLine(t *testing.T) {
	long := strings.Repeat("x", 3<<20)
	for text, want := range map[string][]string{
		"": nil, "\n": {""}, "\n\n": {"", ""}, "a": {"a"}, "a\n": {"a"}, "a\nb": {"a", "b"},
		"a\r\nb\r\n": {"a\r", "b\r"}, "\x00\xff\n\x00": {"\x00\xff", "\x00"}, " a \n": {" a "},
	} {
		if got := readLines(t, text); !equal(got, want) {
			t.Errorf("%q is read as %q, want %q", text, got, want)
		}
	}
	got := readLines(t, "a\n"+long+"\nb\n"+long)
	if len(got) != 4 || got[0] != "a" || got[2] != "b" || len(got[1]) <= longestLine-1 ||
		len(got[1]) > 2*longestLine ||
		len(got[3]) > 2*longestLine {
		t.Errorf("%d lines, the long ones of %d and %d bytes", len(got), len(got[1]), len(got[3]))
	}
}

func readLines(t *testing.T, text string) (lines []string) {
	t.Helper()
	r := lineReader{bufio.NewReader(strings.NewReader(text))}
	for {
		line, err := r.next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
}

func equal(a, b []string) bool {
	return strings.Join(a, "|") == strings.Join(b, "|") && len(a) == len(b)
}

// The command gets generated forgeries with valid tokens between them. It must answer each with a
// line of JSON, in order.
func TestTokenVerify_forgeries(t *testing.T) {
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwk.NewSet(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(keys, text, 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1800000000, 0)
	target := attack.Target{Key: key, Issuer: "https://issuer.test", Audience: "https://api.test", Now: at}
	var input strings.Builder
	var names []string // empty for a valid token
	for f := range target.Forgeries(t) {
		if strings.ContainsAny(f.Token, "\n") || f.Name == "10 MB" {
			continue // cannot be sent as one line
		}
		input.WriteString(f.Token + "\n" + target.Valid(t) + "\n")
		names = append(names, f.Class+" "+f.Name, "")
	}
	var out, errs bytes.Buffer
	code := run(t.Context(), func() {}, []string{
		"token", "verify", "--keys", keys, "--issuer", target.Issuer, "--audience", target.Audience, "--at",
		strconv.FormatInt(at.Unix(), 10), "--leeway", "0s", "--json",
	}, streams{strings.NewReader(input.String()), &out, &errs})
	if code != exitFailed {
		t.Errorf("exit %d: %s", code, errs.String())
	}
	answers := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(answers) != len(names) {
		t.Fatalf("%d answers to %d lines", len(answers), len(names))
	}
	for i, name := range names {
		var v struct {
			Valid        bool
			Claims       map[string]any
			Code, Detail string
		}
		if err := json.Unmarshal([]byte(answers[i]), &v); err != nil {
			t.Fatalf("%s: %v: %s", name, err, answers[i])
		}
		if v.Valid != (name == "") || v.Valid && v.Claims["sub"] != "user-1" ||
			!v.Valid && (v.Code == "" || v.Detail == "" || v.Claims != nil) {
			t.Errorf("%s: %s", name, answers[i])
		}
	}
}

func TestTokenVerify_onlyGoodOnes(t *testing.T) {
	kit := hallpasstest.New[struct{}](t)
	published, err := kit.Keys.Published(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(published)
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(keys, text, 0o600); err != nil {
		t.Fatal(err)
	}
	verify := func(input string, more ...string) (int, string) {
		var out, errs bytes.Buffer
		args := append(
			[]string{"token", "verify", "--keys", keys, "--issuer", kit.Issuer, "--audience", kit.Audience},
			more...)
		return run(t.Context(), func() {}, args, streams{strings.NewReader(input), &out, &errs}), out.String()
	}
	token := kit.Token("alice", hallpass.Grant[struct{}]{Roles: []string{"user"}})
	if code, out := verify(token, "--json"); code != 0 || !strings.HasPrefix(out, `{"valid":true,"claims":{`) {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, out := verify("", "--json"); code != 0 || out != "" {
		t.Errorf("no line at all: exit %d: %s", code, out)
	}
	if code, _ := verify(token + "\n" + token + "x\n"); code != exitFailed {
		t.Errorf("a good one and a bad one: exit %d", code)
	}
	if code, _ := verify(token, "--keys", filepath.Join(t.TempDir(), "none")); code != exitUsage {
		t.Errorf("without keys: exit %d", code)
	}
}

func TestIsOrigin(t *testing.T) {
	for text, want := range map[string]bool{
		"https://app.example": true, "http://localhost:3000": true, "http://[::1]:3000": true,
		"https://App.example": false,
		"*":                   false, "null": false, "": false, "app.example": false, "https://app.example/": false,
		"https://*.example":        false,
		"https://app.example/path": false, "https://user@app.example": false, "https://app.example:443": false,
		"http://app.example:80": false, "ftp://app.example": false, "https://": false, "https://app.example?q": false,
		"https://app.example:": false,
	} {
		if got := isOrigin(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// An origin counts only as browsers write it: in any other spelling no page would ever be let in.
func TestBrowserSettings_refuseWhatNoBrowserSends(t *testing.T) {
	for text, accepted := range map[string]bool{
		"https://app.example": true, "http://[::1]:3000": true, "https://xn--mller-kva.example:8443": true,
		"https://müller.example": false, "https://app.example:0443": false, "https://app.example:99999": false,
		"https://app.example:": false, "https://app.example:443": false, "https://app.example/": false,
		"https://APP.example": false, "HTTPS://app.example": false, "https://u@app.example": false,
		"https://*.example": false, "null": false, "file:///x": false,
	} {
		if got := len((browserSettings{CORSOrigin: []string{text}}).mistakes()) == 0; got != accepted {
			t.Errorf("origin %s: accepted %v, want %v", text, got, accepted)
		}
	}
	for text, accepted := range map[string]bool{
		"mailto:security@example.com": true, "https://example.com/report": true, "tel:+1-201-555-0123": true,
		"mailto:": false, "https:": false, "https://": false, "tel:": false, "mailto:a@b c": false,
		"http://example.com": false, "mailto:a@b\nContact: x": false,
	} {
		if got := len((browserSettings{SecurityContact: text}).mistakes()) == 0; got != accepted {
			t.Errorf("contact %s: accepted %v, want %v", text, got, accepted)
		}
	}
}
