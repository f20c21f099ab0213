package account

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/uid"
	"github.com/hallpass-go/hallpass/password"
)

const selectImported = `SELECT EXISTS (SELECT 1 FROM users WHERE imported = ? AND imported <> '')`

const selectKeyTaken = `SELECT EXISTS (SELECT 1 FROM users WHERE username_key = ?)`

const insertImported = `
INSERT INTO users (id, username, username_key, email, password_hash, roles, is_admin, disabled, created_at, imported)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// ImportedUser is a user of another system.
type ImportedUser struct {
	Row          int // in the file, for [DuplicateError]; each has another
	Username     string
	Email        string   // empty for none
	PasswordHash string   // in a format that package password reads
	Roles        []string // nil means only "user"
	Disabled     bool
	CreatedAt    time.Time // zero means now
}

// Imported says what became of an [ImportedUser].
type Imported struct {
	User    User   // the new user, if there is one
	Format  string // of the hash, as password.Format names it; empty if it is not known
	Already bool   // an earlier import made this user, and nothing changed
	// Err is why there is no such user: an [*InvalidError], [ErrUsernameTaken] or a
	// [*DuplicateError].
	Err error
}

// DuplicateError says that two rows of one import have the same name, in any spelling.
type DuplicateError struct{ Row int } // the first of them

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("account: row %d has this name", e.Row)
}

// ImportConfig configures an [Import].
type ImportConfig struct {
	// DryRun undoes each batch after everything has been tried.
	DryRun bool
	// AllowAdmins lets rows make administrators. Without it they are refused.
	AllowAdmins bool
}

// Import takes over users from another system. It is for one goroutine.
type Import struct {
	accounts *Accounts
	config   ImportConfig
	rows     map[[16]byte]int // by a digest of the key of the name: which row had it
}

// Import returns an import.
func (a *Accounts) Import(c ImportConfig) *Import {
	return &Import{accounts: a, config: c, rows: map[[16]byte]int{}}
}

// IsDryRun reports whether the import makes no users.
func (i *Import) IsDryRun() bool { return i.config.DryRun }

// newcomer is a user who was checked, with what the row needs beside.
type newcomer struct {
	user         User
	key, digest  string
	passwordHash string
}

// errUndo ends the transaction of a dry run.
var errUndo = errors.New("account: undoing a dry run")

// Add adds users in one transaction, which is that of ctx if it has one: either all of the batch that
// can be added, or, if there is an error, none. A dry run needs a transaction of its own. It returns
// what became of each. Who has been imported before from an equal row stays as they are now, even if
// they have another name or password since.
func (i *Import) Add(ctx context.Context, batch []ImportedUser) ([]Imported, error) {
	checked := make([]newcomer, len(batch))
	first := make([]Imported, len(batch))
	for n, user := range batch {
		checked[n], first[n] = i.check(user)
	}
	if len(batch) == 0 {
		return nil, nil
	}
	var results []Imported
	var rows map[[16]byte]int
	err := i.accounts.db.Write(ctx, func(tx *sqldb.Tx) error {
		results, rows = slices.Clone(first), map[[16]byte]int{} // Write may call this again
		for n := range results {
			if results[n].Err != nil {
				continue
			}
			if err := i.add(tx, batch[n].Row, checked[n], &results[n], rows); err != nil {
				return err
			}
		}
		if i.config.DryRun {
			return errUndo
		}
		return nil
	})
	if err != nil && !errors.Is(err, errUndo) {
		return nil, failure("importing users", err)
	}
	for key, row := range rows {
		i.rows[key] = row
	}
	return results, nil
}

// add adds one user, unless an earlier import did, or somebody has the name.
func (i *Import) add(tx *sqldb.Tx, row int, c newcomer, result *Imported, rows map[[16]byte]int) error {
	name := sha256.Sum256([]byte(c.key))
	short := [16]byte(name[:])
	for _, seen := range []map[[16]byte]int{i.rows, rows} {
		if other, again := seen[short]; again && other != row { // its own, if a transaction is tried again
			result.Err = &DuplicateError{Row: other}
			return nil
		}
	}
	if err := tx.QueryRow(selectImported, c.digest).Scan(&result.Already); err != nil {
		return err
	}
	if result.Already {
		rows[short] = row
		return nil
	}
	var taken bool
	if err := tx.QueryRow(selectKeyTaken, c.key).Scan(&taken); err != nil {
		return err
	}
	if taken {
		result.Err = ErrUsernameTaken
		return nil
	}
	u := c.user
	if err := takeName(tx, c.key, u.ID, i.accounts.now()); errors.Is(err, ErrUsernameTaken) {
		result.Err = err
		return nil
	} else if err != nil {
		return err
	}
	_, err := tx.Exec(insertImported, u.ID, u.Username, c.key, u.Email, c.passwordHash, joinRoles(u.Roles),
		isAdmin(u.Roles), number(u.Disabled), sqldb.Micros(u.CreatedAt), c.digest)
	result.User = u
	rows[short] = row
	return err
}

// check checks all fields of a user, and does no work on the hash.
func (i *Import) check(n ImportedUser) (newcomer, Imported) {
	if n.Roles == nil {
		n.Roles = []string{defaultRole}
	}
	now := i.accounts.now()
	key, nameProblem := newUsername(n.Username)
	roles, rolesProblem := canonicalRoles(n.Roles)
	if rolesProblem == nil && !i.config.AllowAdmins && slices.Contains(roles, AdminRole) {
		const detail = "An import makes administrators only if it is asked to: --allow-admins."
		rolesProblem = &FieldProblem{Field: "roles", Code: "admin", Detail: detail}
	}
	format, hashProblem := checkHash(n.PasswordHash)
	result := Imported{Format: format}
	result.Err = invalid(nameProblem, checkEmail(n.Email), hashProblem, rolesProblem, checkCreatedAt(n.CreatedAt, now))
	if result.Err != nil {
		return newcomer{}, result
	}
	if n.CreatedAt.IsZero() {
		n.CreatedAt = now
	}
	created := sqldb.Time(sqldb.Micros(n.CreatedAt))
	return newcomer{
		key: key, digest: digest(key, n, roles), passwordHash: n.PasswordHash,
		user: User{ID: uid.New(created), Username: n.Username, Email: n.Email, Roles: roles,
			Disabled: n.Disabled, CreatedAt: created},
	}, result
}

// checkHash returns the format of a hash, or what is wrong with it, without any of it.
func checkHash(hash string) (format string, problem *FieldProblem) {
	format, err := password.Format(hash)
	switch {
	case err == nil:
		return format, nil
	case hash == "" || strings.HasPrefix(hash, "!"):
		problem = &FieldProblem{Code: "missing", Detail: "There is no hash of a password."}
	case errors.Is(err, password.ErrUnknownFormat):
		problem = &FieldProblem{Code: "unknown_format", Detail: "The hash is of no format that can be checked."}
	default:
		detail := strings.TrimPrefix(err.Error(), password.ErrMalformed.Error()+": ")
		detail = "The hash is not well-formed, or costs too much: " + detail + "."
		problem = &FieldProblem{Code: "malformed", Detail: detail}
	}
	problem.Field = "password"
	return "", problem
}

func checkCreatedAt(at, now time.Time) *FieldProblem {
	if at.IsZero() || at.Unix() >= 0 && !at.After(now) {
		return nil
	}
	return &FieldProblem{Field: "created_at", Code: "invalid", Detail: "The time is before 1970 or in the future."}
}

// digest is what tells an equal row. The hash in it is what nobody else has: it holds the salt.
func digest(key string, n ImportedUser, roles []string) string {
	h := sha256.New()
	for _, field := range []string{key, n.Email, n.PasswordHash, joinRoles(roles), fmt.Sprint(n.Disabled)} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(field))))
		h.Write([]byte(field))
	}
	return hex.EncodeToString(h.Sum(nil))
}
