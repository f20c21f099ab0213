package hallpass

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// TokenSource is a place in a request that may hold an access token. ([golang.org/x/oauth2] uses
// this name for what supplies a client with tokens; this one is for servers.)
type TokenSource struct {
	find  func(*http.Request) (token string, found bool, err error)
	query string // the parameter of [FromQuery]
	field string // the header field that holds the token
}

// vary returns the header fields that an answer depends on (RFC 9110 §12.5.5).
func vary(sources []TokenSource) string {
	var fields []string
	for _, s := range sources {
		if s.field != "" && !slices.Contains(fields, s.field) {
			fields = append(fields, s.field)
		}
	}
	return strings.Join(fields, ", ")
}

// FromHeader finds the token in a header field, after a scheme ("Bearer") in any letter case. With
// an empty scheme the whole value is the token. A field with another scheme counts as absent; a
// repeated field is refused.
func FromHeader(name, scheme string) TokenSource {
	key := http.CanonicalHeaderKey(name)
	return TokenSource{field: key, find: func(r *http.Request) (string, bool, error) {
		values := r.Header[key]
		if len(values) > 1 {
			return "", false, ErrMalformedRequest.WithDetail(
				"The request has more than one " + key + " field. Send one.",
			)
		}
		if len(values) == 0 || values[0] == "" {
			return "", false, nil
		}
		if scheme == "" {
			return values[0], true, nil
		}
		// RFC 9110 §11.1: the scheme is case-insensitive and followed by spaces.
		word, rest, _ := strings.Cut(values[0], " ")
		if !strings.EqualFold(word, scheme) {
			return "", false, nil
		}
		return strings.TrimLeft(rest, " "), true, nil
	}}
}

// FromCookie finds the token in a cookie. Browsers send cookies by themselves, so a cross-origin
// request from a browser is refused with [ErrCrossOrigin] unless its method is safe
// ([http.CrossOriginProtection]). Name the cookie "__Host-…" and set Secure, HttpOnly and SameSite
// on it.
func FromCookie(name string) TokenSource {
	protection := http.NewCrossOriginProtection()
	return TokenSource{field: "Cookie", find: func(r *http.Request) (string, bool, error) {
		cookies := r.CookiesNamed(name)
		switch {
		case len(cookies) == 0 || cookies[0].Value == "":
			return "", false, nil
		case len(cookies) > 1:
			return "", false, ErrMalformedRequest.WithDetail(
				"The request has more than one cookie named " + name + ".",
			)
		}
		if err := protection.Check(r); err != nil {
			return "", false, ErrCrossOrigin.Because(err)
		}
		return cookies[0].Value, true, nil
	}}
}

// FromQuery finds the token in a query parameter. URLs end up in logs, histories and Referer
// fields, so RFC 9700 §4.3.2 forbids this; use it only for clients that know no other way.
func FromQuery(parameter string) TokenSource {
	return TokenSource{query: parameter, find: func(r *http.Request) (string, bool, error) {
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return "", false, ErrMalformedRequest.WithDetail("The query of the URL is malformed.").Because(err)
		}
		return single(values[parameter], parameter)
	}}
}

// FromForm finds the token in a form body (application/x-www-form-urlencoded; RFC 6750 §2.2). It
// reads at most 64 KiB of the body.
func FromForm(parameter string) TokenSource {
	return TokenSource{find: func(r *http.Request) (string, bool, error) {
		r.Body = http.MaxBytesReader(nil, r.Body, maxBody)
		if err := r.ParseForm(); err != nil {
			return "", false, bodyError(err)
		}
		return single(r.PostForm[parameter], parameter)
	}}
}

func single(values []string, parameter string) (string, bool, error) {
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", false, nil
	case len(values) > 1:
		return "", false, ErrMalformedRequest.WithDetail("The request has more than one " + parameter + ".")
	}
	return values[0], true, nil
}

// findToken returns the one token of a request. A client must not send two (RFC 6750 §2).
func findToken(r *http.Request, sources []TokenSource) (string, error) {
	var token string
	var seen bool
	for _, s := range sources {
		t, found, err := s.find(r)
		if err != nil {
			return "", err
		}
		if found && seen {
			return "", ErrMalformedRequest.WithDetail("The request holds more than one access token. Send one.")
		}
		if found {
			token, seen = t, true
		}
	}
	if !seen {
		return "", ErrTokenMissing
	}
	return token, nil
}
