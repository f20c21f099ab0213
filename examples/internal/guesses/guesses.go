// Package guesses bounds how often passwords may be guessed at the examples' logins, which read
// credentials in ways of their own. Where the login is that of [hallpass.Auth.Mount], the library
// does it.
package guesses

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/guess"
	"github.com/hallpass-go/hallpass/internal/limit"
)

// Limit counts wrong passwords, in memory. It is safe for concurrent use.
type Limit struct{ guard *guess.Guard }

// New returns the limit that the library has by default: ten wrong passwords a minute for an
// account, and a hundred from an address. An address from which an account was logged in to before
// is counted apart for it, so that strangers keep nobody out.
func New() Limit {
	account := limit.Rate{Burst: 10, Per: time.Minute}
	address := limit.Rate{Burst: 100, Per: time.Minute}
	return Limit{guess.New(account, address, time.Now)}
}

// Check calls check, which looks at an account's password and returns
// [hallpass.ErrInvalidCredentials] for a wrong one. After too many of those it returns
// [hallpass.ErrRateLimited] instead, with when to come again. A guess counts from when it begins:
// neither many at once nor hanging up overruns the limit. One that was right is given back.
func (l Limit) Check(r *http.Request, account string, check func() error) error {
	name := fmt.Sprintf("name %.256s", strings.ToLower(account))
	attempt, refused := l.guard.Login(name, hallpass.ClientOf(r).IP)
	if refused != nil {
		tooMany := *hallpass.ErrRateLimited
		tooMany.RetryAfter = refused.RetryAfter
		return &tooMany
	}
	if err := check(); err != nil {
		attempt.Failed(err, errors.Is(err, hallpass.ErrInvalidCredentials))
		return err
	}
	attempt.Succeeded()
	return nil
}
