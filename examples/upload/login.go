package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/password"
)

// login is that of the one user. Anybody may try it, so hashes are governed.
type login struct {
	user, hash string
	hashes     *password.Governor
}

// newLogin returns the login of a user. Without a password it makes one, and says so.
func newLogin(user, secret string, out io.Writer) (*login, error) {
	if secret == "" {
		secret = rand.Text()
		fmt.Fprintf(out, "log in as %q with the password %q; set UPLOAD_PASSWORD to choose one\n", user, secret)
	}
	hash, hashErr := password.Hash(secret)
	hashes, err := password.NewGovernor(password.GovernorConfig{})
	return &login{user, hash, hashes}, errors.Join(hashErr, err)
}

// token starts a session for whom user name and password are of.
func (a *api) token(r *http.Request, user, secret string) (string, error) {
	err := a.only.hashes.Check(r.Context(), a.only.hash, secret)
	if errors.Is(err, password.ErrOverloaded) {
		return "", hallpass.ErrOverloaded
	}
	if err != nil || user != a.only.user {
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
