package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"

	_ "modernc.org/sqlite"

	"github.com/hallpass-go/hallpass/compat/flaskjwt"
	"github.com/hallpass-go/hallpass/password"
)

// users is the chapter's table. IDs are never reused. Anybody may log in and sign up, so hashing is
// limited.
type users struct {
	*sql.DB
	hashes *password.Governor
}

type user struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
}

type credentials struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

var errTaken = errors.New("the name is taken")

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
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS users (
		id INTEGER PRIMARY KEY AUTOINCREMENT, username TEXT NOT NULL UNIQUE, password TEXT NOT NULL)`)
	hashes, governorErr := password.NewGovernor(password.GovernorConfig{})
	return &users{db, hashes}, errors.Join(err, governorErr)
}

// authenticate takes as long for an unknown name as for a wrong password.
func (u *users) authenticate(ctx context.Context, username, secret string) (found user, ok bool, err error) {
	var hash string
	row := u.QueryRowContext(ctx, "SELECT id, username, password FROM users WHERE username = ?", username)
	err = row.Scan(&found.ID, &found.Username, &hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		err = u.hashes.CheckDummy(ctx, secret)
	case err == nil:
		err = u.hashes.Check(ctx, hash, secret)
	}
	switch {
	case errors.Is(err, password.ErrMismatch):
		return user{}, false, nil
	case errors.Is(err, password.ErrOverloaded):
		return user{}, false, &flaskjwt.Error{
			Name: "Service Unavailable", Description: "Try again later", StatusCode: http.StatusServiceUnavailable,
			Header: http.Header{"Retry-After": {"2"}},
		}
	}
	return found, err == nil, err
}

// identify returns the user of a token, who may no longer exist.
func (u *users) identify(ctx context.Context, claims flaskjwt.Claims) (found user, ok bool, err error) {
	id, _ := claims.Int("identity")
	err = u.QueryRowContext(ctx, "SELECT id, username FROM users WHERE id = ?", id).Scan(&found.ID, &found.Username)
	if errors.Is(err, sql.ErrNoRows) {
		return user{}, false, nil
	}
	return found, err == nil, err
}

func (u *users) add(ctx context.Context, c credentials) (user, error) {
	return u.save(ctx, c, "INSERT INTO users (username, password) VALUES (?, ?) RETURNING id, username")
}

func (u *users) change(ctx context.Context, id int64, c credentials) (user, error) {
	return u.save(ctx, c, "UPDATE users SET username = ?, password = ? WHERE id = ? RETURNING id, username", id)
}

func (u *users) save(ctx context.Context, c credentials, statement string, where ...any) (saved user, err error) {
	hash, err := u.hashes.Hash(ctx, c.Password)
	if err != nil {
		return user{}, err
	}
	err = u.QueryRowContext(ctx, statement, append([]any{c.Username, hash}, where...)...).
		Scan(&saved.ID, &saved.Username)
	if err != nil && strings.Contains(err.Error(), "UNIQUE") {
		err = errTaken
	}
	return saved, err
}

func (u *users) all(ctx context.Context) ([]user, error) {
	rows, err := u.QueryContext(ctx, "SELECT id, username FROM users ORDER BY id LIMIT 1000")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []user{}
	for rows.Next() {
		var one user
		if err := rows.Scan(&one.ID, &one.Username); err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, rows.Err()
}

type message struct {
	Message string `json:"message"`
}

func answer(w http.ResponseWriter, v any, err error) {
	switch {
	case errors.Is(err, errTaken):
		writeJSON(w, http.StatusConflict, message{"Username already exists"})
	case errors.Is(err, password.ErrOverloaded):
		writeJSON(w, http.StatusServiceUnavailable, message{"Service Unavailable"})
	case err != nil:
		writeJSON(w, http.StatusInternalServerError, message{"Internal Server Error"})
	default:
		writeJSON(w, http.StatusOK, v)
	}
}

// writeJSON writes JSON like Flask-RESTful in debug mode.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "    ")
	_ = encoder.Encode(v)
}
