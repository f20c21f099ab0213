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
	"strings"
	"unicode"

	_ "modernc.org/sqlite"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/examples/internal/refusals"
	"github.com/hallpass-go/hallpass/password"
)

// users is a table of names and roles. Anybody may log in and register, so hashing is limited.
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
	_, err = db.ExecContext(
		ctx,
		"CREATE TABLE IF NOT EXISTS users (username TEXT PRIMARY KEY, password TEXT NOT NULL, role TEXT NOT NULL)",
	)
	if err != nil {
		return nil, err
	}
	hashes, err := password.NewGovernor(password.GovernorConfig{})
	return &users{db, hashes}, err
}

type credentials struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

var errTaken = errors.New("the name is taken")

func (u *users) any(ctx context.Context) (some bool, err error) {
	err = u.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM users)").Scan(&some)
	return some, err
}

func (u *users) add(ctx context.Context, c credentials, role string) error {
	if len(c.Username) > 200 || strings.ContainsFunc(c.Username, unicode.IsControl) {
		return hallpass.ErrValidation.WithDetail(
			"a username has at most 200 bytes and no control characters, or no token could name it",
		)
	}
	hash, err := u.hashes.Hash(ctx, c.Password)
	if err != nil {
		return refusal(err)
	}
	_, err = u.ExecContext(ctx, "INSERT INTO users (username, password, role) VALUES (?, ?, ?)",
		c.Username, hash, role)
	if err != nil && strings.Contains(err.Error(), "UNIQUE") {
		return errTaken
	}
	return err
}

// authenticate takes as long for an unknown name as for a wrong password, and gives the same
// answer.
func (u *users) authenticate(ctx context.Context, login hallpass.Login) (string, error) {
	var hash string
	row := u.QueryRowContext(ctx, "SELECT password FROM users WHERE username = ?", login.Username)
	err := row.Scan(&hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		err = u.hashes.CheckDummy(ctx, login.Password)
	case err == nil:
		err = u.hashes.Check(ctx, hash, login.Password)
	}
	return login.Username, refusal(err)
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

func (u *users) role(ctx context.Context, username string) (role string, err error) {
	err = u.QueryRowContext(ctx, "SELECT role FROM users WHERE username = ?", username).Scan(&role)
	if errors.Is(err, sql.ErrNoRows) {
		err = hallpass.ErrSubjectDisabled
	}
	return role, err
}

// wire writes refusals like the tutorial.
type wire struct{ hallpass.Problem }

func (wire) WriteError(w http.ResponseWriter, _ *http.Request, e *hallpass.Error) {
	body := map[string]any{"message": refusals.Detail(e)}
	switch {
	case errors.Is(e, hallpass.ErrInvalidCredentials):
		body["message"] = "Bad username or password"
	case e.Status == http.StatusForbidden:
		body["message"] = "Unauthorized access"
	case e.Fields != nil:
		body["errors"] = e.Fields
	}
	if e.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
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
