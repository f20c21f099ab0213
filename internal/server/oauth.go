package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
)

// This file is how the server speaks to clients of RFC 6749: how they authenticate, and how they are
// refused.

// The refusals of RFC 6749 §5.2. Their codes are the values of "error".
var (
	errInvalidRequest = &hallpass.Error{
		Code: "invalid_request", Status: http.StatusBadRequest,
		Detail: "The request is not what this endpoint takes.",
	}
	errInvalidClient = &hallpass.Error{
		Code: "invalid_client", Status: http.StatusUnauthorized,
		Detail: "The client is unknown or its secret is wrong.",
	}
	errInvalidGrant = &hallpass.Error{
		Code: "invalid_grant", Status: http.StatusBadRequest,
		Detail: "The token is not valid, has expired, or was issued to another client.",
	}
	errUnsupportedGrant = &hallpass.Error{
		Code: "unsupported_grant_type", Status: http.StatusBadRequest,
		Detail: "The grant types are refresh_token and client_credentials.",
	}
	errInvalidScope = &hallpass.Error{
		Code: "invalid_scope", Status: http.StatusBadRequest,
		Detail: "The token cannot have this scope.",
	}
	// RFC 6749 has these two for authorization endpoints. Its token endpoints have none for them.
	errServer = &hallpass.Error{
		Code: "server_error", Status: http.StatusInternalServerError, Detail: hallpass.ErrInternal.Detail,
	}
	errTemporarily = &hallpass.Error{
		Code: "temporarily_unavailable", Status: http.StatusServiceUnavailable,
		Detail: "Wait as long as Retry-After says.",
	}
	errTooOften = &hallpass.Error{
		Code: errTemporarily.Code, Status: http.StatusTooManyRequests, Detail: errTemporarily.Detail,
	}
)

// oauthRefusals are all of them, for the document.
var oauthRefusals = []*hallpass.Error{
	errInvalidRequest, errInvalidClient, errInvalidGrant, errUnsupportedGrant, errInvalidScope, errServer,
	errTemporarily, errTooOften,
}

// inOAuth are refusals of the rest of the server, and what they are in RFC 6749.
var inOAuth = []struct{ ours, theirs *hallpass.Error }{
	{hallpass.ErrRefreshTokenInvalid, errInvalidGrant}, {hallpass.ErrRefreshTokenExpired, errInvalidGrant},
	{hallpass.ErrRefreshTokenReused, errInvalidGrant}, {hallpass.ErrInsufficientScope, errInvalidScope},
	{hallpass.ErrInvalidCredentials, errInvalidClient}, {hallpass.ErrRateLimited, errTooOften},
	{hallpass.ErrInternal, errServer}, {hallpass.ErrStoreUnavailable, errTemporarily},
	{hallpass.ErrOverloaded, errTemporarily},
	{hallpass.ErrMalformedRequest, errInvalidRequest}, {hallpass.ErrTooLarge, errInvalidRequest},
	{hallpass.ErrUnsupportedMediaType, errInvalidRequest},
}

// refusalsOfClients are those of a route that clients may ask with their secret, beside its own.
var refusalsOfClients = []*hallpass.Error{
	errInvalidRequest, errInvalidClient, errServer, errTemporarily, errTooOften,
}

// oauthError is a refusal as RFC 6749 §5.2 has it.
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// profile writes refusals: to clients of RFC 6749 as that has them, to all others as problem
// documents.
type profile struct{ hallpass.Problem }

