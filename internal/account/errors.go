package account

import (
	"errors"
	"strings"
)

// Errors that callers branch on. Besides them, an error that wraps sqldb.ErrUnavailable says that
// the database could not be asked, and one that wraps password.ErrOverloaded that there are more
// passwords to hash than can be.
var (
	// ErrNotFound says that there is no such user.
	ErrNotFound = errors.New("account: no such user")
	// ErrUsernameTaken says that another user has the name, in this or another spelling, or had it
	// within [NameReserved].
	ErrUsernameTaken = errors.New("account: username taken")
	// ErrLastAdmin says that nobody would be left to administer the server.
	ErrLastAdmin = errors.New("account: the last enabled administrator must stay one")
	// ErrCredentials says that the password is not the user's, or that the user is unknown or
	// disabled.
	ErrCredentials = errors.New("account: wrong username or password")
)

// InvalidError lists everything that is wrong with what somebody asked for. It holds none of the
// values.
type InvalidError struct {
	Fields []FieldProblem
}

// FieldProblem says what is wrong with one field. Code is for programs, Detail for people.
type FieldProblem struct {
	Field  string // "username", "email", "password" or "roles"
	Code   string // "invalid", "invalid_utf8", "too_short", "too_long", "too_common", "too_many", "looks_like_id"
	Detail string
}

// Error names the fields and the codes.
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
