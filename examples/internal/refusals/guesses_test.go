package refusals_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/examples/internal/refusals"
)

func from(ip string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/login", nil)
	r.RemoteAddr = ip + ":1234"
	return r
}

func answers(err error) func() error { return func() error { return err } }

// untilRefused returns how often check is called before the limit is reached, and the refusal.
func untilRefused(t *testing.T, l refusals.Limit, r *http.Request, check error) (int, error) {
	t.Helper()
	for asked := range 1000 {
		if err := l.Check(r, "ann", answers(check)); errors.Is(err, hallpass.ErrRateLimited) {
			return asked, err
		}
	}
	t.Fatal("never refused")
	return 0, nil
}

func TestCheck_refusesTooManyWrongPasswords(t *testing.T) {
	l := refusals.NewLimit()
	asked, err := untilRefused(t, l, from("192.0.2.1"), hallpass.ErrInvalidCredentials)
	refusal, ok := errors.AsType[*hallpass.Error](err)
	if asked != 10 || !ok || refusal.RetryAfter <= 0 {
		t.Errorf("refused after %d: %v", asked, err)
	}
	err = l.Check(from("192.0.2.2"), "ANN", answers(nil))
	if !errors.Is(err, hallpass.ErrRateLimited) {
		t.Errorf("from another address, in capitals: %v", err)
	}
	if err := l.Check(from("192.0.2.1"), "bob", answers(nil)); err != nil {
		t.Errorf("another account: %v", err)
	}
}

// A login that the client abandons counts as a guess.
func TestCheck_countsWhoHangsUp(t *testing.T) {
	asked, _ := untilRefused(t, refusals.NewLimit(), from("192.0.2.1"), context.Canceled)
	if asked != 10 {
		t.Errorf("refused after %d", asked)
	}
}

// Strangers cannot lock out a user who has logged in before, and the user's logins give strangers
// no more guesses.
func TestCheck_countsAKnownAddressApart(t *testing.T) {
	l := refusals.NewLimit()
	if err := l.Check(from("192.0.2.1"), "ann", answers(nil)); err != nil {
		t.Fatal(err)
	}
	untilRefused(t, l, from("192.0.2.2"), hallpass.ErrInvalidCredentials)
	if err := l.Check(from("192.0.2.1"), "ann", answers(nil)); err != nil {
		t.Errorf("her own address: %v", err)
	}
	err := l.Check(from("192.0.2.2"), "ann", answers(nil))
	if !errors.Is(err, hallpass.ErrRateLimited) {
		t.Errorf("the stranger's, after that: %v", err)
	}
}

func TestCheck_refusesAnAddressThatTriesManyAccounts(t *testing.T) {
	l, wrong := refusals.NewLimit(), answers(hallpass.ErrInvalidCredentials)
	for n := range 100 {
		err := l.Check(from("192.0.2.1"), fmt.Sprint("user ", n), wrong)
		if !errors.Is(err, hallpass.ErrInvalidCredentials) {
			t.Fatalf("guess %d: %v", n, err)
		}
	}
	err := l.Check(from("192.0.2.1"), "ann", answers(nil))
	if !errors.Is(err, hallpass.ErrRateLimited) {
		t.Errorf("the guess after them: %v", err)
	}
}
