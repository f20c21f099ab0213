package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// browserSettings are those for pages in browsers.
type browserSettings struct {
	CORSOrigin      []string `name:"cors-origin" placeholder:"ORIGIN" help:"${cors_origin}"`
	BrowserCookies  bool     `help:"${browser_cookies}"`
	SecurityContact string   `placeholder:"URL" help:"${security_contact}"`
}

func (c browserSettings) mistakes() (mistakes []error) {
	for _, origin := range c.CORSOrigin {
		if !isOrigin(origin) {
			mistakes = append(mistakes, fmt.Errorf(
				"--cors-origin: %q is not an origin like https://app.example: name each one as browsers write it, "+
					"in small letters, without a path, and with xn-- for letters beyond ASCII", origin))
		}
	}
	if c.SecurityContact != "" && !isContact(c.SecurityContact) {
		mistakes = append(mistakes, fmt.Errorf(
			"--security-contact: %q is not a URL like mailto:security@example.com", c.SecurityContact))
	}
	return mistakes
}

// isOrigin reports whether text is an origin as browsers write it (RFC 6454 §6.2). Neither "*" nor
// "null" is one: every page can have those.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" &&
		!strings.Contains(u.Host, "*") && u.Scheme+"://"+strings.ToLower(u.Host) == text &&
		!(u.Scheme == "https" && u.Port() == "443") && !(u.Scheme == "http" && u.Port() == "80") &&
		isPort(u) && !strings.ContainsFunc(text, func(c rune) bool { return c > unicode.MaxASCII })
}

// isPort reports whether a URL has no port, or one as browsers write it.
func isPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && strconv.FormatUint(port, 10) == u.Port()
}

// isContact reports whether text is a URL by which somebody can be reached (RFC 9116 §2.5.3). A space
// would end it.
func isContact(text string) bool {
	u, err := url.Parse(text)
	if err != nil || strings.ContainsAny(text, " \t\r\n") {
		return false
	}
	switch u.Scheme {
	case "https":
		return u.Hostname() != ""
	case "mailto", "tel":
		return u.Opaque != ""
	}
	return false
}
