// Command flaskjwt-users is the chapter's user API. Its clients cannot tell it from the one with
// Flask-JWT.
package main

import (
	"context"
	"crypto/rand"
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

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/compat/flask"
	"github.com/hallpass-go/hallpass/compat/flaskjwt"
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
	flags := flag.NewFlagSet("flaskjwt-users", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:3000", "address to listen on")
	file := flags.String("db", "flaskjwt-users.db", "SQLite database; the secret is kept beside it")
	expiry := flags.Duration("expiry", 5*time.Minute, "how long a token lives")
	if err := flags.Parse(args); err != nil {
		return err
	}
	secret, err := secretOf(*file + ".secret")
	if err != nil {
		return err
	}
	users, err := openUsers(ctx, *file)
	if err != nil {
		return err
	}
	defer users.Close()
	auth, err := flaskjwt.New(flaskjwt.Config[user]{
		Secret: secret, Authenticate: users.authenticate, Identify: users.identify, Indented: true, // as in debug mode
		Expiration: max(*expiry, 1), // 0 would be the default
		Identity:   func(u user) any { return u.ID },
		Failed:     func(_ context.Context, err error) { fmt.Fprintln(out, err) },
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s; create a user with POST /users\n", listener.Addr())
	server := &http.Server{Handler: routes(users, auth), ReadHeaderTimeout: 5 * time.Second}
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

func routes(users *users, auth *flaskjwt.Auth[user]) http.Handler {
	mux := http.NewServeMux()
	auth.Mount(mux) // POST /auth
	mux.HandleFunc("GET /users", users.list)
	mux.HandleFunc("POST /users", users.create)
	mux.Handle(
		"GET /users/{id}",
		auth.Func(self(func(w http.ResponseWriter, _ *http.Request, u user) { writeJSON(w, http.StatusOK, u) })),
	)
	mux.Handle("PATCH /users/{id}", auth.Func(self(users.update)))
	return flask.Options(mux)
}

// self refuses a path that names another user than the token's.
func self(handler func(http.ResponseWriter, *http.Request, user)) func(http.ResponseWriter, *http.Request, user) {
	return func(w http.ResponseWriter, r *http.Request, u user) {
		if r.PathValue("id") != fmt.Sprint(u.ID) {
			writeJSON(w, http.StatusForbidden, message{"You may only see and change yourself."})
			return
		}
		handler(w, r, u)
	}
}

// body reads a user name and a password. If they are wrong, it answers with the reason.
func body(w http.ResponseWriter, r *http.Request) (c credentials, ok bool) {
	if err := hallpass.ReadJSON(w, r, &c); err != nil || c.Username == "" || c.Password == "" {
		writeJSON(w, http.StatusBadRequest, message{"Send username and password in JSON."})
		return c, false
	}
	return c, true
}

func (u *users) create(w http.ResponseWriter, r *http.Request) {
	if c, ok := body(w, r); ok {
		created, err := u.add(r.Context(), c)
		answer(w, created, err)
	}
}

func (u *users) update(w http.ResponseWriter, r *http.Request, caller user) {
	if c, ok := body(w, r); ok {
		changed, err := u.change(r.Context(), caller.ID, c)
		answer(w, changed, err)
	}
}

func (u *users) list(w http.ResponseWriter, r *http.Request) {
	list, err := u.all(r.Context())
	answer(w, list, err)
}
