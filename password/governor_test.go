package password_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/password"
)

func newGovernor(t testing.TB, c password.GovernorConfig) *password.Governor {
	t.Helper()
	g, err := password.NewGovernor(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestNewGovernor_namesEveryMistake(t *testing.T) {
	_, err := password.NewGovernor(
		password.GovernorConfig{Workers: -1, MaxWait: -1, Params: password.Params{Lanes: 9}},
	)
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 3 || !errors.Is(err, password.ErrCosts) {
		t.Errorf("error %v", err)
	}
}

func TestGovernor_answersAsThePackageDoes(t *testing.T) {
	g := newGovernor(t, password.GovernorConfig{Params: cheap})
	encoded, err := g.Hash(t.Context(), "p")
	if err != nil || password.NeedsRehash(encoded, cheap) {
		t.Fatalf("hash %q, %v", encoded, err)
	}
	if err := g.Check(t.Context(), encoded, "p"); err != nil {
		t.Errorf("the password: %v", err)
	}
	if err := g.Check(t.Context(), encoded, "q"); !errors.Is(err, password.ErrMismatch) {
		t.Errorf("another password: %v", err)
	}
	if err := g.CheckDummy(t.Context(), "p"); !errors.Is(err, password.ErrMismatch) {
		t.Errorf("no user: %v", err)
	}
	if err := g.Check(t.Context(), "$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$AAAA", "p"); !errors.Is(
		err,
		password.ErrMalformed,
	) {
		t.Errorf("a memory bomb: %v", err)
	}
	if err := g.Check(t.Context(), "plain", "plain"); !errors.Is(err, password.ErrUnknownFormat) {
		t.Errorf("no hash: %v", err)
	}
}

// Everybody who comes in a storm gets an answer: a true one, or within moments word to come again.
func TestGovernor_storm(t *testing.T) {
	const maxWait = 300 * time.Millisecond
	g := newGovernor(t, password.GovernorConfig{Workers: 1, MaxWait: maxWait})
	encoded := mustHash(t, password.Params{}, "right")
	type answer struct {
		err  error
		took time.Duration
	}
	answers := make(chan answer, 400)
	for range cap(answers) {
		go func() {
			start := time.Now()
			err := g.Check(context.Background(), encoded, "right")
			answers <- answer{err, time.Since(start)}
		}()
	}
	var good int
	var away []time.Duration
	for range cap(answers) {
		a := <-answers
		var overloaded *password.OverloadedError
		switch {
		case a.err == nil:
			good++
		case errors.As(a.err, &overloaded) && overloaded.RetryAfter >= time.Second:
			away = append(away, a.took)
		default:
			t.Errorf("error %v", a.err)
		}
	}
	if good == 0 || len(away) < 300 {
		t.Fatalf("%d were checked and %d turned away", good, len(away))
	}
	slices.Sort(away)
	if median := away[len(away)/2]; median > 50*time.Millisecond {
		t.Errorf("half of those turned away had waited %v", median)
	}
	if s := g.Stats(); s.Shed != uint64(len(away)) || s.Queued != 0 {
		t.Errorf("%d were turned away: %+v", len(away), s)
	}
	t.Logf("%d checked, %d turned away, after %v in the median", good, len(away), away[len(away)/2])
}

// requests does what a server does beside logins: 1000 times a second it wakes and verifies a
// signature, for a second. It returns how long after its time each was answered, sorted.
func requests() []time.Duration {
	const clients, each = 20, 50
	public, private, _ := ed25519.GenerateKey(nil)
	message := []byte("a token")
	signature := ed25519.Sign(private, message)
	late := make(chan time.Duration, clients*each)
	var all sync.WaitGroup
	begin := time.Now()
	for c := range clients {
		all.Go(func() {
			for i := range each {
				due := begin.Add(time.Duration(i*clients+c) * time.Millisecond)
				time.Sleep(time.Until(due))
				ed25519.Verify(public, message, signature)
				late <- time.Since(due)
			}
		})
	}
	all.Wait()
	close(late)
	var sorted []time.Duration
	for d := range late {
		sorted = append(sorted, d)
	}
	slices.Sort(sorted)
	return sorted
}

// under keeps 24 logins going, each as soon as the one before it is answered, while requests runs.
func under(login func()) []time.Duration {
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 24 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					login()
				}
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	late := requests()
	close(stop)
	all.Wait()
	return late
}

// Logins that take all the machine has do not slow down what else it does.
func TestGovernor_requestsStayFastBesideIt(t *testing.T) {
	g := newGovernor(t, password.GovernorConfig{})
	encoded := mustHash(t, password.Params{}, "right")
	calm := requests()
	plain := under(func() { _ = password.Check(encoded, "wrong") })
	governed := under(func() { _ = g.Check(context.Background(), encoded, "wrong") })
	for _, r := range []struct {
		name string
		late []time.Duration
	}{{"no logins", calm}, {"plain goroutines", plain}, {"governor", governed}} {
		n := len(r.late)
		t.Logf("%-16s p50 %8v  p99 %8v", r.name, r.late[n/2].Round(time.Microsecond),
			r.late[n*99/100].Round(time.Microsecond))
	}
	ratio := float64(plain[len(plain)/2]) / float64(governed[len(governed)/2])
	t.Logf("plain goroutines / governor: %.0f", ratio)
	if ratio < 3 {
		t.Errorf("beside a governor requests are only %.1f times as fast as beside plain goroutines", ratio)
	}
}
