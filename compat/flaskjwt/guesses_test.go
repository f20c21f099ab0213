package flaskjwt_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/compat/flaskjwt"
)

// logIn logs in from an address and returns the answer.
func logIn(auth *flaskjwt.Auth[user], address, name, password string) *httptest.ResponseRecorder {
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, name, password)
	request := httptest.NewRequest(http.MethodPost, "/auth", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	request.RemoteAddr = address + ":1234"
	response := httptest.NewRecorder()
	auth.Login().ServeHTTP(response, request)
	return response
}

// untilRefused returns how many wrong passwords are checked before the first refusal.
func untilRefused(t *testing.T, auth *flaskjwt.Auth[user], address, name string) int {
	t.Helper()
	for looked := range 1000 {
		if logIn(auth, address, name, "wrong").Code == http.StatusTooManyRequests {
			return looked
		}
	}
	t.Fatal("never refused")
	return 0
}

func TestLogin_refusesTooManyWrongPasswords(t *testing.T) {
	auth := newAuth(t, config())
	if looked := untilRefused(t, auth, "192.0.2.1", "joe"); looked != 10 {
		t.Errorf("refused after %d", looked)
	}
	refused := logIn(auth, "192.0.2.2", "JOE", "pass")
	if refused.Code != http.StatusTooManyRequests || refused.Header().Get("Retry-After") == "" {
		t.Errorf("from another address, in capitals: %d %v", refused.Code, refused.Header())
	}
	if got := logIn(auth, "192.0.2.1", "ann", "pass").Code; got != http.StatusUnauthorized {
		t.Errorf("another name: %d", got)
	}
}

// Strangers cannot lock out a user who logged in before, and the user's logins give strangers no
// more guesses.
func TestLogin_countsAKnownAddressApart(t *testing.T) {
	auth := newAuth(t, config())
	logIn(auth, "192.0.2.1", "joe", "pass")
	untilRefused(t, auth, "192.0.2.2", "joe")
	if got := logIn(auth, "192.0.2.1", "joe", "pass").Code; got != http.StatusOK {
		t.Errorf("joe's own address: %d", got)
	}
	if got := logIn(auth, "192.0.2.2", "joe", "pass").Code; got != http.StatusTooManyRequests {
		t.Errorf("the stranger's, after that: %d", got)
	}
}

// A password was checked if the client hung up or if the handler returned 401 itself, but not if
// the server was busy.
func TestLogin_countsEachPasswordThatIsLookedAt(t *testing.T) {
	busy := &flaskjwt.Error{Name: "Busy", StatusCode: http.StatusServiceUnavailable}
	for name, row := range map[string]struct {
		err     error
		counted bool
	}{
		"hung up":   {context.Canceled, true},
		"own words": {&flaskjwt.Error{Name: "No", Description: "No"}, true},
		"busy":      {busy, false},
	} {
		c := config()
		c.Authenticate = func(context.Context, string, string) (user, bool, error) {
			return user{}, false, row.err
		}
		auth := newAuth(t, c)
		for range 10 {
			logIn(auth, "192.0.2.1", "joe", "x")
		}
		refused := logIn(auth, "192.0.2.1", "joe", "x").Code == http.StatusTooManyRequests
		if refused != row.counted {
			t.Errorf("%s: counted %v", name, refused)
		}
	}
}

func TestLogin_limitsAreSettings(t *testing.T) {
	c := config()
	c.GuessesPerAccount, c.GuessesPerAddress = -1, 30
	c.ClientAddress = func(*http.Request) string { return "198.51.100.1" }
	if looked := untilRefused(t, newAuth(t, c), "192.0.2.1", "joe"); looked != 30 {
		t.Errorf("refused after %d", looked)
	}
	auth := newAuth(t, c)
	for n := range 30 {
		logIn(auth, fmt.Sprintf("192.0.2.%d", n), "joe", "wrong")
	}
	if got := logIn(auth, "192.0.2.99", "joe", "pass").Code; got != http.StatusTooManyRequests {
		t.Errorf("the address is not asked for: %d", got)
	}
}
