// Command replicas is one API that runs as several processes on one database. All of them accept a
// token that one of them issued, and a logout at one takes effect at all of them within a second.
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
	"syscall"
	"time"

	_ "modernc.org/sqlite"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/examples/internal/refusals"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/password"
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
	flags := flag.NewFlagSet("replicas", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8081", "address to listen on, each process another")
	file := flags.String("db", "replicas.db", "SQLite database; the signing key is kept beside it")
	user := flags.String("user", "admin", "who may log in")
	expiry := flags.Duration("expiry", 15*time.Minute, "how long a token lives")
	if err := flags.Parse(args); err != nil {
		return err
	}
	only, err := newLogin(*user, os.Getenv("REPLICAS_PASSWORD"))
	if err != nil {
		return err
	}
	// The first process creates the key, and the others read the same file.
	keys, err := jwk.OpenFile(*file + ".keys.json")
	if err != nil {
		return err
	}
	store, err := sqlstore.Open(ctx, "sqlite:"+*file)
	if err != nil {
		return err
	}
	defer store.Close()
	auth, err := hallpass.New(hallpass.Config[struct{}]{
		Issuer: "replicas", Audience: "replicas", Keys: keys, Store: store,
		Authenticate: only.authenticate,
		AccessTTL:    max(*expiry, 1), // 0 would be the default
		Leeway:       -1,              // all processes use the clock of one machine
		Observe:      refusals.LogTo(out),
	})
	if err != nil {
		return err
	}
	go auth.Run(ctx) // follows what the other processes revoke

	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s\n", listener.Addr())
	server := &http.Server{Handler: routes(auth), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func routes(auth *hallpass.Auth[struct{}]) http.Handler {
	mux := http.NewServeMux()
	auth.Mount(mux, "/auth") // POST /auth/login, refresh, logout; GET /auth/sessions
	mux.Handle("GET /.well-known/jwks.json", auth.JWKS())
	mux.Handle("GET /me", auth.Func(me))
	return mux
}

func me(w http.ResponseWriter, _ *http.Request, id hallpass.Identity[struct{}]) {
	fmt.Fprintf(w, "You are %s, in the session %s.\n", id.Subject, id.SessionID)
}

// login is the login of the only user. Anybody may try to log in, so hashing is limited.
type login struct {
	user, hash string
	hashes     *password.Governor
}

// newLogin returns the login of a user. It does not make up a password, since the other processes
// would not know it.
func newLogin(user, secret string) (*login, error) {
	if secret == "" {
		return nil, errors.New("set REPLICAS_PASSWORD, to the same password for each process")
	}
	hash, hashErr := password.Hash(secret)
	hashes, err := password.NewGovernor(password.GovernorConfig{})
	return &login{user, hash, hashes}, errors.Join(hashErr, err)
}

// authenticate takes as long for another user as for a wrong password.
func (l *login) authenticate(ctx context.Context, from hallpass.Login) (subject string, err error) {
	err = l.hashes.Check(ctx, l.hash, from.Password)
	switch {
	case errors.Is(err, password.ErrMismatch), err == nil && from.Username != l.user:
		return "", hallpass.ErrInvalidCredentials
	case errors.Is(err, password.ErrOverloaded):
		return "", hallpass.ErrOverloaded
	}
	return l.user, err
}
