// Command roles is an API with registration, login, a route for all users and one for admins.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/compat/flask"
	"github.com/hallpass-go/hallpass/examples/internal/refusals"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/sqlstore"
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
	flags := flag.NewFlagSet("roles", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:5000", "address to listen on")
	file := flags.String("db", "roles.db", "SQLite database; the signing key is kept beside it")
	admin := flags.String("admin", "admin", "name of the first user, who is an admin")
	expiry := flags.Duration("expiry", time.Hour, "how long a token lives")
	if err := flags.Parse(args); err != nil {
		return err
	}
	keys, err := jwk.OpenFile(*file + ".keys.json") // created on the first run with mode 0600
	if err != nil {
		return err
	}
	users, err := openUsers(ctx, *file)
	if err != nil {
		return err
	}
	defer users.Close()
	store, err := sqlstore.Open(ctx, "sqlite:"+*file) // a logout also holds after a restart
	if err != nil {
		return err
	}
	defer store.Close()
	api := &api{users: users}
	if api.auth, err = hallpass.New(hallpass.Config[claims]{
		Issuer: "roles", Audience: "roles", Keys: keys, Store: store,
		AccessTTL:    max(*expiry, 1), // 0 would be the default
		Leeway:       -1,              // it verifies its own tokens
		Authenticate: users.authenticate, Authorize: api.authorize,
		Profile: wire{}, Observe: refusals.LogTo(out),
	}); err != nil {
		return err
	}
	go api.auth.Run(ctx)
	if err := firstAdmin(ctx, users, *admin, out); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s\n", listener.Addr())
	server := &http.Server{Handler: api.routes(), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// firstAdmin creates the first user, with the password from the environment or a new one, which it
// prints.
func firstAdmin(ctx context.Context, users *users, name string, out io.Writer) error {
	if some, err := users.any(ctx); err != nil || some {
		return err
	}
	password := os.Getenv("ROLES_PASSWORD")
	if password == "" {
		password = rand.Text()
		fmt.Fprintf(out, "log in as %q with the password %q; set ROLES_PASSWORD to choose one\n", name, password)
	}
	return users.add(ctx, credentials{name, password}, "admin")
}

// claims are in the token in addition to the registered ones, as in the tutorial. Access is decided
// by the registered "roles".
type claims struct {
	Username string `json:"username"`
	Role     string `json:"role"`
}

type api struct {
	auth  *hallpass.Auth[claims]
	users *users
}

func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /register", a.register)
	// POST /login, /refresh, /logout and /logout/all; GET and DELETE /sessions
	a.auth.Mount(mux, "")
	mux.Handle("GET /.well-known/jwks.json", a.auth.JWKS()) // so that others can verify the tokens
	mux.Handle("GET /protected", a.auth.Func(say("This is a protected route")))
	mux.Handle("GET /admin", a.auth.Func(say("Welcome to the admin panel"), hallpass.Role("admin")))
	return flask.Options(mux)
}

func say(message string) func(http.ResponseWriter, *http.Request, hallpass.Identity[claims]) {
	return func(w http.ResponseWriter, _ *http.Request, _ hallpass.Identity[claims]) {
		writeJSON(w, http.StatusOK, map[string]string{"message": message})
	}
}

// authorize grants the role in the database, whatever a request says.
func (a *api) authorize(ctx context.Context, username string) (hallpass.Grant[claims], error) {
	role, err := a.users.role(ctx, username)
	return hallpass.Grant[claims]{Roles: []string{role}, Custom: claims{username, role}}, err
}

func (a *api) register(w http.ResponseWriter, r *http.Request) {
	var body credentials
	err := hallpass.ReadJSON(w, r, &body)
	if err == nil && (body.Username == "" || body.Password == "") {
		err = hallpass.ErrValidation.WithDetail("username and password are required")
	}
	if err == nil {
		err = a.users.add(r.Context(), body, "user")
	}
	switch {
	case errors.Is(err, errTaken):
		writeJSON(w, http.StatusConflict, map[string]string{"message": "Username already exists"})
	case err != nil:
		a.auth.WriteError(w, r, err)
	default:
		writeJSON(w, http.StatusCreated, map[string]string{"message": "User registered successfully"})
	}
}
