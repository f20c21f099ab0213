package refusals

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/limit"
)

// Limit limits guesses of passwords at those logins of the examples that read credentials in their
// own way; for the login of [hallpass.Auth.Mount] the library does this. It counts in memory and is
// safe for concurrent use.
type Limit struct{ guard *limit.Guard }

// NewLimit returns a limit like the library's default: ten wrong passwords per minute for an account,
// and a hundred for an address. For each account, addresses that have logged in before are counted
// separately, so strangers lock nobody out.
func NewLimit() Limit {
	return Limit{limit.InMemory(limit.PerMinute(0, 10), limit.PerMinute(0, 100), time.Now)}
}

// Check calls check, which checks an account's password and returns
// [hallpass.ErrInvalidCredentials] if it is wrong. After too many wrong passwords, Check returns
// [hallpass.ErrRateLimited] instead, with the time to wait. A guess counts from its beginning, so
// parallel or abandoned logins cannot exceed the limit. A correct password does not count.
func (l Limit) Check(r *http.Request, account string, check func() error) error {
	name := fmt.Sprintf("name %.256s", strings.ToLower(account))
	attempt, err := l.guard.Login(r.Context(), name, hallpass.ClientOf(r).IP)
	if refused, ok := errors.AsType[*limit.Refused](err); ok {
		tooMany := *hallpass.ErrRateLimited
		tooMany.RetryAfter = refused.RetryAfter
		return &tooMany
	} else if err != nil {
		return err
	}
	if err := check(); err != nil {
		attempt.Failed(r.Context(), err, errors.Is(err, hallpass.ErrInvalidCredentials))
		return err
	}
	attempt.Succeeded(r.Context())
	return nil
}
