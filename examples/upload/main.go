// Command upload accepts files from a form. It requires a token, in the query as its first clients
// send it or in a cookie for browsers.
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
	flags := flag.NewFlagSet("upload", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:5000", "address to listen on")
	file := flags.String("db", "upload.db", "SQLite database; the signing key is kept beside it")
	user := flags.String("user", "admin", "who may log in")
	maxFile := flags.Int64("max-file", 10<<20, "largest file, in bytes")
	expiry := flags.Duration("expiry", 20*time.Minute, "how long a token lives")
	if err := flags.Parse(args); err != nil {
		return err
	}
	keys, err := jwk.OpenFile(*file + ".keys.json") // created on the first run with mode 0600
	if err != nil {
		return err
	}
	files, err := openFiles(ctx, *file)
	if err != nil {
		return err
	}
	defer files.Close()
	login, err := newLogin(*user, os.Getenv("UPLOAD_PASSWORD"), out)
	if err != nil {
		return err
	}
	api := &api{files: files, only: login, maxFile: *maxFile, expiry: *expiry}
	if api.auth, err = hallpass.New(hallpass.Config[claims]{
		Issuer: "upload", Audience: "upload", Keys: keys, Profile: wire{}, Observe: refusals.LogTo(out),
		AccessTTL: max(*expiry, 1), // 0 would be the default
		Leeway:    -1,              // it verifies its own tokens
		Sources: []hallpass.TokenSource{
			hallpass.FromQuery("token"), hallpass.FromCookie(cookieName),
		},
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
	fmt.Fprintf(out, "listening on http://%s; browsers log in at /session\n", listener.Addr())
	server := &http.Server{Handler: api.routes(), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

const cookieName = "upload_token"

// claims are in the token in addition to the registered ones, as in the tutorial.
type claims struct {
	User string `json:"user"`
}

type identity = hallpass.Identity[claims]

type api struct {
	auth    *hallpass.Auth[claims]
	files   *files
	only    *login
	maxFile int64
	expiry  time.Duration // of tokens and of the cookie that contains one
}

func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", a.login)
	mux.Handle("GET /.well-known/jwks.json", a.auth.JWKS()) // so that others can verify the tokens
	mux.Handle("GET /{$}", a.auth.Func(form))
	mux.Handle("POST /upload", a.auth.Func(a.upload))
	mux.HandleFunc("GET /session", func(w http.ResponseWriter, _ *http.Request) {
		writeLogin(w, http.StatusOK, "")
	})
	mux.Handle("POST /session", http.NewCrossOriginProtection().Handler(http.HandlerFunc(a.startBrowserSession)))
	return flask.Options(mux)
}
