package account

import (
	"errors"
	"strings"

	"github.com/hallpass-go/hallpass/internal/sqldb"
)

// Errors that callers check for. In addition, an error that wraps password.ErrOverloaded says that
// too many passwords are waiting to be hashed.
var (
	// ErrNotFound says that there is no such user.
	ErrNotFound = errors.New("account: no such user")
	// ErrUsernameTaken says that another user has the name, in any spelling, or had it within
	// [NameReserved].
	ErrUsernameTaken = errors.New("account: username taken")
	// ErrLastAdmin says that the change would leave no administrator.
	ErrLastAdmin = errors.New("account: the last enabled administrator must stay one")
	// ErrCredentials says that the password is wrong, or that the user is unknown or disabled.
	ErrCredentials = errors.New("account: wrong username or password")
	// ErrUnchanged says that a change would change nothing.
	ErrUnchanged = errors.New("account: the user is like that already")
	// ErrUnavailable says that the database could not be reached.
	ErrUnavailable = sqldb.ErrUnavailable
)

// InvalidError lists everything that is wrong with a request. It contains none of its values.
type InvalidError struct {
	Fields []FieldProblem
}

// FieldProblem says what is wrong with one field. Code is for programs, Detail for people.
type FieldProblem struct {
	Field string // "username", "email", "password" or "roles"
	// Code is "invalid", "too_short", "too_long", "too_many", "looks_like_id", or what
	// password.PolicyError has as its Reason.
	Code   string
	Detail string
}

// Error lists the fields and codes.
func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("account: invalid")
	for i, f := range e.Fields {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(" " + f.Field + " (" + f.Code + ")")
	}
	return b.String()
}
