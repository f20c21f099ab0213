// Command querytoken protects a page with a token in the query, for clients without another way.
// URLs end up in logs and histories.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
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
	flags := flag.NewFlagSet("querytoken", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:5000", "address to listen on")
	user := flags.String("user", "admin", "who may log in")
	keyFile := flags.String("keys", "querytoken.keys.json", "file of the signing key")
	expiry := flags.Duration("expiry", 40*time.Second, "how long a token lives")
	if err := flags.Parse(args); err != nil {
		return err
	}
	keys, err := jwk.OpenFile(*keyFile) // created on the first run with mode 0600
	if err != nil {
		return err
	}
	api, err := newAPI(*user, os.Getenv("QUERYTOKEN_PASSWORD"), out)
	if err != nil {
		return err
	}
	if api.auth, err = hallpass.New(hallpass.Config[claims]{
		Issuer: "querytoken", Audience: "querytoken", Keys: keys,
		Profile: wire{}, Observe: refusals.LogTo(out),
		AccessTTL: max(*expiry, 1), // 0 would be the default
		Leeway:    -1,              // it verifies its own tokens
		Sources:   []hallpass.TokenSource{hallpass.FromQuery("token")},
		Authorize: func(_ context.Context, subject string) (hallpass.Grant[claims], error) {
			return hallpass.Grant[claims]{Custom: claims{User: subject}}, nil
		},
	}); err != nil {
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

// claims are in the token in addition to the registered ones, as on the slides.
type claims struct {
	User string `json:"user"`
}

type api struct {
	auth       *hallpass.Auth[claims]
	hashes     *password.Governor // anybody may try to log in
	guesses    refusals.Limit
	user, hash string
}

// newAPI returns the API for one user. Without a password it creates one and prints it.
func newAPI(user, secret string, out io.Writer) (*api, error) {
	if secret == "" {
		secret = rand.Text()
		fmt.Fprintf(out, "log in as %q with the password %q; set QUERYTOKEN_PASSWORD to choose one\n", user, secret)
	}
	hash, hashErr := password.Hash(secret)
	hashes, err := password.NewGovernor(password.GovernorConfig{})
	a := &api{user: user, hash: hash, hashes: hashes, guesses: refusals.NewLimit()}
	return a, errors.Join(hashErr, err)
}

func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /unprotected", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"message": "Anyone can view this."})
	})
	mux.Handle("GET /protected", a.auth.Func(func(w http.ResponseWriter, _ *http.Request, _ hallpass.Identity[claims]) {
		writeJSON(w, http.StatusOK, map[string]string{"message": "Only available to people with valid tokens."})
	}))
	mux.HandleFunc("GET /login", a.login)
	mux.Handle("GET /.well-known/jwks.json", a.auth.JWKS()) // so that others can verify the tokens
	return flask.Options(mux)
}

func (a *api) login(w http.ResponseWriter, r *http.Request) {
	user, secret, _ := r.BasicAuth()
	err := a.guesses.Check(r, user, func() error {
		return a.authenticate(r.Context(), user, secret)
	})
	if errors.Is(err, hallpass.ErrInvalidCredentials) {
		w.Header().Set("WWW-Authenticate", `Basic realm="Login Required"`)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "Could not verify!")
		return
	}
	if err != nil {
		a.auth.WriteError(w, r, err)
		return
	}
	tokens, err := a.auth.StartSession(r.Context(), user, hallpass.ClientOf(r))
	if err != nil {
		a.auth.WriteError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"token": tokens.AccessToken})
}

// authenticate takes as long for another user as for a wrong password.
func (a *api) authenticate(ctx context.Context, user, secret string) error {
	err := a.hashes.Check(ctx, a.hash, secret)
	switch {
	case errors.Is(err, password.ErrMismatch), err == nil && user != a.user:
		return hallpass.ErrInvalidCredentials
	case errors.Is(err, password.ErrOverloaded):
		return hallpass.ErrOverloaded
	}
	return err
}

// wire writes refusals like the slides: 403 for everything about a token.
type wire struct{ hallpass.Problem }

func (wire) WriteError(w http.ResponseWriter, _ *http.Request, e *hallpass.Error) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(math.Ceil(e.RetryAfter.Seconds())))
	}
	switch {
	case errors.Is(e, hallpass.ErrTokenMissing):
		writeJSON(w, http.StatusForbidden, map[string]string{"message": "Token is missing"})
	case errors.Is(e, hallpass.ErrRateLimited):
		writeJSON(w, e.Status, map[string]string{"message": e.Detail})
	case e.Status < http.StatusInternalServerError:
		writeJSON(w, http.StatusForbidden, map[string]string{"message": "Token is invalid!"})
	default:
		writeJSON(w, e.Status, map[string]string{"message": refusals.Detail(e)})
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // the URL holds a token
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
