package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/users"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

type tokenCommand struct {
	Inspect tokenInspectCommand `cmd:"" help:"Explain each check of one token."`
	Verify  tokenVerifyCommand  `cmd:"" help:"Verify tokens from standard input, one per line."`
	Mint    tokenMintCommand    `cmd:"" help:"Create an access token for a user."`
}

type tokenVerifyCommand struct {
	jsonFlag
	Keys     string        `required:"" placeholder:"FILE" help:"JWK set of the issuer."`
	Issuer   string        `required:"" placeholder:"URL" help:"Expected issuer of the tokens."`
	Audience string        `required:"" placeholder:"NAME" help:"Expected audience of the tokens."`
	At       *int64        `placeholder:"UNIX-SECONDS" help:"Time at which the tokens must be valid. Defaults to now."`
	Leeway   time.Duration `default:"30s" help:"Allowed difference between clocks. Default: ${default}."`
}

// Help implements kong's HelpProvider.
func (tokenVerifyCommand) Help() string {
	return `Each line gets one answer, in order. With --json an answer is
  {"valid":true,"claims":{...}}  or  {"valid":false,"code":"...","detail":"..."}
The exit code is 1 if any token was invalid.

  curl -s http://127.0.0.1:8080/.well-known/jwks.json > keys.json
  hallpass token verify --keys keys.json --issuer http://127.0.0.1:8080 \
    --audience http://127.0.0.1:8080 --json < tokens.txt`
}

var errInvalidTokens = errors.New("some tokens are invalid")

// Run reads all tokens and answers each.
func (c *tokenVerifyCommand) Run(ctx context.Context, std streams) error {
	set, err := readKeys(c.Keys)
	if err != nil {
		return usageError{err}
	}
	verifier, err := jwt.NewVerifier(jwt.Config{Issuer: c.Issuer, Audience: c.Audience, Keys: set, Leeway: c.Leeway})
	if err != nil {
		return usageError{err}
	}
	out := bufio.NewWriter(std.out)
	valid := true
	lines := lineReader{bufio.NewReader(std.in)}
	for {
		token, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(fmt.Errorf("reading tokens: %w", err), out.Flush())
		}
		v := verifyOne(ctx, verifier, token, c.time())
		valid = valid && v.Valid
		if err := errors.Join(v.print(out, c.JSON), out.Flush()); err != nil {
			return err
		}
	}
	if !valid {
		return errInvalidTokens
	}
	return nil
}

func (c *tokenVerifyCommand) time() time.Time {
	if c.At != nil {
		return time.Unix(*c.At, 0)
	}
	return time.Now()
}

func readKeys(path string) (*jwk.Set, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	set, err := jwk.ParseSet(data)
	if err != nil {
		return nil, fmt.Errorf("reading keys in %s: %w", path, err)
	}
	if len(set.Keys()) == 0 {
		why := []string{fmt.Sprintf("reading keys in %s: no key there is fit to verify with", path)}
		for _, s := range set.Skipped() {
			why = append(why, fmt.Sprintf("%q: %v", s.KeyID, s.Err))
		}
		return nil, errors.New(strings.Join(why, ": "))
	}
	return set, nil
}

// lineReader reads lines of any length. It keeps only as much of a line as could be a token.
type lineReader struct{ r *bufio.Reader }

// longestLine is longer than any valid token, so a truncated line stays invalid.
const longestLine = 16 << 10

