package main

import (
	"fmt"
	"net/url"
	"strings"
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
				"--cors-origin: %q is not an origin like https://app.example: name each one, without a path", origin))
		}
	}
	contact, err := url.Parse(c.SecurityContact)
	if c.SecurityContact != "" && (err != nil || contact.Scheme != "mailto" && contact.Scheme != "https" &&
		contact.Scheme != "tel" || strings.ContainsAny(c.SecurityContact, "\r\n")) {
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
		!strings.Contains(u.Host, "*") && strings.EqualFold(u.Scheme+"://"+u.Host, text) &&
		!(u.Scheme == "https" && u.Port() == "443") && !(u.Scheme == "http" && u.Port() == "80") &&
		!strings.HasSuffix(u.Host, ":")
}
