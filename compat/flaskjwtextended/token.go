package flaskjwtextended

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/hallpass-go/hallpass/compat/internal/pyjwt"
	"github.com/hallpass-go/hallpass/jwk"
)

// Token is a verified token.
type Token struct {
	Identity string            // the IdentityClaim
	ID       string            // jti
	Type     string            // "access" or "refresh"
	Claims   map[string]string // all claims, each as its JSON text
	Header   map[string]string // likewise
	Location Location          // where the request had it
}

// String returns a claim that is a string.
func (t Token) String(claim string) (string, bool) { return pyjwt.Members(t.Claims).String(claim) }

// TokenOptions are what a token is to be beside its defaults.
type TokenOptions struct {
	// Fresh makes an access token fresh: its user has just logged in with a password. Defaults to not.
	Fresh bool
	// FreshFor makes it fresh for so long. Defaults to as long as it lives.
	FreshFor time.Duration
	// Expires is its lifetime; [Never] for none. Defaults to AccessExpires or RefreshExpires.
	Expires time.Duration
	// Claims are additional_claims. They come after the token's own, and replace them.
	Claims map[string]any
}

// AccessToken makes an access token (create_access_token).
func (m *Manager[U]) AccessToken(identity string, o TokenOptions) (string, error) {
	return m.token("access", identity, orElse(o.Expires, m.c.AccessExpires), o)
}

// RefreshToken makes a refresh token (create_refresh_token), which is never fresh.
func (m *Manager[U]) RefreshToken(identity string, o TokenOptions) (string, error) {
	o.Fresh, o.FreshFor = false, 0
	return m.token("refresh", identity, orElse(o.Expires, m.c.RefreshExpires), o)
}

func (m *Manager[U]) token(kind, identity string, expires time.Duration, o TokenOptions) (string, error) {
	if identity == "" {
		return "", errors.New("flaskjwtextended: a token needs an identity")
	}
	now := m.c.Now().Truncate(time.Second)
	claims := map[string]any{"fresh": o.Fresh, "iat": now.Unix(), "jti": uuid4(), "type": kind, "csrf": uuid4(), m.c.IdentityClaim: identity}
	if o.FreshFor != 0 {
		claims["fresh"] = now.Add(o.FreshFor).Unix()
	}
	if !m.c.WithoutNotBefore {
		claims["nbf"] = now.Unix()
	}
	if expires != Never {
		claims["exp"] = now.Add(expires).Unix()
	}
	if m.c.Audience != "" {
		claims["aud"] = m.c.Audience
	}
	if m.c.Issuer != "" {
		claims["iss"] = m.c.Issuer
	}
	maps.Copy(claims, o.Claims)
	header := struct {
		Algorithm jwk.Algorithm `json:"alg"`
		Type      string        `json:"typ"`
	}{m.key.Algorithm(), "JWT"}
	return pyjwt.Encode(m.key, header, claims)
}

// uuid4 returns a random UUID (RFC 9562 §5.4).
func uuid4() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// CSRFToken returns the value that a request with this token in a cookie must send beside it (get_csrf_token).
func (m *Manager[U]) CSRFToken(token string) (string, error) {
	read, err := m.decoder.Decode(token, m.c.Now())
	if err != nil {
		return "", err
	}
	csrf, isText := read.Claims.String("csrf")
	if !isText {
		return "", errors.New("flaskjwtextended: the token has no csrf")
	}
	return csrf, nil
}

// isFresh reports whether a token is: "fresh" is true, or a time that has not come.
func (t Token) isFresh(now time.Time) bool {
	if t.Claims["fresh"] == "true" {
		return true
	}
	until, err := strconv.ParseFloat(t.Claims["fresh"], 64)
	return err == nil && until >= float64(now.UnixMilli())/1000
}

// SetAccessCookies puts an access token into its cookie, and its CSRF value into another (set_access_cookies).
func (m *Manager[U]) SetAccessCookies(w http.ResponseWriter, token string) error {
	c := m.c.Cookie
	return m.setCookies(w, token, [2]string{c.AccessName, c.AccessCSRFName}, c.AccessPath)
}

// SetRefreshCookies puts a refresh token into its cookie, and its CSRF value into another (set_refresh_cookies).
func (m *Manager[U]) SetRefreshCookies(w http.ResponseWriter, token string) error {
	c := m.c.Cookie
	return m.setCookies(w, token, [2]string{c.RefreshName, c.RefreshCSRFName}, c.RefreshPath)
}

func (m *Manager[U]) setCookies(w http.ResponseWriter, token string, names [2]string, path string) error {
	csrf, err := m.CSRFToken(token)
	if err != nil {
		return err
	}
	lifetime := 0
	if m.c.Cookie.Lasting {
		lifetime = 31540000 // a year, as the original counts it
	}
	http.SetCookie(w, m.cookie(names[0], token, path, lifetime, true))
	if !m.c.Cookie.WithoutCSRFCookies {
		http.SetCookie(w, m.cookie(names[1], csrf, "/", lifetime, false))
	}
	return nil
}

// UnsetCookies has a browser forget all four cookies (unset_jwt_cookies).
func (m *Manager[U]) UnsetCookies(w http.ResponseWriter) {
	c := m.c.Cookie
	http.SetCookie(w, m.cookie(c.AccessName, "", c.AccessPath, -1, true))
	http.SetCookie(w, m.cookie(c.RefreshName, "", c.RefreshPath, -1, true))
	if !c.WithoutCSRFCookies {
		http.SetCookie(w, m.cookie(c.AccessCSRFName, "", "/", -1, false))
		http.SetCookie(w, m.cookie(c.RefreshCSRFName, "", "/", -1, false))
	}
}

func (m *Manager[U]) cookie(name, value, path string, lifetime int, hidden bool) *http.Cookie {
	sameSite := http.SameSiteLaxMode
	if m.c.Cookie.Strict {
		sameSite = http.SameSiteStrictMode
	}
	return &http.Cookie{
		Name: name, Value: value, Path: path, Domain: m.c.Cookie.Domain, MaxAge: lifetime, Secure: !m.c.Cookie.Insecure, HttpOnly: hidden, SameSite: sameSite,
	}
}

// writeMessage writes as Flask's jsonify does.
func (m *Manager[U]) writeMessage(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(map[string]string{m.c.ErrorMessageKey: text})
}