// next returns the text up to the next line feed or the end of the input. If there is none, it
// returns io.EOF.
func (l lineReader) next() (string, error) {
	var line []byte
	started := false
	for {
		part, err := l.r.ReadSlice('\n')
		started = started || len(part) > 0
		if len(line) < longestLine {
			line = append(line, part...)
		}
		switch {
		case err == nil || errors.Is(err, io.EOF) && started:
			return string(bytes.TrimSuffix(line, []byte("\n"))), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}

// verdict is the answer about one token.
type verdict struct {
	Valid  bool            `json:"valid"`
	Claims json.RawMessage `json:"claims,omitempty"`
	Code   string          `json:"code,omitempty"`
	Detail string          `json:"detail,omitempty"`
}

func verifyOne(ctx context.Context, v *jwt.Verifier, token string, now time.Time) verdict {
	if _, err := v.Verify(ctx, token, now, nil); err != nil {
		code := hallpass.ErrTokenInvalid.Code
		if errors.Is(err, jwt.ErrExpired) {
			code = hallpass.ErrTokenExpired.Code
		}
		return verdict{Code: code, Detail: strings.TrimPrefix(err.Error(), "jwt: ")}
	}
	// The payload has been verified. It is shown unchanged, so that numbers keep their form.
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		return verdict{Code: hallpass.ErrTokenInvalid.Code, Detail: "the payload cannot be read"}
	}
	return verdict{Valid: true, Claims: payload}
}

func (v verdict) print(w io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(v)
	}
	var err error
	if v.Valid {
		_, err = fmt.Fprintf(w, "valid: %s\n", printable(string(v.Claims)))
	} else {
		_, err = fmt.Fprintf(w, "invalid: %s: %s\n", v.Code, v.Detail)
	}
	return err
}

type tokenMintCommand struct {
	tokenSettings
	userArgument
	jsonFlag
	TTL   time.Duration `name:"ttl" default:"15m" help:"Lifetime of the token, at most 24h. Default: ${default}."`
	Scope []string      `env:"-" placeholder:"SCOPE" help:"Scope; can be repeated."`
}

// Help implements kong's HelpProvider.
func (tokenMintCommand) Help() string {
	return `The token belongs to a new session. To see the session, run hallpass session list; to
end it, run hallpass session revoke. By default, the issuer and audience are those of the last
server that was started with this data folder.`
}

// agree sets the issuer and audience to those of the server where they are not given.
func (c *tokenMintCommand) agree(all *commands, std streams) error {
	if err := all.likeServer(&c.tokenSettings, std.err); err != nil {
		return err
	}
	if mistakes := c.mistakes(); mistakes != nil {
		return usageError{errors.Join(mistakes...)}
	}
	return nil
}

// Run starts a session that ends with its only token.
func (c *tokenMintCommand) Run(ctx context.Context, all *commands, std streams) error {
	if c.TTL <= 0 || c.TTL > maxAccessTTL {
		return usageError{fmt.Errorf("--ttl: a token lives for more than nothing and at most %v", maxAccessTTL)}
	}
	in, err := all.open(ctx, openOptions{mustExist: true})
	if err != nil {
		return err
	}
	defer in.Close()
	user, err := in.findUser(ctx, c.User)
	if err != nil {
		return err
	}
	if err := c.agree(all, std); err != nil {
		return err
	}
	if user.Disabled {
		return fmt.Errorf("%s is disabled: hallpass user enable %s lets them have tokens",
			printable(user.Username), user.ID)
	}
	authorize := users.Authorize(in.accounts)
	issuer, err := hallpass.NewIssuer(hallpass.IssuerConfig[struct{}]{
		Observe: in.observe, Issuer: c.Issuer, Audience: c.audience(), Keys: in.keys, Store: in.store,
		AccessTTL: c.TTL, IdleTTL: c.TTL, SessionTTL: c.TTL,
		Authorize: func(ctx context.Context, subject string) (hallpass.Grant[struct{}], error) {
			grant, err := authorize(ctx, subject)
			grant.Scopes = c.Scope
			return grant, err
		},
	})
	if err != nil {
		return usageError{err}
	}
	tokens, err := issuer.StartSession(ctx, user.ID, hallpass.Client{UserAgent: "hallpass token mint"})
	if err != nil {
		return err
	}
	if !c.JSON {
		_, err = fmt.Fprintln(std.out, tokens.AccessToken)
		return err
	}
	return json.NewEncoder(std.out).Encode(struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
		SessionID   string `json:"session_id"`
	}{tokens.AccessToken, int64(tokens.ExpiresIn / time.Second), tokens.SessionID})
}
