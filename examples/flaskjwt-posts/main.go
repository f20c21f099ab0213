// Command flaskjwt-posts is the chapter's API of users and their posts, with one file per resource.
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "modernc.org/sqlite"

	"github.com/hallpass-go/hallpass/compat/flask"
	"github.com/hallpass-go/hallpass/compat/flaskjwt"
	"github.com/hallpass-go/hallpass/password"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("flaskjwt-posts", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:5000", "address to listen on")
	file := flags.String("db", "flaskjwt-posts.db", "SQLite database; the secret is kept beside it")
	expiry := flags.Duration("expiry", 5*time.Minute, "how long a token lives")
	if err := flags.Parse(args); err != nil {
		return err
	}
	secret, err := secretOf(*file + ".secret")
	if err != nil {
		return err
	}
	db, err := open(ctx, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	hashes, err := password.NewGovernor(password.GovernorConfig{})
	if err != nil {
		return err
	}
	users, posts := &users{db, hashes}, &posts{db}
	auth, err := flaskjwt.New(flaskjwt.Config[user]{
		Secret: secret, Authenticate: users.authenticate, Identify: users.identify, Indented: true, // as in debug mode
		Expiration: max(*expiry, 1), // 0 would be the default
		Identity:   func(u user) any { return u.ID },
		Failed:     func(_ context.Context, err error) { fmt.Fprintln(out, err) },
	})
	if err != nil {
		return err
	}
	limits, err := newLimiter()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s; create a user with POST /signup\n", listener.Addr())
	server := &http.Server{Handler: limits.Middleware(routes(users, posts, auth)), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// secretOf returns the secret from the environment or from a file. If there is neither, it creates
// the file.
func secretOf(file string) ([]byte, error) {
	if secret := os.Getenv("JWT_SECRET_KEY"); secret != "" {
		return []byte(secret), nil
	}
	secret, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		secret = []byte(rand.Text() + rand.Text())
		err = os.WriteFile(file, secret, 0o600)
	}
	return secret, err
}

func routes(users *users, posts *posts, auth *flaskjwt.Auth[user]) http.Handler {
	mux := http.NewServeMux()
	auth.Mount(mux) // POST /auth
	mux.HandleFunc("POST /signup", users.signup)
	mux.Handle("GET /users/{id}", auth.Func(self(users.show)))
	mux.Handle("PUT /users/{id}", auth.Func(self(users.update)))
	mux.Handle("DELETE /users/{id}", auth.Func(self(users.remove)))
	mux.Handle("GET /users/{id}/posts", auth.Func(self(posts.list)))
	mux.Handle("POST /users/{id}/posts", auth.Func(self(posts.create)))
	mux.Handle("GET /users/{id}/posts/{post}", auth.Func(self(posts.show)))
	mux.Handle("PUT /users/{id}/posts/{post}", auth.Func(self(posts.update)))
	mux.Handle("DELETE /users/{id}/posts/{post}", auth.Func(self(posts.remove)))
	return flask.Options(mux)
}

// self refuses a path that names another user than the token's, so that handlers only work on the
// caller's own data.
func self(handler func(http.ResponseWriter, *http.Request, user)) func(http.ResponseWriter, *http.Request, user) {
	return func(w http.ResponseWriter, r *http.Request, caller user) {
		if r.PathValue("id") != fmt.Sprint(caller.ID) {
			writeJSON(w, http.StatusForbidden, message{"This belongs to somebody else."})
			return
		}
		handler(w, r, caller)
	}
}

// open opens the database. IDs are never reused.
func open(ctx context.Context, file string) (*sql.DB, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600) // SQLite would let everybody read it
	if err != nil {
		return nil, err
	}
	f.Close()
	db, err := sql.Open(
		"sqlite",
		"file:"+file+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)",
	)
	if err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, `
		CREATE TABLE IF NOT EXISTS users (
			id INTEGER PRIMARY KEY AUTOINCREMENT, username TEXT NOT NULL UNIQUE, password TEXT NOT NULL);
		CREATE TABLE IF NOT EXISTS posts (
			id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, body TEXT NOT NULL, created INTEGER NOT NULL,
			user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE);
		CREATE INDEX IF NOT EXISTS posts_of_user ON posts (user_id)`)
	return db, err
}
