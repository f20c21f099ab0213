package flaskjwtextended

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// aYear is the lifetime of persistent cookies in seconds, a year as the original counts it.
const aYear = 31540000

// SetCookies is set_access_cookies and set_refresh_cookies. It puts each token into the cookie of
// its type, which scripts cannot read, and its CSRF value into one that they can read.
func (a *Auth[U]) SetCookies(w http.ResponseWriter, tokens ...Token) {
	for _, t := range tokens {
		names := a.c.cookie(t.Refresh)
		a.setCookie(w, http.Cookie{Name: names.Name, Value: t.Text, Path: names.Path, HttpOnly: true})
		if a.csrfCookies() {
			a.setCookie(w, http.Cookie{Name: names.CSRFName, Value: t.CSRF, Path: names.CSRFPath})
		}
	}
}

// UnsetCookies is unset_jwt_cookies. It unsets the cookies of both types.
func (a *Auth[U]) UnsetCookies(w http.ResponseWriter) {
	a.UnsetAccessCookies(w)
	a.UnsetRefreshCookies(w)
}

// UnsetAccessCookies is unset_access_cookies.
func (a *Auth[U]) UnsetAccessCookies(w http.ResponseWriter) { a.unset(w, &a.c.AccessCookie) }

// UnsetRefreshCookies is unset_refresh_cookies.
func (a *Auth[U]) UnsetRefreshCookies(w http.ResponseWriter) { a.unset(w, &a.c.RefreshCookie) }

func (a *Auth[U]) unset(w http.ResponseWriter, names *CookieNames) {
	past := time.Unix(0, 0)
	a.writeCookie(w, http.Cookie{Name: names.Name, Path: names.Path, HttpOnly: true, Expires: past})
	if a.csrfCookies() {
		a.writeCookie(w, http.Cookie{Name: names.CSRFName, Path: names.CSRFPath, Expires: past})
	}
}

func (a *Auth[U]) csrfCookies() bool { return !a.c.AllowCookiesWithoutCSRF && !a.c.NoCSRFCookies }

func (a *Auth[U]) setCookie(w http.ResponseWriter, cookie http.Cookie) {
	if a.c.PersistentCookies {
		cookie.MaxAge, cookie.Expires = aYear, a.c.Now().Add(aYear*time.Second)
	}
	a.writeCookie(w, cookie)
}

var sameSites = map[http.SameSite]string{
	http.SameSiteLaxMode:    "Lax",
	http.SameSiteStrictMode: "Strict",
	http.SameSiteNoneMode:   "None",
}

// writeCookie writes the attributes in Werkzeug's order, so that answers can be compared byte by
// byte. New has checked the name, path and domain. The value is a token, a UUID or empty.
func (a *Auth[U]) writeCookie(w http.ResponseWriter, cookie http.Cookie) {
	attributes := []string{cookie.Name + "=" + cookie.Value}
	add := func(condition bool, attribute string) {
		if condition {
			attributes = append(attributes, attribute)
		}
	}
	add(a.c.CookieDomain != "", "Domain="+a.c.CookieDomain)
	add(!cookie.Expires.IsZero(), "Expires="+cookie.Expires.UTC().Format(http.TimeFormat))
	add(cookie.MaxAge > 0, "Max-Age="+strconv.Itoa(cookie.MaxAge))
	add(!a.c.InsecureCookies, "Secure")
	add(cookie.HttpOnly, "HttpOnly")
	add(true, "Path="+cookie.Path)
	sameSite := sameSites[a.c.CookieSameSite]
	add(sameSite != "", "SameSite="+sameSite)
	w.Header().Add("Set-Cookie", strings.Join(attributes, "; "))
	w.Header().Set("Cache-Control", "no-store")
}
