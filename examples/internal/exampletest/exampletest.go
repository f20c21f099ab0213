// Package exampletest starts the example programs for their tests and runs their contracts.
package exampletest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/compat/contract"
	"github.com/hallpass-go/hallpass/internal/attack"
	"github.com/hallpass-go/hallpass/jwk"
)

// Program is a running example.
type Program struct {
	URL  string
	stop func() error
	out  *output
}

// Run is the function that an example's main calls. It serves until ctx ends, and writes to out
// what the user must know.
type Run func(ctx context.Context, args []string, out io.Writer) error

var listening = regexp.MustCompile(`listening on (http://[0-9.:]+[0-9])`)

// Start starts an example on a free port, which may take a second, and stops it at the end of the
// test.
func Start(t *testing.T, run Run, args ...string) *Program {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	out := &output{}
	go func() { ended <- run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), out) }()
	p := &Program{out: out}
	p.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("the example ended with: %v", err)
		}
	})
	begin := time.Now()
	for deadline := begin.Add(slowness * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if found := listening.FindStringSubmatch(out.String()); found != nil {
			p.URL = found[1]
			t.Logf("started in %v", time.Since(begin))
			return p
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the example ended with: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the example did not start in time; it wrote:\n%s", out.String())
		}
	}
}

// Stop stops the example before the end of the test, so that it can be started again.
func (p *Program) Stop(t *testing.T) {
	t.Helper()
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
}

// Output returns what the program has written so far, including its log.
func (p *Program) Output() string { return p.out.String() }

// Walk runs a system's cases against the program. The key is the program's; nil if no case creates
// tokens.
func (p *Program) Walk(t *testing.T, system string, key jwk.SigningKey, variables map[string]string) {
	t.Helper()
	cases, err := contract.Load(system)
	if err != nil {
		t.Fatal(err)
	}
	results, err := cases.Run(t.Context(), contract.Options{URL: p.URL, Key: key, Variables: variables})
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, result := range results {
		if result.Err != nil {
			failed++
			t.Errorf("%s (%s): %v", result.Case.Name, result.Case.Seed, result.Err)
		}
		if errors.Is(result.Err, contract.ErrNoKey) {
			t.Fatal("the case was not run")
		}
	}
	t.Logf("%s: %d of %d cases passed", system, len(results)-failed, len(results))
}

// Expires checks that a program started with "-expiry 2s" accepts a token, and later refuses it
// with the given status.
func (p *Program) Expires(
	t *testing.T, logIn func() string, use func(token string) int, refused int,
) {
	t.Helper()
	token := logIn()
	// On a busy machine a token may expire before it is used.
	for tries := 0; use(token) != http.StatusOK; tries++ {
		if tries == 5 {
			t.Fatal("no token was taken")
		}
		token = logIn()
	}
	begin := time.Now()
	for status := http.StatusOK; status != refused; time.Sleep(20 * time.Millisecond) {
		if status = use(token); status != http.StatusOK && status != refused {
			t.Fatalf("after %v the answer is %d", time.Since(begin), status)
		}
		// A token lives two seconds, plus a leeway of up to ten.
		if time.Since(begin) > 20*time.Second {
			t.Fatal("the token is still taken")
		}
	}
	t.Logf("refused after %v", time.Since(begin))
}

// WantsAnExpiry checks that "-expiry 0s" is refused and does not mean the default.
func WantsAnExpiry(t *testing.T, run Run, args ...string) {
	t.Helper()
	args = append([]string{"-addr", "127.0.0.1:0", "-expiry", "0s"}, args...)
	ctx, stop := context.WithTimeout(t.Context(), slowness*time.Second)
	defer stop()
	err := run(ctx, args, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "a second") {
		t.Errorf("it ended with: %v", err)
	}
}

// IsVerifiedElsewhere checks that a service which only has the program's published keys accepts its
// token. The program's name is its issuer and its audience.
func (p *Program) IsVerifiedElsewhere(t *testing.T, name, token string) {
	t.Helper()
	keys, err := jwk.NewRemote(p.URL+"/.well-known/jwks.json", jwk.RemoteConfig{AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	config := hallpass.VerifierConfig{Issuer: name, Audience: name, Keys: keys}
	verifier, err := hallpass.NewVerifier[struct{}](config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
	if _, err := verifier.Verify(t.Context(), token[:len(token)-4]+"AAAA"); err == nil {
		t.Error("a token of another signature is taken, too")
	}
}

// output allows the program to write while the test reads.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// RefusesForgeries sends some forged tokens of each kind and checks the status.
func RefusesForgeries(t *testing.T, target attack.Target, want int, request func(token string) *http.Request) {
	t.Helper()
	classes := map[string]int{}
	for forgery := range target.Forgeries(t) {
		// White space around a header's value does not belong to it. Tokens that cannot be in a
		// header are skipped.
		if classes[forgery.Class]++; classes[forgery.Class] > 25 || !sendable(forgery.Token) {
			continue
		}
		answer, err := http.DefaultClient.Do(request(forgery.Token))
		if err != nil {
			t.Fatalf("%s: %q: %v", forgery.Class, forgery.Name, err)
		}
		answer.Body.Close()
		tooLong := len(forgery.Token) > http.DefaultMaxHeaderBytes &&
			answer.StatusCode == http.StatusRequestHeaderFieldsTooLarge
		if answer.StatusCode != want && !tooLong {
			t.Errorf("%s: %q was answered by %d, want %d", forgery.Class, forgery.Name, answer.StatusCode, want)
		}
	}
	if len(classes) < 10 {
		t.Errorf("only %d classes of forgeries", len(classes))
	}
}

func sendable(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return token != ""
}
