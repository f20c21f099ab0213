package contract

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/jose"
	"github.com/hallpass-go/hallpass/jwk"
)

// ErrNoKey says that a case creates tokens, but no key was given.
var ErrNoKey = errors.New("not run: the case makes tokens with the server's key, and none was given")

// Options say which server the cases run against.
type Options struct {
	URL       string            // of the server, without a trailing slash
	Original  bool              // whether it is the original system
	Key       jwk.SigningKey    // the server's; without it, cases that create tokens do not run
	Variables map[string]string // values that the cases need, such as credentials
	Client    *http.Client      // defaults to one that follows no redirect and gives up after ten seconds
}

// ReadSecret sets Key to the secret for HS256 that the file at path holds, in text.
func (o *Options) ReadSecret(path string) error {
	secret, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	o.Key, err = jwk.NewSecret(jwk.HS256, "server", bytes.TrimSpace(secret))
	return err
}

// Result is the result of one case.
type Result struct {
	Case Case
	Err  error // nil if all answers were as expected; wraps ErrNoKey if the case did not run
}

// Run runs all cases in order. It returns an error only if the setup fails.
func (s System) Run(ctx context.Context, o Options) ([]Result, error) {
	if o.Client == nil {
		o.Client = &http.Client{
			Timeout:       10 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	common := variables{"unique": strings.ToLower(rand.Text())}
	for name, value := range o.Variables {
		common[name] = value
	}
	if err := (&player{Options: o, variables: common}).play(ctx, s.Setup); err != nil {
		return nil, fmt.Errorf("setting up: %w", err)
	}
	results := make([]Result, len(s.Cases))
	for i, c := range s.Cases {
		err := (&player{Options: o, variables: maps.Clone(common)}).play(ctx, c.Steps)
		results[i] = Result{Case: c, Err: err}
	}
	return results, nil
}

// player runs the steps of one case.
type player struct {
	Options
	variables variables
}

func (p *player) play(ctx context.Context, steps []Step) error {
	for i, step := range steps {
		var err error
		if step.Mint != nil {
			err = p.mint(step.Mint)
		} else {
			err = p.exchange(ctx, step)
			for sent := 1; err != nil && sent < step.Repeat; sent++ {
				err = p.exchange(ctx, step)
			}
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

func (p *player) exchange(ctx context.Context, step Step) error {
	request, err := p.request(ctx, step.Request)
	if err != nil {
		return err
	}
	response, err := p.Client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	want := step.Want
	if p.Original && step.Original != nil {
		want = step.Original
	}
	if err := p.compare(want, response, body); err != nil {
		return fmt.Errorf("%s %s: %w\nthe answer was %s\n%s", request.Method, request.URL.Path, err,
			response.Status, body)
	}
	for _, name := range slices.Sorted(maps.Keys(step.Save)) {
		value, err := saved(step.Save[name], response, body)
		if err != nil {
			return fmt.Errorf("%s %s: saving %s: %w", request.Method, request.URL.Path, name, err)
		}
		p.variables[name] = value
	}
	return nil
}

func (p *player) request(ctx context.Context, r *Request) (*http.Request, error) {
	path, err := p.variables.expand(r.Path)
	if err != nil {
		return nil, err
	}
	body, err := p.variables.expand(r.Body)
	if err != nil {
		return nil, err
	}
	if r.JSON != nil {
		data, err := p.variables.expandJSON(r.JSON)
		if err != nil {
			return nil, err
		}
		body = string(data)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, p.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if r.JSON != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, text := range r.Headers {
		value, err := p.variables.expand(text)
		if err != nil {
			return nil, err
		}
		request.Header.Set(name, value)
	}
	if r.Basic != nil {
		user, userErr := p.variables.expand(r.Basic.User)
		password, passwordErr := p.variables.expand(r.Basic.Password)
		if err := errors.Join(userErr, passwordErr); err != nil {
			return nil, err
		}
		request.SetBasicAuth(user, password)
	}
	return request, nil
}

// mint creates a token. Its header and claims are objects with variables, or texts that need not be
// JSON.
func (p *player) mint(m *Mint) error {
	if p.Key == nil {
		return ErrNoKey
	}
	var input []string
	for _, segment := range []json.RawMessage{m.Header, m.Claims} {
		data, err := p.variables.expandJSON(segment)
		if err != nil {
			return err
		}
		var text string
		if bytes.HasPrefix(data, []byte(`"`)) {
			if err := json.Unmarshal(data, &text); err != nil {
				return err
			}
			data = []byte(text)
		}
		input = append(input, jose.EncodeBase64(data))
	}
	signing := strings.Join(input, ".")
	signature, err := p.sign(m.Key, []byte(signing))
	if err != nil {
		return err
	}
	p.variables[m.As] = signing + "." + jose.EncodeBase64(signature)
	return nil
}

func (p *player) sign(with string, message []byte) ([]byte, error) {
	switch with {
	case "":
		return p.Key.Sign(message)
	case "none":
		return nil, nil
	case "other":
		other, err := jwk.GenerateSecret(jwk.HS256)
		if err != nil {
			return nil, err
		}
		return other.Sign(message)
	}
	return nil, fmt.Errorf("no key is called %q", with)
}
