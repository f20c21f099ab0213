package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"

	_ "modernc.org/sqlite"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/examples/internal/refusals"
	"github.com/hallpass-go/hallpass/password"
)

// users is the table of parts 1 and 2 of the tutorial. IDs are never reused. Anybody may log in and
// sign up, so hashing is limited.
type users struct {
	*sql.DB
	hashes *password.Governor
}

func openUsers(ctx context.Context, file string) (*users, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600) // SQLite would let everybody read it
	if err != nil {
		return nil, err
	}
	f.Close()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)")
	if err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS user (
		id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE,
		password TEXT NOT NULL, password_version INTEGER NOT NULL DEFAULT 1)`)
	if err != nil {
		return nil, err
	}
	if err := addVersions(ctx, db); err != nil {
		return nil, err
	}
	hashes, err := password.NewGovernor(password.GovernorConfig{})
	return &users{db, hashes}, err
}

// addVersions updates a table from before passwords had versions.
func addVersions(ctx context.Context, db *sql.DB) error {
	const column = "SELECT count(*) FROM pragma_table_info('user') WHERE name = 'password_version'"
	var there bool
	err := db.QueryRowContext(ctx, column).Scan(&there)
	if err == nil && !there {
		_, err = db.ExecContext(ctx,
			"ALTER TABLE user ADD COLUMN password_version INTEGER NOT NULL DEFAULT 1")
	}
	return err
}

type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

type newUser struct {
	Name     string `json:"name"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

type user struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// authenticate takes as long for an unknown address as for a wrong password, and gives the same
// answer.
func (u *users) authenticate(ctx context.Context, login credentials) (who claims, err error) {
	var hash string
	row := u.QueryRowContext(ctx,
		"SELECT id, password_version, password FROM user WHERE email = ?", login.Email)
	err = row.Scan(&who.ID, &who.PasswordVersion, &hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		err = u.hashes.CheckDummy(ctx, login.Password)
	case err == nil:
		err = u.hashes.Check(ctx, hash, login.Password)
	}
	return who, refusal(err)
}

// refusal converts errors of the governor to those that clients see.
func refusal(err error) error {
	switch {
	case errors.Is(err, password.ErrMismatch):
		return hallpass.ErrInvalidCredentials
	case errors.Is(err, password.ErrOverloaded):
		return hallpass.ErrOverloaded
	}
	return err
}

// claims returns a user's current claims.
func (u *users) claims(ctx context.Context, id string) (of claims, err error) {
	row := u.QueryRowContext(ctx, "SELECT id, password_version FROM user WHERE id = ?", id)
	err = row.Scan(&of.ID, &of.PasswordVersion)
	if errors.Is(err, sql.ErrNoRows) {
		err = hallpass.ErrSubjectDisabled
	}
	return of, err
}

// current returns ErrTokenRevoked if the user no longer exists or has changed the password.
func (u *users) current(ctx context.Context, c claims) error {
	row := u.QueryRowContext(ctx,
		"SELECT id FROM user WHERE id = ? AND password_version = ?", c.ID, c.PasswordVersion)
	return goneIfNone(row.Scan(&c.ID))
}

func goneIfNone(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return hallpass.ErrTokenRevoked.Because(err)
	}
	return err
}

func (a *api) create(w http.ResponseWriter, r *http.Request) {
	a.save(w, r, http.StatusCreated, func(ctx context.Context, u newUser, hash string) (user, error) {
		return a.users.one(ctx,
			"INSERT INTO user (name, email, password) VALUES (?, ?, ?) RETURNING id, name, email",
			u.Name, u.Email, hash)
	})
}

