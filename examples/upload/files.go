package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"os"
	"path"
	"strings"
	"unicode/utf8"

	_ "modernc.org/sqlite"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/examples/internal/refusals"
)

// files is the tutorial's table.
type files struct{ *sql.DB }

func openFiles(ctx context.Context, file string) (*files, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600) // SQLite would let everybody read it
	if err != nil {
		return nil, err
	}
	f.Close()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)")
	if err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS upload_file (
		id INTEGER PRIMARY KEY, description TEXT NOT NULL UNIQUE, file BLOB NOT NULL)`)
	return &files{db}, err
}

// maxForm is the maximum size of a form in bytes, without the file.
const maxForm = 64 << 10

// upload stores the file of a form. It reads the file only if it is not too large.
func (a *api) upload(w http.ResponseWriter, r *http.Request, _ identity) {
	r.Body = http.MaxBytesReader(w, r.Body, a.maxFile+maxForm)
	content, header, err := r.FormFile("inputFile")
	if err != nil {
		refuseUpload(w, err)
		return
	}
	defer content.Close()
	defer r.MultipartForm.RemoveAll()
	description := r.FormValue("description")
	switch {
	case header.Size > a.maxFile:
		writeJSON(w, http.StatusRequestEntityTooLarge, message{"the file is too large"})
		return
	case description == "":
		writeJSON(w, http.StatusBadRequest, message{"description is missing"})
		return
	case utf8.RuneCountInString(description) > 200:
		writeJSON(w, http.StatusBadRequest, message{"description has more than 200 characters"})
		return
	}
	err = a.store(r.Context(), description, content)
	switch {
	case err != nil && strings.Contains(err.Error(), "UNIQUE"):
		writeJSON(w, http.StatusConflict, message{"description already exists"})
	case err != nil:
		a.auth.WriteError(w, r, err)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = io.WriteString(w, "file "+harmless(header.Filename)+" uploaded successfully")
	}
}

func (a *api) store(ctx context.Context, description string, content multipart.File) error {
	data, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	_, err = a.files.ExecContext(ctx, "INSERT INTO upload_file (description, file) VALUES (?, ?)", description, data)
	return err
}

func refuseUpload(w http.ResponseWriter, err error) {
	tooLarge := (*http.MaxBytesError)(nil)
	switch {
	case errors.As(err, &tooLarge):
		writeJSON(w, http.StatusRequestEntityTooLarge, message{"the file is too large"})
	case errors.Is(err, http.ErrMissingFile):
		writeJSON(w, http.StatusBadRequest, message{"inputFile is missing"})
	default:
		writeJSON(w, http.StatusBadRequest, message{"the body is not a form with a file"})
	}
}

// harmless returns a file's name without its path. It replaces characters with a meaning in pages
// or shells.
func harmless(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune("<>&\"'`$|;\\\x7f", r) {
			return '_'
		}
		return r
	}, path.Base(strings.ReplaceAll(name, `\`, "/")))
}

const uploadPage = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="UTF-8">` +
	`<meta name="viewport" content="width=device-width, initial-scale=1.0"><title>File Upload</title></head>
<body>
<form style="display: flex; flex-direction: column; width: 20%;" ` +
	`method="POST" action="/upload{{query}}" enctype="multipart/form-data">
<input type="file" name="inputFile">
<textarea name="description" rows="4" placeholder="description..."></textarea>
<button type="submit">Submit</button>
</form>
</body>
</html>
`

const loginPage = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="UTF-8"><title>Log in</title></head>
<body>
<p>{{problem}}</p>
<form method="POST" action="/session">
<input name="username" autocomplete="username" placeholder="user name">
<input name="password" type="password" autocomplete="current-password" placeholder="password">
<button type="submit">Log in</button>
</form>
</body>
</html>
`

// form shows the form. A token in the query is passed on; a valid token contains no characters with
// a meaning in a page.
func form(w http.ResponseWriter, r *http.Request, _ identity) {
	query := ""
	if token := r.URL.Query().Get("token"); token != "" {
		query = "?token=" + token
	}
	writePage(w, http.StatusOK, strings.Replace(uploadPage, "{{query}}", query, 1))
}

// writeLogin shows the login form, with a sentence about the previous mistake.
func writeLogin(w http.ResponseWriter, status int, problem string) {
	writePage(w, status, strings.Replace(loginPage, "{{problem}}", html.EscapeString(problem), 1))
}

func writePage(w http.ResponseWriter, status int, page string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
	w.Header().Set("Referrer-Policy", "same-origin") // the URL may hold a token
	w.WriteHeader(status)
	_, _ = io.WriteString(w, page)
}

type message struct {
	Message string `json:"message"`
}

// wire writes refusals like the tutorial: 403 for everything about a token or a password.
type wire struct{ hallpass.Problem }

func (wire) WriteError(w http.ResponseWriter, _ *http.Request, e *hallpass.Error) {
	setRetryAfter(w, e)
	switch {
	case errors.Is(e, hallpass.ErrInvalidCredentials):
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "Unable to verify")
	case errors.Is(e, hallpass.ErrTokenMissing):
		writeJSON(w, http.StatusForbidden, message{"Token missing"})
	case errors.Is(e, hallpass.ErrRateLimited):
		writeJSON(w, e.Status, message{e.Detail})
	case e.Status < http.StatusInternalServerError:
		writeJSON(w, http.StatusForbidden, message{"Invalid token"})
	default:
		writeJSON(w, e.Status, message{refusals.Detail(e)})
	}
}

func setRetryAfter(w http.ResponseWriter, e *hallpass.Error) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(math.Ceil(e.RetryAfter.Seconds())))
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
