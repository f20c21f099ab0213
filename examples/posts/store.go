package main

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/hallpass-go/hallpass"
)

// posts are the posts in the database.
type posts struct{ *sql.DB }

type post struct {
	ID        int64     `json:"id"`
	Author    string    `json:"author"`
	Title     string    `json:"title"`
	Text      string    `json:"text"`
	CreatedAt time.Time `json:"created_at"`
}

const columns = "id, author, title, text, created_at"

func openPosts(ctx context.Context, file string) (*posts, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600) // SQLite would let everybody read it
	if err != nil {
		return nil, err
	}
	f.Close()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)")
	if err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS posts (id INTEGER PRIMARY KEY AUTOINCREMENT,
		author TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL, created_at INTEGER NOT NULL)`)
	return &posts{db}, err
}

// one runs a statement that returns at most one post.
func (p *posts) one(ctx context.Context, statement string, args ...any) (post, error) {
	found, err := scan(p.QueryRowContext(ctx, statement, args...))
	if errors.Is(err, sql.ErrNoRows) {
		err = hallpass.ErrNotFound
	}
	return found, err
}

func scan(row interface{ Scan(...any) error }) (p post, err error) {
	var created int64
	err = row.Scan(&p.ID, &p.Author, &p.Title, &p.Text, &created)
	p.CreatedAt = time.Unix(created, 0).UTC()
	return p, err
}

// number reads the number of a post. Any other way to write one is that of no post, 0: SQLite would take
// 01 for 1, and the tags of what is kept would not.
func number(id string) int64 {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != id {
		return 0
	}
	return n
}

func (p *posts) post(ctx context.Context, id string) (post, error) {
	return p.one(ctx, "SELECT "+columns+" FROM posts WHERE id = ?", number(id))
}

func (p *posts) add(ctx context.Context, author string, c content) (post, error) {
	return p.one(ctx, "INSERT INTO posts (author, title, text, created_at) VALUES (?, ?, ?, ?) RETURNING "+columns,
		author, *c.Title, *c.Text, time.Now().Unix())
}

func (p *posts) change(ctx context.Context, id string, c content) (post, error) {
	return p.one(ctx, "UPDATE posts SET title = ?, text = ? WHERE id = ? RETURNING "+columns, *c.Title, *c.Text,
		number(id))
}

func (p *posts) remove(ctx context.Context, id string) (post, error) {
	return p.one(ctx, "DELETE FROM posts WHERE id = ? RETURNING "+columns, number(id))
}

// page returns the posts with the highest numbers first, below a number if that is not 0.
func (p *posts) page(ctx context.Context, below int64, limit int) ([]post, error) {
	rows, err := p.QueryContext(ctx, "SELECT "+columns+` FROM posts WHERE ?1 = 0 OR id < ?1
		ORDER BY id DESC LIMIT ?2`, below, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	page := []post{}
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		page = append(page, one)
	}
	return page, rows.Err()
}
