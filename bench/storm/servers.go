package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/password"
)

const secret = "a long password of a benchmark"

// credentials are those of a user. Each client has a user of its own, since a user has at most 100
// sessions. The user of the GETs does not log in during a storm.
func credentials(user int) []byte {
	return fmt.Appendf(nil, `{"username":"user%d","password":"%s"}`, user, secret)
}

// startServer starts hallpass serve, with no limit on log-ins. This program reads its log.
func startServer(dir string, clients int) (*subject, error) {
	binary, err := buildServer(dir)
	if err != nil {
		return nil, err
	}
	cmd := onFirst(binary, "serve", "--addr", "127.0.0.1:0", "--data", filepath.Join(dir, "data"),
		"--login-limit-account", "0", "--login-limit-address", "0", "--request-limit-user", "1000000000/1m")
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		_, after, ready := strings.Cut(lines.Text(), "url=http://")
		if !ready {
			continue
		}
		go func() { _, _ = io.Copy(io.Discard, log) }()
		address, _, _ := strings.Cut(after, " ")
		p := &subject{name: "hallpass serve", address: address, path: "/v1/verify", cmd: cmd}
		for user := range clients + 1 {
			if _, err := p.enter("/v1/users", user); err != nil {
				return nil, err
			}
		}
		return p, p.enterAll("/v1/login", clients)
	}
	return nil, fmt.Errorf("hallpass serve did not start: %w", cmd.Wait())
}

// startLibrary starts this program as one that mounts the library.
func startLibrary(_ string, clients int) (*subject, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := onFirst(self, "-serve")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the library did not start: %w", err)
	}
	p := &subject{name: "library", address: strings.TrimSpace(line), path: "/me", cmd: cmd}
	return p, p.enterAll("/login", clients)
}

// enterAll logs the user of the GETs in, and prepares the log-ins of the others.
func (p *subject) enterAll(login string, clients int) (err error) {
	for user := range clients {
		p.logins = append(p.logins, post(p.address, login, credentials(user)))
	}
	p.token, err = p.enter(login, clients)
	return err
}

// enter posts a user's credentials to a path and returns the access token of the answer, if there
// is one.
func (p *subject) enter(path string, user int) (string, error) {
	answer, err := http.Post("http://"+p.address+path, "application/json", bytes.NewReader(credentials(user)))
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		return "", fmt.Errorf("%s is answered %s", path, answer.Status)
	}
	var tokens struct {
		AccessToken string `json:"access_token"`
	}
	err = json.NewDecoder(answer.Body).Decode(&tokens)
	return tokens.AccessToken, err
}

// serveLibrary is the library as its documentation shows it, with its sessions in memory.
func serveLibrary() error {
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		return err
	}
	governor, err := password.NewGovernor(password.GovernorConfig{})
	if err != nil {
		return err
	}
	stored, err := governor.Hash(context.Background(), secret)
	if err != nil {
		return err
	}
	const unlimited = 1_000_000
	auth, err := hallpass.New(hallpass.Config[struct{}]{
		Issuer: "https://issuer.example", Audience: "https://api.example", Keys: ring{key}, AccessTTL: time.Hour,
		GuessesPerAccount: unlimited, GuessesPerAddress: unlimited,
		Authenticate: func(ctx context.Context, l hallpass.Login) (string, error) {
			err := governor.Check(ctx, stored, l.Password)
			if errors.Is(err, password.ErrMismatch) {
				return "", hallpass.ErrInvalidCredentials
			}
			return l.Username, err
		},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	auth.Mount(mux, "")
	mux.Handle("GET /me", auth.Func(func(w http.ResponseWriter, _ *http.Request, id hallpass.Identity[struct{}]) {
		_, _ = io.WriteString(w, id.Subject)
	}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, mux)
}

// ring has one key.
type ring struct{ key *jwk.PrivateKey }

func (r ring) Key(context.Context, string) (jwk.Key, error)       { return r.key.Public(), nil }
func (r ring) SigningKey(context.Context) (jwk.SigningKey, error) { return r.key, nil }
func (r ring) Published(context.Context) (*jwk.Set, error)        { return jwk.NewSet() }
func (r ring) Secret(string) [32]byte                             { return [32]byte{} }

// hashBare prints how many hashes a second one goroutine computes that does nothing else.
func hashBare(each time.Duration) error {
	governor, err := password.NewGovernor(password.GovernorConfig{Workers: 1})
	if err != nil {
		return err
	}
	if err := governor.CheckDummy(context.Background(), secret); !errors.Is(err, password.ErrMismatch) {
		return err
	}
	begin, n := time.Now(), 0
	for time.Since(begin) < each {
		_ = governor.CheckDummy(context.Background(), secret)
		n++
	}
	fmt.Println(float64(n) / time.Since(begin).Seconds())
	return nil
}
