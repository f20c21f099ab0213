package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/hallpass-go/hallpass"
)

// A page of the same site can leave its refresh token to the browser: in a cookie that no script can
// read. It asks for that with a field of the request, which a form or a link of another site cannot
// set, and keeps the access token in memory.

const (
	sessionMode   = "Session-Mode" // the request's field
	inCookie      = "cookie"       // its value
	refreshCookie = "__Host-hallpass-refresh"
)

// errCrossOrigin refuses what a page of another origin asks the browser's cookie for.
var errCrossOrigin = &hallpass.Error{
	Code: "cross_origin", Status: http.StatusForbidden,
	Detail: "This page's origin may not use the session cookie. The server's --cors-origin names those that may.",
}

// cookieUse is what a route has to do with refresh tokens, and so with the cookie.
type cookieUse int

const (
	noCookie   cookieUse = iota
	givesToken           // in its answer
	takesToken           // from the request, and perhaps gives another
)

// withCookie returns a line of the table whose route uses the cookie, if the request asks for it.
func (s *Server) withCookie(line row) row {
	switch {
	case line.Cookie == noCookie:
		return line
	case !s.c.BrowserCookies:
		return withoutCookie(line)
	}
	line.Refuses = refuse(line.Refuses, errCrossOrigin)
	takes := line.Cookie == takesToken
	if takes {
		line.Takes = line.Takes.OrNone() // the cookie may have the token
	}
	serve := line.Serve
	line.Serve = func(r request) (answer, error) {
		mode := r.Header.Values(sessionMode)
		switch {
		case len(mode) == 0:
			return serve(r)
		case len(mode) > 1 || mode[0] != inCookie:
			return answer{}, hallpass.ErrMalformedRequest.WithDetail(sessionMode + " is cookie, or left out.")
		case s.sameOrigin.Check(r.Request) != nil:
			return answer{}, errCrossOrigin
		}
		rec := recordOf(r.Context())
		if takes {
			var err error
			if r.Request, err = fromCookie(r.Request); err != nil {
				return answer{}, dropCookie(rec, err)
			}
		}
		a, err := serve(r)
		switch {
		case err == nil:
			return toCookie(rec, a, takes), nil
		case takes:
			err = dropCookie(rec, err)
		}
		return answer{}, err
	}
	return line
}

// dropCookie removes the cookie if err says that it is good for nothing, and returns err.
func dropCookie(w http.ResponseWriter, err error) error {
	if refused, ok := errors.AsType[*hallpass.Error](err); ok && refused.Status == http.StatusUnauthorized {
		setCookie(w, "", 0)
	}
	return err
}

// withoutCookie returns a line that refuses who asks for the cookie, which this server does not give:
// a script could read the token in the body, and the page has asked that none can.
func withoutCookie(line row) row {
	serve := line.Serve
	line.Serve = func(r request) (answer, error) {
		if r.Header[sessionMode] != nil {
			return answer{}, hallpass.ErrMalformedRequest.WithDetail("This server gives no session cookies. " +
				"Leave " + sessionMode + " out, or start the server with --browser-cookies.")
		}
		return serve(r)
	}
	return line
}

// fromCookie returns the request with the refresh token of the cookie in its body, and without an
// access token: the cookie says which session it is about.
func fromCookie(r *http.Request) (*http.Request, error) {
	if r.ContentLength != 0 {
		return nil, hallpass.ErrMalformedRequest.WithDetail("The refresh token is in the cookie. Send no body with it.")
	}
	cookies := r.CookiesNamed(refreshCookie)
	if len(cookies) != 1 {
		return nil, hallpass.ErrRefreshTokenInvalid.WithDetail("There is no session cookie. Log in again.")
	}
	body, err := json.Marshal(map[string]string{"refresh_token": cookies[0].Value})
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Content-Type", "application/json")
	r.Header.Del("Authorization")
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return r, nil
}

// toCookie moves the refresh token of an answer into the cookie. If the route takes one and answers
// without, the session has ended.
func toCookie(w http.ResponseWriter, a answer, takes bool) answer {
	switch body := a.Body.(type) {
	case hallpass.Tokens:
		setCookie(w, body.RefreshToken, body.RefreshExpiresIn)
		body.RefreshToken = ""
		a.Body = body
	case changedDocument:
		setCookie(w, body.Tokens.RefreshToken, body.Tokens.RefreshExpiresIn)
		body.Tokens.RefreshToken = ""
		a.Body = body
	default:
		if takes {
			setCookie(w, "", 0)
		}
	}
	return a
}

// setCookie sets the cookie, or removes it if the token is empty.
func setCookie(w http.ResponseWriter, token string, life time.Duration) {
	c := http.Cookie{
		Name: refreshCookie, Value: token, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		MaxAge: int(life / time.Second),
	}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, &c)
}
