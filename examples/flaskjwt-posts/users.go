package main

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"strings"

	"github.com/hallpass-go/hallpass/compat/flaskjwt"
	"github.com/hallpass-go/hallpass/password"
)

// users is the resources /users and /signup. Anybody may log in and sign up, so hashing is limited.
type users struct {
	*sql.DB
	hashes *password.Governor
}

type user struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
}

// userWithPosts is a user as described by the chapter's user_fields.
type userWithPosts struct {
	user
	Posts []post `json:"posts"`
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

func (u *users) signup(w http.ResponseWriter, r *http.Request) {
	u.save(w, r, "INSERT INTO users (username, password) VALUES (?, ?) RETURNING id, username")
}

func (u *users) update(w http.ResponseWriter, r *http.Request, caller user) {
	u.save(w, r, "UPDATE users SET username = ?, password = ? WHERE id = ? RETURNING id, username", caller.ID)
}

func (u *users) save(w http.ResponseWriter, r *http.Request, statement string, where ...any) {
	said, ok := arguments(w, r)
	if !ok {
		return
	}
	if said["username"] == "" || said["password"] == "" {
		writeJSON(w, http.StatusBadRequest, message{"Send username and password."})
		return
	}
	hash, err := u.hashes.Hash(r.Context(), said["password"])
	var saved user
	if err == nil {
		err = u.QueryRowContext(r.Context(), statement, append([]any{said["username"], hash}, where...)...).
			Scan(&saved.ID, &saved.Username)
	}
	switch {
	case err != nil && strings.Contains(err.Error(), "UNIQUE"):
		writeJSON(w, http.StatusConflict, message{"Username already exists"})
	case err != nil:
		answer(w, nil, err)
	default:
		u.show(w, r, saved)
	}
}

func (u *users) show(w http.ResponseWriter, r *http.Request, caller user) {
	list, err := (&posts{u.DB}).of(r.Context(), caller)
	answer(w, userWithPosts{caller, list}, err)
}

func (u *users) remove(w http.ResponseWriter, r *http.Request, caller user) {
	_, err := u.ExecContext(r.Context(), "DELETE FROM users WHERE id = ?", caller.ID)
	answer(w, nothing, err)
}
