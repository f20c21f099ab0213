// Command gettoken is a REST API of users with a login by e-mail address. Its token is in the
// Authorization header, without a scheme.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/compat/flask"
	"github.com/hallpass-go/hallpass/examples/internal/refusals"
	"github.com/hallpass-go/hallpass/jwk"
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
	flags := flag.NewFlagSet("gettoken", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:5000", "address to listen on")
	file := flags.String("db", "gettoken.db", "SQLite database; the signing key is kept beside it")
	expiry := flags.Duration("expiry", time.Hour, "how long a token lives")
	if err := flags.Parse(args); err != nil {
		return err
	}
	keys, err := jwk.OpenFile(*file + ".keys.json") // created on the first run with mode 0600
	if err != nil {
		return err
	}
	db, err := openUsers(ctx, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	api := &api{users: db, guesses: refusals.NewLimit()}
	if api.auth, err = hallpass.New(hallpass.Config[claims]{
		Issuer: "gettoken", Audience: "gettoken", Keys: keys, Authorize: api.authorize,
		AccessTTL: max(*expiry, 1), // 0 would be the default
		Leeway:    -1,              // it verifies its own tokens
		Sources:   []hallpass.TokenSource{hallpass.FromHeader("Authorization", "")},
		Profile:   wire{}, Observe: refusals.LogTo(out),
	}); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s; create a user with POST /users/\n", listener.Addr())
	server := &http.Server{Handler: api.routes(), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// claims are in the token in addition to the registered ones. The id is that of the tutorial. A
// token is valid only as long as the password that it was issued for. The version identifies that
// password, so a change of the password ends all earlier tokens for good.
type claims struct {
	ID              int64 `json:"id"`
	PasswordVersion int64 `json:"password_version"`
}

type identity = hallpass.Identity[claims]

type api struct {
	auth    *hallpass.Auth[claims]
	users   *users
	guesses refusals.Limit
}

func (a *api) routes() http.Handler {
	current := hallpass.Check(func(r *http.Request, id identity) error {
		return a.users.current(r.Context(), id.Custom)
	})
	self := hallpass.AllOf(current, hallpass.Self("id"))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /auth/get-token/{$}", a.getToken)
	mux.Handle("GET /.well-known/jwks.json", a.auth.JWKS()) // so that others can verify the tokens
	mux.HandleFunc("POST /users/{$}", a.create)
	mux.Handle("GET /users/{$}", a.auth.Func(a.list, current))
	mux.Handle("GET /users/{id}/{$}", a.auth.Func(a.show, current))
	mux.Handle("PUT /users/{id}/{$}", a.auth.Func(a.update, self))
	mux.Handle("DELETE /users/{id}/{$}", a.auth.Func(a.remove, self))
	for _, path := range []string{"/auth/get-token", "/users", "/users/{id}"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"/", http.StatusPermanentRedirect)
		})
	}
	return flask.Options(mux)
}

func (a *api) authorize(ctx context.Context, subject string) (hallpass.Grant[claims], error) {
	of, err := a.users.claims(ctx, subject)
	return hallpass.Grant[claims]{Custom: of}, err
}

// getToken handles the login.
func (a *api) getToken(w http.ResponseWriter, r *http.Request) {
	var login credentials
	if err := hallpass.ReadJSON(w, r, &login); err != nil {
		a.auth.WriteError(w, r, err)
		return
	}
	var who claims
	err := a.guesses.Check(r, login.Email, func() (err error) {
		who, err = a.users.authenticate(r.Context(), login)
		return err
	})
	if err != nil {
		a.auth.WriteError(w, r, err)
		return
	}
	subject := strconv.FormatInt(who.ID, 10)
	tokens, err := a.auth.StartSession(r.Context(), subject, hallpass.ClientOf(r))
	if err == nil {
		// The password may also have changed since it was checked.
		err = a.users.current(r.Context(), who)
	}
	if errors.Is(err, hallpass.ErrTokenRevoked) {
		err = hallpass.ErrInvalidCredentials.Because(err)
	}
	if err != nil {
		a.auth.WriteError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"token": tokens.AccessToken, "user_id": who.ID})
}
