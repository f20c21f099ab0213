package flaskjwt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"strings"

	"github.com/hallpass-go/hallpass/compat/flask"
	"github.com/hallpass-go/hallpass/compat/internal/pyjwt"
)

// maxBody is the maximum size of a login's body in bytes.
const maxBody = 64 << 10

// Mount adds the login to mux, at AuthPath.
func (a *Auth[U]) Mount(mux *http.ServeMux) { mux.Handle(a.c.AuthPath, a.Login()) }

// Login is the auth_request_handler. It answers POST with {"username","password"} in JSON with
// {"access_token"}.
func (a *Auth[U]) Login() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			flask.Allow(w, http.MethodPost)
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", "OPTIONS, POST")
			writePage(w, http.StatusMethodNotAllowed, "The method is not allowed for the requested URL.")
			return
		}
		members, err := readBody(w, r)
		if err != nil {
			writePage(w, http.StatusBadRequest,
				"The browser (or proxy) sent a request that this server could not understand.")
			return
		}
		token, failed := a.login(r, members)
		if failed != nil {
			a.writeFailure(w, failed)
			return
		}
		a.writeJSON(w, http.StatusOK, map[string]string{"access_token": token})
	})
}

func (a *Auth[U]) login(r *http.Request, members map[string]string) (string, *Error) {
	username, password, ok := a.credentials(members)
	if !ok {
		return "", invalidCredentials
	}
	user, failed := a.authenticate(r, username, password)
	if failed != nil {
		return "", failed
	}
	token, err := a.Token(user)
	if err != nil {
		a.c.Failed(r.Context(), err)
		return "", internal
	}
	return token, nil
}

var errNotJSON = errors.New("the body is not JSON")

// readBody returns the members of the body that are strings. Other members are returned as empty
// strings. A JSON value that is not an object has no members, and so is not a login.
func readBody(w http.ResponseWriter, r *http.Request) (map[string]string, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json") {
		return nil, errNotJSON
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, err
	}
	members, err := pyjwt.ReadObject(string(body))
	if errors.Is(err, pyjwt.ErrNotObject) {
		return nil, nil
	}
	if err != nil {
		return nil, errNotJSON
	}
	texts := map[string]string{}
	for name := range members {
		texts[name], _ = members.String(name)
	}
	return texts, nil
}

// Func guards a handler as jwt_required() does. The handler gets the user of the request's token.
// OPTIONS is answered without a token, as in Flask. A mux sends it here for a pattern without a
// method. For other patterns use [flask.Options].
func (a *Auth[U]) Func(handler func(w http.ResponseWriter, r *http.Request, user U)) http.Handler {
	return a.FuncRealm(a.c.Realm, handler)
}

// FuncRealm is [Auth.Func] with a realm for this route, like jwt_required(realm).
func (a *Auth[U]) FuncRealm(realm string, handler func(w http.ResponseWriter, r *http.Request, user U)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			flask.Allow(w)
			return
		}
		user, failed := a.user(r.Context(), r.Header.Values("Authorization"), realm)
		if failed != nil {
			a.writeFailure(w, failed)
			return
		}
		handler(w, r, user)
	})
}

// Error is a JWTError. Authenticate and Identify may return one to send the client an answer of the
// application, for example to try again later. Its fields are in the order in which they are
// written.
type Error struct {
	Description string      `json:"description"`
	Name        string      `json:"error"`
	StatusCode  int         `json:"status_code"` // defaults to 401
	Header      http.Header `json:"-"`           // additional headers, such as Retry-After
}

// Error implements error.
func (e *Error) Error() string { return e.Name + ": " + e.Description }

// failed returns the answer to an error of the application. It passes errors that the client does
// not see to Config.Failed.
func (a *Auth[U]) failed(ctx context.Context, doing string, err error) *Error {
	own, ok := errors.AsType[*Error](err)
	if !ok {
		a.c.Failed(ctx, fmt.Errorf("%s: %w", doing, err))
		return internal
	}
	answer := *own
	answer.StatusCode = orElse(answer.StatusCode, http.StatusUnauthorized)
	return &answer
}

var (
	invalidCredentials = &Error{"Invalid credentials", "Bad Request", http.StatusUnauthorized, nil}
	internal           = &Error{
		"Something went wrong on our side", "Internal Server Error", http.StatusInternalServerError, nil,
	}
)

// writeFailure is the jwt_error_handler.
func (a *Auth[U]) writeFailure(w http.ResponseWriter, e *Error) {
	maps.Copy(w.Header(), e.Header)
	a.writeJSON(w, e.StatusCode, e)
}

// writeJSON writes JSON like Flask's jsonify: members sorted, with a line break at the end, and a
// space before each inner line break if it is indented.
func (a *Auth[U]) writeJSON(w http.ResponseWriter, status int, v any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if a.c.Indented {
		encoder.SetIndent("", "  ")
	}
	if err := encoder.Encode(v); err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.ReplaceAll(text.Bytes(), []byte(",\n"), []byte(", \n")))
}

// writePage writes an error page like Werkzeug's.
func writePage(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	name := http.StatusText(status)
	const page = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2 Final//EN\">\n" +
		"<title>%d %s</title>\n<h1>%s</h1>\n<p>%s</p>\n"
	_, _ = fmt.Fprintf(w, page,
		status, name, name, text)
}