func (a *api) update(w http.ResponseWriter, r *http.Request, id identity) {
	a.save(w, r, http.StatusOK, func(ctx context.Context, u newUser, hash string) (user, error) {
		// The version is compared in the write itself, since the password may have changed after
		// the token was checked.
		saved, err := a.users.one(ctx, `
			UPDATE user
			SET name = ?, email = ?, password = ?, password_version = password_version + 1
			WHERE id = ? AND password_version = ? RETURNING id, name, email`,
			u.Name, u.Email, hash, id.Custom.ID, id.Custom.PasswordVersion)
		return saved, goneIfNone(err)
	})
}

// one runs a statement that returns one user.
func (u *users) one(ctx context.Context, statement string, args ...any) (saved user, err error) {
	err = u.QueryRowContext(ctx, statement, args...).Scan(&saved.ID, &saved.Name, &saved.Email)
	return saved, err
}

func (a *api) save(
	w http.ResponseWriter,
	r *http.Request,
	status int,
	write func(context.Context, newUser, string) (user, error),
) {
	var body newUser
	if err := hallpass.ReadJSON(w, r, &body); err != nil {
		a.auth.WriteError(w, r, err)
		return
	}
	if body.Email == "" || body.Password == "" {
		a.auth.WriteError(w, r, hallpass.ErrValidation.WithDetail("email and password are required"))
		return
	}
	hash, err := a.users.hashes.Hash(r.Context(), body.Password)
	if err != nil {
		a.auth.WriteError(w, r, refusal(err))
		return
	}
	saved, err := write(r.Context(), body, hash)
	switch {
	case err != nil && strings.Contains(err.Error(), "UNIQUE"):
		writeJSON(w, http.StatusConflict, map[string]string{"error": "Email already exists"})
	case err != nil:
		a.auth.WriteError(w, r, err)
	default:
		writeJSON(w, status, saved)
	}
}

func (a *api) list(w http.ResponseWriter, r *http.Request, _ identity) {
	rows, err := a.users.QueryContext(r.Context(), "SELECT id, name, email FROM user ORDER BY id LIMIT 1000")
	if err != nil {
		a.auth.WriteError(w, r, err)
		return
	}
	defer rows.Close()
	list := []user{}
	for rows.Next() {
		var u user
		if err := rows.Scan(&u.ID, &u.Name, &u.Email); err != nil {
			a.auth.WriteError(w, r, err)
			return
		}
		list = append(list, u)
	}
	if err := rows.Err(); err != nil {
		a.auth.WriteError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, list)
}

func (a *api) show(w http.ResponseWriter, r *http.Request, _ identity) {
	var u user
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err == nil {
		err = a.users.QueryRowContext(r.Context(), "SELECT id, name, email FROM user WHERE id = ?", id).
			Scan(&u.ID, &u.Name, &u.Email)
	}
	if err != nil {
		a.auth.WriteError(w, r, hallpass.ErrNotFound.Because(err))
		return
	}
	writeJSON(w, http.StatusOK, u)
}

func (a *api) remove(w http.ResponseWriter, r *http.Request, id identity) {
	_, err := a.users.one(r.Context(),
		"DELETE FROM user WHERE id = ? AND password_version = ? RETURNING id, name, email",
		id.Custom.ID, id.Custom.PasswordVersion)
	if err := goneIfNone(err); err != nil {
		a.auth.WriteError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"message": "User deleted"})
}

// wire writes refusals like the tutorial.
type wire struct{ hallpass.Problem }

func (wire) WriteError(w http.ResponseWriter, _ *http.Request, e *hallpass.Error) {
	body := map[string]any{"error": refusals.Detail(e)}
	switch {
	case errors.Is(e, hallpass.ErrInvalidCredentials):
		// Use one text for both, to not reveal who has an account.
		body["error"] = "Incorrect email or password"
	case e.Status == http.StatusUnauthorized:
		body["error"] = "Authentication failed"
	case e.Status == http.StatusForbidden:
		body["error"] = "Permission denied"
	case e.Fields != nil:
		body["errors"] = e.Fields
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(math.Ceil(e.RetryAfter.Seconds())))
	}
	writeJSON(w, e.Status, body)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
