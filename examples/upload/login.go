package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/examples/internal/refusals"
	"github.com/hallpass-go/hallpass/password"
)

// login is the login of the only user. Anybody may try to log in, so hashing is limited.
type login struct {
	user, hash string
	hashes     *password.Governor
	guesses    refusals.Limit
}

// newLogin returns the login of a user. Without a password it creates one and prints it.
func newLogin(user, secret string, out io.Writer) (*login, error) {
	if secret == "" {
		secret = rand.Text()
		fmt.Fprintf(out, "log in as %q with the password %q; set UPLOAD_PASSWORD to choose one\n", user, secret)
	}
	hash, hashErr := password.Hash(secret)
	hashes, err := password.NewGovernor(password.GovernorConfig{})
	return &login{user, hash, hashes, refusals.NewLimit()}, errors.Join(hashErr, err)
}

// token starts a session for the user with that name and password.
func (a *api) token(r *http.Request, user, secret string) (string, error) {
	err := a.only.guesses.Check(r, user, func() error {
		return a.only.authenticate(r.Context(), user, secret)
	})
	if err != nil {
		return "", err
	}
	tokens, err := a.auth.StartSession(r.Context(), user, hallpass.ClientOf(r))
	return tokens.AccessToken, err
}

// authenticate takes as long for another user as for a wrong password.
func (l *login) authenticate(ctx context.Context, user, secret string) error {
	err := l.hashes.Check(ctx, l.hash, secret)
	switch {
	case errors.Is(err, password.ErrMismatch), err == nil && user != l.user:
		return hallpass.ErrInvalidCredentials
	case errors.Is(err, password.ErrOverloaded):
		return hallpass.ErrOverloaded
	}
	return err
}

// login is the tutorial's login: it exchanges Basic credentials for a token.
func (a *api) login(w http.ResponseWriter, r *http.Request) {
	user, secret, _ := r.BasicAuth()
	token, err := a.token(r, user, secret)
	if err != nil {
		a.auth.WriteError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"token": token})
}

// startBrowserSession answers the login form with a cookie that scripts cannot read and that
// requests from other sites do not carry.
func (a *api) startBrowserSession(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	token, err := a.token(r, r.PostFormValue("username"), r.PostFormValue("password"))
	if err != nil {
		refuseBrowser(w, err)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: token, Path: "/", MaxAge: int(a.expiry.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// refuseBrowser shows the login form again, with the reason.
func refuseBrowser(w http.ResponseWriter, err error) {
	e := refusals.Of(err)
	status, problem := e.Status, refusals.Detail(e)
	if errors.Is(e, hallpass.ErrInvalidCredentials) {
		status, problem = http.StatusForbidden, "Unable to verify"
	}
	setRetryAfter(w, e)
	writeLogin(w, status, problem)
}
