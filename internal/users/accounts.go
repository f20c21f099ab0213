package users

import (
	"context"

	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/password"
)

// The packages below define what callers of this one pass and get. They need to import this one only.
type (
	// Accounts are the users as they are stored. Only [Service] changes them, because it also ends
	// their sessions.
	Accounts       = account.Accounts
	AccountsConfig = account.Config
	User           = account.User
	NewUser        = account.NewUser
	Changes        = account.Changes
	// InvalidError lists everything that is wrong with a request.
	InvalidError = account.InvalidError
	// OverloadedError says that too many passwords are waiting to be hashed.
	OverloadedError = password.OverloadedError
)

// AdminRole is the only role that has a meaning to the server: its users administer the server.
const AdminRole = account.AdminRole

// Errors of [Accounts], which the methods of [Service] return too.
var (
	ErrNotFound      = account.ErrNotFound
	ErrUnchanged     = account.ErrUnchanged // of Accounts only
	ErrUsernameTaken = account.ErrUsernameTaken
	ErrLastAdmin     = account.ErrLastAdmin
	ErrCredentials   = account.ErrCredentials
	ErrUnavailable   = account.ErrUnavailable
)

// OpenAccounts opens the users of a database, and updates the schema of their tables.
func OpenAccounts(ctx context.Context, c AccountsConfig) (*Accounts, error) {
	return account.New(ctx, c)
}
