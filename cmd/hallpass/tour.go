package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

type tourCommand struct {
	URL string `default:"http://127.0.0.1:8080" placeholder:"URL" help:"Server to walk through. Default: ${default}."`
}

// Help implements kong's HelpProvider.
func (tourCommand) Help() string {
	return `It creates its own user and deletes it at the end. It exits with code 1 if the server
does not behave as documented.`
}

// tour is a walk through a server: requests and the expected answers.
type tour struct {
	ctx    context.Context
	url    string
	w      io.Writer
	client http.Client
	step   int
}

// Run goes through sign-up → login → protected call → refresh → replay of the old refresh token →
// logout → 401.
func (c *tourCommand) Run(ctx context.Context, std streams) error {
	t := &tour{
		ctx:    ctx,
		url:    strings.TrimSuffix(c.URL, "/"),
		w:      std.out,
		client: http.Client{Timeout: 15 * time.Second},
	}
	name := "tour-" + strings.ToLower(rand.Text()[:8])
	credentials := map[string]string{"username": name, "password": rand.Text()}

	user, err := t.do("Sign up", "POST", "/v1/users", "", credentials, 201)
	if err != nil {
		return fmt.Errorf("%w; the tour makes a user of its own, which a server with --no-signup refuses", err)
	}
	tokens, err := t.do("Log in", "POST", "/v1/login", "", credentials, 200)
	if err != nil {
		return err
	}
	if _, err = t.do("Call a protected route", "GET", "/v1/me", tokens.text("access_token"), nil, 200); err != nil {
		return err
	}
	old := map[string]string{"refresh_token": tokens.text("refresh_token")}
	first, err := t.do("Refresh", "POST", "/v1/refresh", "", old, 200)
	if err != nil {
		return err
	}
	again, err := t.do(
		"Send the old refresh token once more, as a second tab or a retry would: the same successor comes back",
		"POST",
		"/v1/refresh",
		"",
		old,
		200,
	)
	if err != nil {
		return err
	}
	if again.text("refresh_token") != first.text("refresh_token") {
		return errors.New("the two successors differ: the server forked the session")
	}
	if _, err = t.do("Log out", "POST", "/v1/logout", again.text("access_token"), nil, 204); err != nil {
		return err
	}
	if _, err = t.do("The access token is refused from now on", "GET", "/v1/me",
		again.text("access_token"), nil, 401); err != nil {
		return err
	}
	if _, err = t.do("And so is the refresh token", "POST", "/v1/refresh", "",
		map[string]string{"refresh_token": again.text("refresh_token")}, 401); err != nil {
		return err
	}
	return t.cleanUp(user, credentials)
}

// cleanUp deletes the tour's user, for which it logs in again.
func (t *tour) cleanUp(user document, credentials map[string]string) error {
	tokens, err := t.do("Log in again, to delete the account, which wants a fresh login", "POST",
		"/v1/login", "", credentials, 200)
	if err != nil {
		return err
	}
	if _, err = t.do("Delete the account", "DELETE", "/v1/users/"+user.text("id"),
		tokens.text("access_token"), nil, 204); err != nil {
		return err
	}
	fmt.Fprintf(t.w, "\nAll %d exchanges went as promised.\n", t.step)
	return nil
}

type document map[string]any

func (d document) text(name string) string {
	s, _ := d[name].(string)
	return s
}

// do sends one request, prints the exchange, and checks the status.
func (t *tour) do(title, method, path, token string, body map[string]string, want int) (document, error) {
	t.step++
	fmt.Fprintf(t.w, "\n%d. %s\n\n> %s %s\n", t.step, title, method, path)
	var payload io.Reader
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			return nil, err
		}
		payload = bytes.NewReader(sent)
	}
	r, err := http.NewRequestWithContext(t.ctx, method, t.url+path, payload)
	if err != nil {
		return nil, usageError{err}
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
		fmt.Fprintf(t.w, "> Authorization: Bearer %s\n", shortened(token))
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
		fmt.Fprintf(t.w, "> Content-Type: application/json\n>\n> %s\n", readable(sent))
	}
	resp, err := t.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf(
			"%s does not answer: start a server with hallpass serve, or name one with --url (%w)",
			t.url,
			err,
		)
	}
	defer resp.Body.Close()
	return t.answer(resp, want)
}

func (t *tour) answer(resp *http.Response, want int) (document, error) {
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(t.w, "\n< %s\n", resp.Status)
	for _, name := range []string{"Location", "Cache-Control", "WWW-Authenticate"} {
		if value := resp.Header.Get(name); value != "" {
			fmt.Fprintf(t.w, "< %s: %s\n", name, printable(value))
		}
	}
	var d document
	if len(text) > 0 {
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, fmt.Errorf("the answer is not JSON; is %s a hallpass server?", t.url)
		}
		fmt.Fprintf(t.w, "<\n< %s\n", readable(text))
	}
	if resp.StatusCode != want {
		return nil, fmt.Errorf("step %d was answered %d; promised was %d", t.step, resp.StatusCode, want)
	}
	return d, nil
}

// secretMembers matches the members whose values are not shown: passwords and tokens.
var secretMembers = regexp.MustCompile(`"(\w*password|\w*_token)":"([^"]*)"`)

// readable returns a JSON text as it is on the wire, with its secrets shortened or masked.
func readable(text []byte) string {
	shown := secretMembers.ReplaceAllStringFunc(strings.TrimSpace(string(text)), func(member string) string {
		parts := secretMembers.FindStringSubmatch(member)
		value := "…"
		if strings.HasSuffix(parts[1], "_token") {
			value = shortened(parts[2])
		}
		return `"` + parts[1] + `":"` + value + `"`
	})
	return printable(shown)
}

// shortened returns a token in a form that can be recognised but not used.
func shortened(token string) string {
	if len(token) < 32 {
		return "…"
	}
	return token[:8] + "…" + token[len(token)-6:]
}
