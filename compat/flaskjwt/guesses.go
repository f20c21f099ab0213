package flaskjwt

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/limit"
)

// authenticate asks the application for the user with this user name and password, unless there
// were too many guesses. A guess counts from its beginning, so parallel or abandoned logins cannot
// exceed the limit.
func (a *Auth[U]) authenticate(r *http.Request, username, password string) (U, *Error) {
	var nobody U
	name := fmt.Sprintf("name %.256s", strings.ToLower(username))
	attempt, err := a.guesses.Login(r.Context(), name, a.c.ClientAddress(r))
	if refused, ok := errors.AsType[*limit.Refused](err); ok {
		return nobody, tooManyGuesses(refused.RetryAfter)
	} else if err != nil {
		return nobody, a.failed(r.Context(), "counting a guess", err)
	}
	user, found, err := a.c.Authenticate(r.Context(), username, password)
	switch {
	case err != nil:
		failed := a.failed(r.Context(), "authenticating", err)
		attempt.Failed(r.Context(), err, failed.StatusCode < http.StatusInternalServerError)
		return nobody, failed
	case !found:
		return nobody, invalidCredentials // the attempt stays counted
	}
	attempt.Succeeded(r.Context())
	return user, nil
}

func tooManyGuesses(wait time.Duration) *Error {
	return &Error{
		Description: "Too many attempts. Wait as long as Retry-After says.",
		Name:        "Too Many Requests", StatusCode: http.StatusTooManyRequests,
		Header: http.Header{"Retry-After": {fmt.Sprint(math.Ceil(wait.Seconds()))}},
	}
}

// connectionAddress is the default of Config.ClientAddress.
func connectionAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
