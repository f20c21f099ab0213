package main

import (
	"cmp"
	"context"
	"database/sql"
	"net/http"
	"time"
)

// posts is the resource /users/{id}/posts. Each statement names the caller, so nobody can reach
// posts of another user.
type posts struct{ *sql.DB }

type post struct {
	ID      int64  `json:"id"`
	Title   string `json:"title"`
	Body    string `json:"body"`
	Created string `json:"created"`
	User    user   `json:"user"`
}

const postColumns = "id, title, body, created"

// scan reads a row of postColumns.
func scan(row interface{ Scan(...any) error }, owner user) (post, error) {
	p := post{User: owner}
	var created int64
	err := row.Scan(&p.ID, &p.Title, &p.Body, &created)
	p.Created = time.Unix(created, 0).UTC().Format("Mon, 02 Jan 2006 15:04:05 -0000")
	return p, err
}

func (p *posts) of(ctx context.Context, owner user) ([]post, error) {
	rows, err := p.QueryContext(ctx,
		"SELECT "+postColumns+" FROM posts WHERE user_id = ? ORDER BY id LIMIT 1000", owner.ID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []post{}
	for rows.Next() {
		one, err := scan(rows, owner)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, rows.Err()
}

func (p *posts) list(w http.ResponseWriter, r *http.Request, caller user) {
	list, err := p.of(r.Context(), caller)
	answer(w, list, err)
}

// create requires a title and a body. Instead of a title it accepts "name", as the chapter does.
func (p *posts) create(w http.ResponseWriter, r *http.Request, caller user) {
	said, ok := arguments(w, r)
	if !ok {
		return
	}
	title := cmp.Or(said["title"], said["name"])
	if title == "" {
		writeJSON(w, http.StatusBadRequest, message{"Send name, or title and body."})
		return
	}
	created, err := scan(
		p.QueryRowContext(
			r.Context(),
			"INSERT INTO posts (title, body, created, user_id) VALUES (?, ?, ?, ?) RETURNING "+postColumns,
			title,
			said["body"],
			time.Now().Unix(),
			caller.ID,
		),
		caller,
	)
	answer(w, created, err)
}

func (p *posts) show(w http.ResponseWriter, r *http.Request, caller user) {
	found, err := scan(
		p.QueryRowContext(r.Context(),
			"SELECT "+postColumns+" FROM posts WHERE id = ? AND user_id = ?", r.PathValue("post"),
			caller.ID),
		caller,
	)
	answer(w, found, err)
}

// update changes only the fields that are sent.
func (p *posts) update(w http.ResponseWriter, r *http.Request, caller user) {
	said, ok := arguments(w, r)
	if !ok {
		return
	}
	changed, err := scan(
		p.QueryRowContext(
			r.Context(),
			`UPDATE posts SET title = coalesce(nullif(?, ''), title), body = coalesce(nullif(?, ''), body)
		WHERE id = ? AND user_id = ? RETURNING `+postColumns,
			cmp.Or(said["title"], said["name"]),
			said["body"],
			r.PathValue("post"),
			caller.ID,
		),
		caller,
	)
	answer(w, changed, err)
}

func (p *posts) remove(w http.ResponseWriter, r *http.Request, caller user) {
	var id int64
	err := p.QueryRowContext(r.Context(),
		"DELETE FROM posts WHERE id = ? AND user_id = ? RETURNING id", r.PathValue("post"),
		caller.ID).
		Scan(&id)
	answer(w, nothing, err)
}
