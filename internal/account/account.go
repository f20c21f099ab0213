// Package account keeps the server's users: their names, passwords, roles and state.
//
// [Accounts.Authenticate] is the only way to log in. It does the same work and gives the same
// answer for an unknown user, a wrong password and a disabled user.
package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/uid"
	"github.com/hallpass-go/hallpass/password"
)

// User is somebody who can log in.
type User struct {
	ID        string
	Username  string   // as typed; no two users have names that differ only in spelling
	Email     string   // empty for none; not verified and not unique
	Roles     []string // sorted, never nil
	Disabled  bool
	CreatedAt time.Time // UTC, to the microsecond
}

// NewUser describes a user to create.
type NewUser struct {
	Username string
	Email    string // empty for none
	Password string
	Roles    []string // nil means only "user"
}

// Changes describes a change of a user. Nil fields stay as they are.
type Changes struct {
	Username *string
	Email    *string // empty for none
	Password *string
	// Proof proves the password that allows the change. If the user has another password by the
	// time the change is written, the error is [ErrCredentials]. Nil if something else allows the
	// change.
	Proof *Proof
}

// Proof says that its holder knew a user's password when it was made. The zero value proves
// nothing.
type Proof struct{ hash string }

// Config configures [New].
type Config struct {
	// DB keeps the users. Required.
	DB *sqldb.DB
	// Passwords hashes and checks passwords. Required.
	Passwords *password.Governor
	// Policy is the policy for new passwords. Defaults to that of package password.
	Policy password.Policy
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Accounts is the users of one database. It is safe for concurrent use, also by several processes.
type Accounts struct {
	db        *sqldb.DB
	passwords *password.Governor
	policy    password.Policy
	now       func() time.Time
	decoys    decoys
}

// New returns the users of a database, and updates the schema of their tables.
func New(ctx context.Context, c Config) (*Accounts, error) {
	if c.DB == nil || c.Passwords == nil {
		return nil, errors.New("opening accounts: DB and Passwords are required")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	files, err := migrationsFor(c.DB.Dialect())
	if err != nil {
		return nil, fmt.Errorf("opening accounts: %w", err)
	}
	if err := c.DB.Migrate(ctx, "account", files); err != nil {
		return nil, fmt.Errorf("opening accounts: %w", err)
	}
	return &Accounts{db: c.DB, passwords: c.Passwords, policy: c.Policy, now: c.Now}, nil
}

// Creation is a checked new user, with the password already hashed.
type Creation struct {
	accounts  *Accounts
	user      User
	key, hash string // of the name and the password
}

// PrepareNew checks a new user. If a field breaks a rule, the error is an [*InvalidError]. If the
// name is taken, it is [ErrUsernameTaken].
func (a *Accounts) PrepareNew(ctx context.Context, n NewUser) (*Creation, error) {
	if n.Roles == nil {
		n.Roles = []string{defaultRole}
	}
	key, nameProblem := newUsername(n.Username)
	roles, rolesProblem := canonicalRoles(n.Roles)
	passwordProblem := a.checkPolicy(n.Password, n.Username, n.Email)
	if err := invalid(nameProblem, checkEmail(n.Email), passwordProblem, rolesProblem); err != nil {
		return nil, err
	}
	// The answer reveals a taken name in any case, so it need not cost a hash. The transaction
	// decides whether the name is still free.
	if _, err := scan(a.db.QueryRow(ctx, selectByKey, key)); err == nil {
		return nil, ErrUsernameTaken
	} else if !errors.Is(err, ErrNotFound) {
		return nil, failure("creating user", err)
	}
	hash, err := a.passwords.Hash(ctx, n.Password)
	if err != nil {
		return nil, fmt.Errorf("creating user: %w", err)
	}
	now := a.now()
	u := User{ID: uid.New(now), Username: n.Username, Email: n.Email, Roles: roles}
	u.CreatedAt = sqldb.Time(sqldb.Micros(now))
	return &Creation{accounts: a, user: u, key: key, hash: hash}, nil
}

// Write adds the user. If several use the same name, in any spelling, one succeeds and the others
// return [ErrUsernameTaken].
func (c *Creation) Write(ctx context.Context) (User, error) {
	u := c.user
	err := c.accounts.db.Write(ctx, func(tx *sqldb.Tx) error {
		if err := takeName(tx, c.key, u.ID, u.CreatedAt); err != nil {
			return err
		}
		_, err := tx.Exec(insertUser, u.ID, u.Username, c.key, u.Email, c.hash, joinRoles(u.Roles),
			isAdmin(u.Roles), sqldb.Micros(u.CreatedAt))
		return err
	})
	if err != nil {
		return User{}, failure("creating user", err)
	}
	return u, nil
}

// Create calls [Accounts.PrepareNew] and [Creation.Write].
func (a *Accounts) Create(ctx context.Context, n NewUser) (User, error) {
	c, err := a.PrepareNew(ctx, n)
	if err != nil {
		return User{}, err
	}
	return c.Write(ctx)
}

// Update is a checked change of a user, with the new password already hashed.
type Update struct {
	Before  User
	Changes Changes // without a name and an address that the user already had

	accounts  *Accounts
	key, hash *string // of the new name and password; nil if unchanged
}

// Prepare checks a change of a user. If a field breaks a rule, the error is an [*InvalidError].
// Other errors include [ErrNotFound].
//
// The caller must check that the change is allowed, and decide what happens to the user's sessions.
func (a *Accounts) Prepare(ctx context.Context, id string, c Changes) (*Update, error) {
	before, err := a.User(ctx, id)
	if err != nil {
		return nil, err
	}
	if c.Username != nil && *c.Username == before.Username {
		c.Username = nil
	}
	if c.Email != nil && *c.Email == before.Email {
		c.Email = nil
	}
	u := &Update{Before: before, Changes: c, accounts: a}
	if u.key, err = a.checkChanges(before, c); err != nil {
		return nil, err
	}
	if c.Password != nil {
		hash, err := a.passwords.Hash(ctx, *c.Password)
		if err != nil {
			return nil, fmt.Errorf("updating user: %w", err)
		}
		u.hash = &hash
	}
	return u, nil
}

// Write writes the update and returns the changed user. Errors are [ErrUsernameTaken],
// [ErrNotFound], [ErrCredentials], [ErrUnchanged] and that of [OnlyIf]. If there is an error, nothing
// changes.
func (u *Update) Write(ctx context.Context) (User, error) {
	id, c := u.Before.ID, u.Changes
	return u.accounts.change(ctx, "updating user", id, func(tx *sqldb.Tx, r record) error {
		if c.Proof != nil && c.Proof.hash != r.passwordHash {
			return ErrCredentials
		}
		if u.key == nil && c.Email == nil && u.hash == nil {
			return ErrUnchanged
		}
		if u.key != nil {
			if err := u.accounts.changeName(tx, id, *u.key); err != nil {
				return err
			}
		}
		_, err := tx.Exec(updateUser, c.Username, u.key, c.Email, u.hash, id)
		return err
	})
}

// Update calls [Accounts.Prepare] and [Update.Write].
func (a *Accounts) Update(ctx context.Context, id string, c Changes) (User, error) {
	u, err := a.Prepare(ctx, id, c)
	if err != nil {
		return User{}, err
	}
	return u.Write(ctx)
}

// checkChanges checks the new name, email and password, and returns the key of the new name, or nil
// if the name stays.
func (a *Accounts) checkChanges(before User, c Changes) (key *string, err error) {
	var problems []*FieldProblem
	if c.Username != nil {
		canonical, problem := newUsername(*c.Username)
		problems = append(problems, problem)
		key, before.Username = &canonical, *c.Username
	}
	if c.Email != nil {
		problems = append(problems, checkEmail(*c.Email))
		before.Email = *c.Email
	}
	if c.Password != nil {
		problems = append(problems, a.checkPolicy(*c.Password, before.Username, before.Email))
	}
	return key, invalid(problems...)
}

// SetRoles replaces a user's roles. Errors are an [*InvalidError], [ErrLastAdmin], [ErrNotFound],
// [ErrUnchanged] and that of [OnlyIf].
func (a *Accounts) SetRoles(ctx context.Context, id string, roles []string) (User, error) {
	roles, problem := canonicalRoles(roles)
	if err := invalid(problem); err != nil {
		return User{}, err
	}
	return a.change(ctx, "setting roles", id, func(tx *sqldb.Tx, r record) error {
		if slices.Equal(roles, r.Roles) {
			return ErrUnchanged
		}
		if isAdmin(roles) == 0 {
			if err := keepAdmin(tx, r); err != nil {
				return err
			}
		}
		_, err := tx.Exec(updateRoles, joinRoles(roles), isAdmin(roles), id)
		return err
	})
}

// SetDisabled disables or enables a user. A disabled user cannot log in. Errors are [ErrLastAdmin],
// [ErrNotFound], [ErrUnchanged] and that of [OnlyIf].
func (a *Accounts) SetDisabled(ctx context.Context, id string, disabled bool) (User, error) {
	return a.change(ctx, "setting whether user is disabled", id, func(tx *sqldb.Tx, r record) error {
		if r.Disabled == disabled {
			return ErrUnchanged
		}
		if disabled {
			if err := keepAdmin(tx, r); err != nil {
				return err
			}
		}
		_, err := tx.Exec(updateDisabled, number(disabled), id)
		return err
	})
}

// Delete removes a user, and returns who that was. Their name is free at once. Errors are
// [ErrLastAdmin], [ErrNotFound] and that of [OnlyIf].
func (a *Accounts) Delete(ctx context.Context, id string) (User, error) {
	var r record
	err := a.db.Write(ctx, func(tx *sqldb.Tx) (err error) {
		if r, err = lockUser(ctx, tx, id); err != nil {
			return err
		}
		if err := keepAdmin(tx, r); err != nil {
			return err
		}
		if _, err := tx.Exec(deletePlacesOf, id); err != nil {
			return err
		}
		_, err = tx.Exec(deleteUser, id)
		return err
	})
	return r.User, failure("deleting user", err)
}

// change runs f on a user in a transaction and returns the user as it is afterwards. If f returns
// [ErrUnchanged], that is as before.
func (a *Accounts) change(ctx context.Context, doing, id string, f func(*sqldb.Tx, record) error) (User, error) {
	var before, after record
	err := a.db.Write(ctx, func(tx *sqldb.Tx) (err error) {
		if before, err = lockUser(ctx, tx, id); err != nil {
			return err
		}
		if err := f(tx, before); err != nil {
			return err
		}
		after, err = scan(tx.QueryRow(selectByID, id))
		return err
	})
	switch {
	case errors.Is(err, ErrUnchanged):
		return before.User, ErrUnchanged
	case err != nil:
		return User{}, failure(doing, err)
	}
	return after.User, nil
}

type conditionKey struct{}

// OnlyIf returns a context in which a user is changed or deleted only if condition returns nil. It gets
// the user as they are in the transaction of the change, which else fails with its error.
func OnlyIf(ctx context.Context, condition func(User) error) context.Context {
	return context.WithValue(ctx, conditionKey{}, condition)
}

// lockUser reads a user whom the transaction changes. The lock keeps the result valid until the commit.
func lockUser(ctx context.Context, tx *sqldb.Tx, id string) (record, error) {
	if err := tx.Lock("user " + id); err != nil {
		return record{}, err
	}
	r, err := scan(tx.QueryRow(selectByID, id))
	if condition, ok := ctx.Value(conditionKey{}).(func(User) error); ok && err == nil {
		err = condition(r.User)
	}
	return r, err
}

// User returns the user with that ID, or [ErrNotFound].
func (a *Accounts) User(ctx context.Context, id string) (User, error) {
	r, err := scan(a.db.QueryRow(ctx, selectByID, id))
	return r.User, failure("reading user", err)
}

// UserByUsername returns the user with that name, in any spelling, or [ErrNotFound].
func (a *Accounts) UserByUsername(ctx context.Context, name string) (User, error) {
	r, err := a.byUsername(ctx, name)
	return r.User, failure("reading user", err)
}

func (a *Accounts) byUsername(ctx context.Context, name string) (record, error) {
	key, problem := canonicalUsername(name)
	if problem != nil {
		return record{}, ErrNotFound
	}
	return scan(a.db.QueryRow(ctx, selectByKey, key))
}

// List returns at most limit users, oldest first (to the millisecond). It starts after the user
// with the ID after; "" asks for the first page.
func (a *Accounts) List(ctx context.Context, after string, limit int) ([]User, error) {
	rows, err := a.db.Query(ctx, selectPage, after, limit)
	if err != nil {
		return nil, failure("listing users", err)
	}
	defer rows.Close()
	users := []User{}
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, failure("listing users", err)
		}
		users = append(users, r.User)
	}
	return users, failure("listing users", rows.Err())
}

// failure converts an error of a transaction or a query to one of this package. All unique keys
// except the name are random, so a duplicate key means a duplicate name.
func failure(doing string, err error) error {
	switch {
	case err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrLastAdmin) || errors.Is(err, ErrCredentials) ||
		errors.Is(err, ErrUsernameTaken):
		return err
	case sqldb.IsUnique(err):
		return ErrUsernameTaken
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

func invalid(problems ...*FieldProblem) error {
	var e InvalidError
	for _, p := range problems {
		if p != nil {
			e.Fields = append(e.Fields, *p)
		}
	}
	if len(e.Fields) == 0 {
		return nil
	}
	return &e
}
