// Package clients_test lets golang.org/x/oauth2 and coreos/go-oidc use the built server, as
// docs/clients.md says.
package clients_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// hallpass is a server that runs, and its program.
type hallpass struct {
	t                  *testing.T
	program, data, url string
}

func start(t *testing.T) *hallpass {
	t.Helper()
	dir := t.TempDir()
	h := &hallpass{t: t, program: filepath.Join(dir, "hallpass"), data: filepath.Join(dir, "data")}
	build := exec.Command("go", "build", "-o", h.program, "./cmd/hallpass")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building hallpass: %v\n%s", err, out)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	h.url = "http://" + address
	serve := exec.Command(h.program, "serve", "--addr", address, "--data", h.data)
	var log bytes.Buffer
	serve.Stderr = &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = serve.Process.Kill()
		_ = serve.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for range 400 {
		if answer, err := http.Get(h.url + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return h
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the server is not ready")
	return nil
}

// machine makes a machine client on the command line.
func (h *hallpass) machine(name string, scopes ...string) (c struct {
	ID     string `json:"id"`
	Secret string `json:"client_secret"`
}) {
	h.t.Helper()
	args := []string{"client", "add", name, "--json", "--data", h.data}
	for _, scope := range scopes {
		args = append(args, "--scope", scope)
	}
	out, err := exec.Command(h.program, args...).Output()
	if err != nil {
		h.t.Fatal(err)
	}
	h.decode(out, &c)
	return c
}

// login signs a user up, logs them in, and returns their refresh token.
func (h *hallpass) login() string {
	h.t.Helper()
	who := `{"username":"alice","password":"correct horse battery"}`
	h.post(http.DefaultClient, "/v1/users", "application/json", who)
	var tokens struct {
		Refresh string `json:"refresh_token"`
	}
	h.decode(h.post(http.DefaultClient, "/v1/login", "application/json", who), &tokens)
	return tokens.Refresh
}

func (h *hallpass) post(client *http.Client, path, contentType, body string) []byte {
	h.t.Helper()
	answer, err := client.Post(h.url+path, contentType, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil || answer.StatusCode >= 300 {
		h.t.Fatalf("%s: %d %s (%v)", path, answer.StatusCode, text.Bytes(), err)
	}
	return text.Bytes()
}

func (h *hallpass) decode(text []byte, v any) {
	h.t.Helper()
	if err := json.Unmarshal(text, v); err != nil {
		h.t.Fatalf("%v: %s", err, text)
	}
}

// discover reads the document of RFC 8414 into go-oidc's configuration.
func (h *hallpass) discover() *oidc.Provider {
	h.t.Helper()
	response, err := http.Get(h.url + "/.well-known/oauth-authorization-server")
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	var config oidc.ProviderConfig
	if err := json.NewDecoder(response.Body).Decode(&config); err != nil {
		h.t.Fatal(err)
	}
	return config.NewProvider(context.Background())
}

func TestGo_clientCredentials(t *testing.T) {
	h := start(t)
	server := h.discover()
	c := h.machine("gateway", "introspect", "more")
	for _, style := range []oauth2.AuthStyle{
		oauth2.AuthStyleAutoDetect, oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams,
	} {
		config := clientcredentials.Config{
			ClientID: c.ID, ClientSecret: c.Secret, TokenURL: server.Endpoint().TokenURL,
			Scopes: []string{"introspect"}, AuthStyle: style,
		}
		own, err := config.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		verifier := server.Verifier(&oidc.Config{ClientID: h.url, SupportedSigningAlgs: []string{"ES256"}})
		token, err := verifier.Verify(t.Context(), own.AccessToken)
		if err != nil || token.Subject != c.ID || own.Extra("scope") != "introspect" {
			t.Fatalf("verified %+v (%v), scope %v", token, err, own.Extra("scope"))
		}
		// The HTTP client of the library sends such a token along.
		form := url.Values{"token": {own.AccessToken}}.Encode()
		about := func() (about struct{ Active bool }) {
			text := h.post(config.Client(t.Context()), "/v1/introspect", "application/x-www-form-urlencoded", form)
			h.decode(text, &about)
			return about
		}
		if !about().Active {
			t.Error("a new token is not active")
		}
		h.post(http.DefaultClient, "/v1/revoke", "application/x-www-form-urlencoded", form)
		if about().Active {
			t.Error("a revoked token is active")
		}
	}
	config := clientcredentials.Config{ClientID: c.ID, ClientSecret: "wrong", TokenURL: server.Endpoint().TokenURL}
	var refused *oauth2.RetrieveError
	if _, err := config.Token(t.Context()); !errors.As(err, &refused) || refused.ErrorCode != "invalid_client" ||
		refused.ErrorDescription == "" {
		t.Errorf("a wrong secret: %v", err)
	}
}

func TestGo_refresh(t *testing.T) {
	h := start(t)
	server := h.discover()
	app := oauth2.Config{ClientID: h.url, Endpoint: server.Endpoint()}
	first := h.login()
	next, err := app.TokenSource(t.Context(), &oauth2.Token{RefreshToken: first}).Token()
	if err != nil || next.RefreshToken == first || next.RefreshToken == "" {
		t.Fatalf("refreshed: %+v, %v", next, err)
	}
	again, err := app.TokenSource(t.Context(), &oauth2.Token{RefreshToken: next.RefreshToken}).Token()
	if err != nil {
		t.Fatal(err)
	}
	me, err := oauth2.NewClient(t.Context(), oauth2.StaticTokenSource(again)).Get(h.url + "/v1/me")
	if err != nil || me.StatusCode != http.StatusOK {
		t.Errorf("%v %v", me, err)
	}
	// The first token is older than the last used one: somebody has stolen it.
	var refused *oauth2.RetrieveError
	_, err = app.TokenSource(t.Context(), &oauth2.Token{RefreshToken: first}).Token()
	if !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
		t.Errorf("an old refresh token: %v", err)
	}
	_, err = app.TokenSource(t.Context(), &oauth2.Token{RefreshToken: again.RefreshToken}).Token()
	if !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
		t.Errorf("the token of a session that has ended: %v", err)
	}
}
