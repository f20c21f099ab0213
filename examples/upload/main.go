// Command upload takes files from a form, behind a token: in the query as its first clients send it, or in a cookie for a browser.
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
	flags := flag.NewFlagSet("upload", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:5000", "address to listen on")
	file := flags.String("db", "upload.db", "SQLite database; the signing key is kept beside it")
	user := flags.String("user", "admin", "who may log in")
	maxFile := flags.Int64("max-file", 10<<20, "largest file, in bytes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	keys, err := jwk.OpenFile(*file + ".keys.json") // made on first run, mode 0600
	if err != nil {
		return err
	}
	files, err := openFiles(ctx, *file)
	if err != nil {
		return err
	}
	defer files.Close()
	hash, err := passwordHash(*user, os.Getenv("UPLOAD_PASSWORD"), out)
	if err != nil {
		return err
	}
	api := &api{files: files, user: *user, hash: hash, maxFile: *maxFile}
	if api.auth, err = hallpass.New(hallpass.Config[claims]{
		Issuer: "upload", Audience: "upload", Keys: keys, AccessTTL: tokenTTL, Profile: wire{},
		Sources: []hallpass.TokenSource{hallpass.FromQuery("token"), hallpass.FromCookie(cookieName)},
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

// passwordHash hashes the user's password. Without one it makes one, and says so.
func passwordHash(user, secret string, out io.Writer) (string, error) {
	if secret == "" {
		secret = rand.Text()
		fmt.Fprintf(out, "log in as %q with the password %q; set UPLOAD_PASSWORD to choose one\n", user, secret)
	}
	return password.Hash(secret)
}

const (
	tokenTTL   = 20 * time.Minute
	cookieName = "upload_token"
)

// claims are in the token beside the registered ones, as in the tutorial.
type claims struct {
	User string `json:"user"`
}

type identity = hallpass.Identity[claims]

type api struct {
	auth       *hallpass.Auth[claims]
	files      *files
	user, hash string
	maxFile    int64
}

func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", a.login)
	mux.Handle("GET /{$}", a.auth.Func(form))
	mux.Handle("POST /upload", a.auth.Func(a.upload))
	mux.HandleFunc("GET /session", func(w http.ResponseWriter, _ *http.Request) { writePage(w, http.StatusOK, loginPage) })
	mux.Handle("POST /session", http.NewCrossOriginProtection().Handler(http.HandlerFunc(a.startBrowserSession)))
	return mux
}

// token starts a session for whom user name and password are of.
func (a *api) token(r *http.Request, user, secret string) (string, error) {
	if password.Check(a.hash, secret) != nil || user != a.user {
		return "", hallpass.ErrInvalidCredentials
	}
	tokens, err := a.auth.StartSession(r.Context(), user, hallpass.ClientOf(r))
	return tokens.AccessToken, err
}

// login is the tutorial's: Basic credentials for a token.
func (a *api) login(w http.ResponseWriter, r *http.Request) {
	user, secret, _ := r.BasicAuth()
	token, err := a.token(r, user, secret)
	if err != nil {
		a.auth.WriteError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"token": token})
}

// startBrowserSession answers the login form with a cookie that scripts cannot read and other sites cannot have sent.
func (a *api) startBrowserSession(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, hallpass.MaxBody)
	token, err := a.token(r, r.PostFormValue("username"), r.PostFormValue("password"))
	if err != nil {
		writePage(w, http.StatusForbidden, loginPage)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: token, Path: "/", MaxAge: int(tokenTTL.Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
