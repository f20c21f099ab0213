package account

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/hallpass-go/hallpass/internal/sqldb"
)

//go:embed migrations
var migrations embed.FS

func migrationsFor(dialect string) (fs.FS, error) { return fs.Sub(migrations, "migrations/"+dialect) }

const selectByID = `
SELECT id, username, email, password_hash, roles, disabled, created_at FROM users WHERE id = ?`

const selectByKey = `
SELECT id, username, email, password_hash, roles, disabled, created_at FROM users WHERE username_key = ?`

const selectPage = `
SELECT id, username, email, password_hash, roles, disabled, created_at FROM users WHERE id > ? ORDER BY id LIMIT ?`

const selectHasOtherAdmin = `
SELECT EXISTS (SELECT 1 FROM users WHERE is_admin = 1 AND disabled = 0 AND id <> ?)`

const insertUser = `
INSERT INTO users (id, username, username_key, email, password_hash, roles, is_admin, disabled, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)`

// NULL leaves a column unchanged.
const updateUser = `
UPDATE users SET username = COALESCE(?, username), username_key = COALESCE(?, username_key),
	email = COALESCE(?, email), password_hash = COALESCE(?, password_hash)
WHERE id = ?`

// Replaces only the hash that was checked, so a password that was changed meanwhile stays.
const updateHash = `UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?`

const updateRoles = `UPDATE users SET roles = ?, is_admin = ? WHERE id = ?`

const updateDisabled = `UPDATE users SET disabled = ? WHERE id = ?`

const deleteUser = `DELETE FROM users WHERE id = ?`

// record is a row of users: a user and the password hash, which never leaves this package.
type record struct {
	User
	passwordHash string
}

// scan reads a row of one of the selects above. It returns [ErrNotFound] if there is no row.
func scan(row interface{ Scan(dest ...any) error }) (record, error) {
	var r record
	var roles string
	var createdAt int64
	err := row.Scan(&r.ID, &r.Username, &r.Email, &r.passwordHash, &roles, &r.Disabled, &createdAt)
	if errors.Is(err, sqldb.ErrNoRows) {
		return record{}, ErrNotFound
	}
	if err != nil {
		return record{}, err
	}
	r.Roles = append([]string{}, strings.Fields(roles)...)
	r.CreatedAt = sqldb.Time(createdAt)
	return r, nil
}

func (r record) administers() bool { return !r.Disabled && slices.Contains(r.Roles, AdminRole) }

// HasAdmin reports whether there is an administrator who can log in.
func (a *Accounts) HasAdmin(ctx context.Context) (bool, error) {
	var has bool
	if err := a.db.QueryRow(ctx, selectHasOtherAdmin, "").Scan(&has); err != nil {
		return false, failure("looking for an administrator", err)
	}
	return has, nil
}

// keepAdmin runs in a transaction that takes administration away from r. It returns [ErrLastAdmin]
// if r is the only administrator. The lock keeps the result valid until the commit.
func keepAdmin(tx *sqldb.Tx, r record) error {
	if !r.administers() {
		return nil
	}
	if err := tx.Lock("administrators"); err != nil {
		return err
	}
	var others bool
	if err := tx.QueryRow(selectHasOtherAdmin, r.ID).Scan(&others); err != nil {
		return err
	}
	if !others {
		return ErrLastAdmin
	}
	return nil
}

func joinRoles(roles []string) string { return strings.Join(roles, " ") }

func isAdmin(roles []string) int { return number(slices.Contains(roles, AdminRole)) }

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