// WriteError implements [hallpass.Profile].
func (p profile) WriteError(w http.ResponseWriter, r *http.Request, e *hallpass.Error) {
	if !speaksOAuth(r) {
		p.Problem.WriteError(w, r, e)
		return
	}
	h := w.Header()
	theirs := asOAuth(e)
	if theirs.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="client", charset="UTF-8"`)
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	if e.Limit != nil {
		e.Limit.SetFields(h)
	}
	text, err := json.Marshal(oauthError{theirs.Code, plain(theirs.Detail)})
	if err != nil {
		text = []byte(`{"error":"server_error"}`) // never: two strings
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache") // RFC 6749 §5.1
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(theirs.Status)
	_, _ = w.Write(text) // the client is gone; there is nobody to tell
}

// tokenPath is where refusals are those of RFC 6749, also before a route has the request.
const tokenPath = "/v1/token"

// speaksOAuth reports whether the sender of a request expects refusals of RFC 6749: at the token
// endpoint, and elsewhere if it authenticates as a client (RFC 7009 §2.2.1, RFC 7662 §2.3).
func speaksOAuth(r *http.Request) bool {
	return r.URL.Path == tokenPath && r.Method == http.MethodPost || recordOf(r.Context()).byClient
}

// asOAuth returns what a refusal is in RFC 6749.
func asOAuth(e *hallpass.Error) *hallpass.Error {
	for _, known := range inOAuth {
		if errors.Is(e, known.ours) && e.Status == known.ours.Status {
			theirs := *known.theirs
			if known.theirs == errInvalidGrant || known.theirs == errInvalidRequest {
				theirs.Detail = e.Detail
			}
			return &theirs
		}
	}
	for _, known := range oauthRefusals {
		if e.Code == known.Code {
			return e
		}
	}
	if e.Status >= http.StatusInternalServerError {
		return errServer
	}
	other := *errInvalidRequest // such as a method that the path does not take
	other.Status, other.Detail = e.Status, e.Detail
	return &other
}

// plain returns a text with only those characters that error_description may have (RFC 6749
// §5.2).
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\' || r > '~':
			return '\''
		case r < ' ':
			return ' '
		}
		return r
	}, text)
}

// oauthForm checks a form, as [request.ReadForm] returns it, by RFC 6749 §3.2: no parameter is repeated,
// and one without a value counts as left out. One that is not known is passed over.
func oauthForm(form url.Values, err error) (url.Values, error) {
	if err != nil {
		return nil, err
	}
	sent := url.Values{}
	for name, values := range form {
		if len(values) > 1 {
			return nil, errInvalidRequest.WithDetail("A parameter is repeated.")
		}
		if values[0] != "" {
			sent[name] = values
		}
	}
	return sent, nil
}

// credentialsOfClient are what a client authenticates with. Without a secret it only says who it is,
// if that.
type credentialsOfClient struct{ id, secret string }

// clientCredentials reads how a client authenticates: by HTTP Basic, where the ID and the secret are
// encoded as in forms, or by client_id and client_secret in the form, but not by both (RFC 6749
// §2.3.1).
func clientCredentials(r request, form url.Values) (c credentialsOfClient, err error) {
	fields := r.Header.Values("Authorization")
	switch {
	case form.Has("client_assertion") || form.Has("client_assertion_type"):
		return c, errInvalidClient.WithDetail("Clients authenticate by client_secret_basic or client_secret_post.")
	case len(fields) > 1:
		return c, errInvalidRequest.WithDetail("Send one Authorization field.")
	case len(fields) == 0:
		return credentialsOfClient{form.Get("client_id"), form.Get("client_secret")}, nil
	case !isBasic(r.Request):
		return c, errInvalidClient.WithDetail("Clients authenticate by HTTP Basic or in the form.")
	case form.Has("client_secret"):
		return c, errInvalidRequest.WithDetail("Send the secret by HTTP Basic or in the form, not by both.")
	}
	id, secret, ok := r.BasicAuth()
	if ok {
		var idErr, secretErr error
		c.id, idErr = url.QueryUnescape(id)
		c.secret, secretErr = url.QueryUnescape(secret)
		ok = idErr == nil && secretErr == nil
	}
	if !ok {
		return c, errInvalidClient.WithDetail("The Authorization field is not the HTTP Basic of RFC 6749.")
	}
	if form.Has("client_id") && form.Get("client_id") != c.id {
		return c, errInvalidRequest.WithDetail("The form and HTTP Basic name two clients.")
	}
	return c, nil
}

func isBasic(r *http.Request) bool {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Basic")
}
