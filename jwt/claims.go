package jwt

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/strictjson"
)

// TypeAccess is the type of an access token (RFC 9068 §2.1).
const TypeAccess = "at+jwt"

// Claims are the registered claims of an access token: RFC 7519 §4.1 and RFC 9068 §2.2, with the
// session ("sid") and the roles. Times have the resolution of a second when signed; a fraction is read and kept.
type Claims struct {
	Issuer    string    // iss
	Subject   string    // sub
	Audience  []string  // aud: a string when there is one, an array otherwise
	ExpiresAt time.Time // exp
	NotBefore time.Time // nbf; zero when absent
	IssuedAt  time.Time // iat
	ID        string    // jti
	ClientID  string    // client_id; empty when absent
	SessionID string    // sid; empty when absent
	AuthTime  time.Time // auth_time; zero when absent
	Scopes    []string  // scope, split at its spaces
	Roles     []string  // roles
}

// reader reads the claims of one payload. The first claim that does not fit is the error; the scan goes on, since a payload
// that is no JSON is a different mistake.
type reader struct {
	strictjson.Scanner
	names []string // of all the lists, in one piece of memory
	err   error
}

func (r *reader) misfit(err *Error) {
	if r.err == nil {
		r.err = err
	}
}

// readClaims reads the registered claims of a payload. A claim of the wrong type is a failure, never "absent".
func readClaims(payload string) (Claims, error) {
	var c Claims
	r := reader{Scanner: strictjson.NewScanner(payload)}
	members := r.Object()
	for name, ok := members.Next(&r.Scanner); ok; name, ok = members.Next(&r.Scanner) {
		r.claim(&c, name)
	}
	if r.End() != nil {
		return Claims{}, errPayloadJSON
	}
	if r.err != nil {
		return Claims{}, r.err
	}
	if err := required(&c); err != nil {
		return Claims{}, err
	}
	return c, nil
}

func (r *reader) claim(c *Claims, name string) {
	switch name {
	case "iss":
		c.Issuer = r.plain(errIssClaim)
	case "sub":
		c.Subject = r.plain(errSubClaim)
	case "aud":
		c.Audience = r.audience()
	case "exp":
		c.ExpiresAt = r.date(errExpClaim)
	case "nbf":
		c.NotBefore = r.date(errNbfClaim)
	case "iat":
		c.IssuedAt = r.date(errIatClaim)
	case "jti":
		c.ID = r.plain(errJtiClaim)
	case "client_id":
		c.ClientID = r.plain(errClientClaim)
	case "sid":
		c.SessionID = r.plain(errSidClaim)
	case "auth_time":
		c.AuthTime = r.date(errAuthTimeClaim)
	case "scope":
		c.Scopes = r.scopes()
	case "roles":
		c.Roles = r.list(errRolesClaim)
	default:
		r.Skip()
	}
}

func required(c *Claims) error {
	switch {
	case c.Issuer == "":
		return errIssClaim
	case c.Subject == "":
		return errSubClaim
	case len(c.Audience) == 0:
		return errAudClaim
	case c.ExpiresAt.IsZero():
		return errExpClaim
	case c.IssuedAt.IsZero():
		return errIatClaim
	case c.ID == "":
		return errJtiClaim
	}
	return nil
}

// plain reads a string that is not empty and holds no control characters: it ends up in logs, headers and look-ups.
func (r *reader) plain(misfit *Error) string {
	value, ok := stringOrSkip(&r.Scanner)
	if !ok || !isPlain(value) {
		r.misfit(misfit)
	}
	return value
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

func (r *reader) audience() []string {
	if r.Kind() != '"' {
		return r.list(errAudClaim)
	}
	return r.keep(r.plain(errAudClaim))
}

// keep adds names to the list in memory and returns them as a slice of their own.
func (r *reader) keep(names ...string) []string {
	if r.names == nil {
		r.names = make([]string, 0, 8)
	}
	start := len(r.names)
	r.names = append(r.names, names...)
	return r.names[start:len(r.names):len(r.names)]
}

func (r *reader) list(misfit *Error) []string {
	if r.Kind() != '[' {
		r.Skip()
		r.misfit(misfit)
		return nil
	}
	r.keep()
	start := len(r.names)
	elements := r.Array()
	for elements.Next(&r.Scanner) {
		r.keep(r.plain(misfit))
	}
	return r.names[start:len(r.names):len(r.names)]
}

// scopes reads RFC 6749 §3.3: printable ASCII without quotes and backslashes, a space between.
func (r *reader) scopes() []string {
	text, ok := stringOrSkip(&r.Scanner)
	if !ok {
		r.misfit(errScopeClaim)
		return nil
	}
	r.keep()
	start := len(r.names)
	for text != "" {
		scope, rest, more := strings.Cut(text, " ")
		if !isScope(scope) || more && rest == "" {
			r.misfit(errScopeClaim)
			return nil
		}
		r.keep(scope)
		text = rest
	}
	return r.names[start:len(r.names):len(r.names)]
}

func isScope(s string) bool {
	for i := range len(s) {
		if s[i] <= 0x20 || s[i] >= 0x7f || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return s != ""
}

// maxDate is the last second of the year 9999, beyond which RFC 3339 has no way to write a time.
const maxDate = 253402300799

// date reads a NumericDate (RFC 7519 §2): seconds since 1970, perhaps with a fraction.
func (r *reader) date(misfit *Error) time.Time {
	if r.Kind() != '0' {
		r.Skip()
		r.misfit(misfit)
		return time.Time{}
	}
	text, ok := r.Number()
	if !ok {
		return time.Time{}
	}
	if seconds, ok := wholeSeconds(text); ok {
		return time.Unix(seconds, 0)
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds < 0 || seconds > maxDate {
		r.misfit(misfit)
		return time.Time{}
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9))
}

// wholeSeconds reads the usual form: up to eleven digits.
func wholeSeconds(text string) (int64, bool) {
	var seconds int64
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' || i == 11 {
			return 0, false
		}
		seconds = seconds*10 + int64(text[i]-'0')
	}
	return seconds, true
}
