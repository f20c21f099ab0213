package flaskjwtextended

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/hallpass-go/hallpass/compat/internal/pyjwt"
)

// maxPeek is how many bytes of a body are read in search of a token.
const maxPeek = 1 << 20

// find returns the token at a location and the CSRF value that came with it. The failure says if
// the token is absent.
func (a *Auth[U]) find(r *http.Request, at Location, refresh bool) (token, csrf string, failed *Failure) {
	switch at {
	case Cookies:
		return a.inCookies(r, refresh)
	case QueryString:
		token, failed = a.inQuery(r)
	case JSON:
		token, failed = a.inJSON(r, refresh)
	default:
		token, failed = a.inHeader(r)
	}
	return token, "", failed
}

func blank(r rune) bool { return r == ' ' || '\t' <= r && r <= '\r' }

// inHeader reads the token from the header. The header may list several fields, one of which has
// the right type. The type is case-sensitive.
func (a *Auth[U]) inHeader(r *http.Request) (string, *Failure) {
	name, kind := a.c.HeaderName, a.c.HeaderType
	value := strings.Trim(strings.TrimFunc(strings.Join(r.Header.Values(name), ","), blank), ",")
	if value == "" {
		return "", absent("Missing " + name + " Header")
	}
	if a.c.BareHeader {
		parts := strings.FieldsFunc(value, blank)
		if len(parts) != 1 {
			return "", invalid(fmt.Sprintf("Bad %s header. Expected '%s: <JWT>'", name, name))
		}
		return parts[0], nil
	}
	var fields [][]string
	for field := range strings.SplitSeq(value, ",") {
		if parts := strings.FieldsFunc(field, blank); len(parts) > 0 && parts[0] == kind {
			fields = append(fields, parts)
		}
	}
	if len(fields) != 1 {
		return "", absent(
			fmt.Sprintf("Missing '%s' type in '%s' header. Expected '%s: %s <JWT>'", kind, name, name, kind),
		)
	}
	if len(fields[0]) != 2 {
		return "", invalid(fmt.Sprintf("Bad %s header. Expected '%s: %s <JWT>'", name, name, kind))
	}
	return fields[0][1], nil
}

// cookie returns the names for one type of token.
func (c *Config[U]) cookie(refresh bool) *CookieNames {
	if refresh {
		return &c.RefreshCookie
	}
	return &c.AccessCookie
}

func (a *Auth[U]) inCookies(r *http.Request, refresh bool) (token, csrf string, failed *Failure) {
	names := a.c.cookie(refresh)
	cookie, err := r.Cookie(names.Name)
	if err != nil || cookie.Value == "" {
		return "", "", absent(fmt.Sprintf(`Missing cookie "%s"`, names.Name))
	}
	if a.c.AllowCookiesWithoutCSRF || !slices.Contains(a.c.CSRFMethods, r.Method) {
		return cookie.Value, "", nil
	}
	csrf = r.Header.Get(names.CSRFHeader)
	if csrf == "" && a.c.CSRFForm {
		csrf = formValue(r, names.CSRFField)
	}
	if csrf == "" {
		return "", "", unauthorized("Missing CSRF token")
	}
	return cookie.Value, csrf, nil
}

func (a *Auth[U]) inQuery(r *http.Request) (string, *Failure) {
	value := queryValue(r.URL.RawQuery, a.c.QueryName)
	if value == "" {
		return "", absent(fmt.Sprintf("Missing '%s' query paramater", a.c.QueryName)) // sic
	}
	token, ok := strings.CutPrefix(value, a.c.QueryPrefix)
	if !ok {
		return "", invalid(
			fmt.Sprintf(
				"Invalid value for query parameter '%s'. Expected the value to start with '%s'",
				a.c.QueryName,
				a.c.QueryPrefix,
			),
		)
	}
	return token, nil
}

// queryValue returns the first value of a parameter as Werkzeug reads it. Escapes that cannot be
// decoded stay unchanged. So a damaged token is invalid and not missing, since an optional route
// would accept a missing one.
func queryValue(query, name string) string {
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if pair != "" && unescape(key) == name {
			return unescape(value)
		}
	}
	return ""
}

var escape = regexp.MustCompile("%[0-9A-Fa-f]{2}")

func unescape(text string) string {
	text = strings.ReplaceAll(text, "+", " ")
	return escape.ReplaceAllStringFunc(text, func(escaped string) string {
		b, _ := hex.DecodeString(escaped[1:]) // the pattern ensures two digits
		return string(b)
	})
}

func (a *Auth[U]) inJSON(r *http.Request, refresh bool) (string, *Failure) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil ||
		mediaType != "application/json" &&
			!(strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json")) {
		return "", absent("Invalid content-type. Must be application/json.")
	}
	name := a.c.JSONKey
	if refresh {
		name = a.c.RefreshJSONKey
	}
	missing := absent(fmt.Sprintf(`Missing "%s" key in json data.`, name))
	members, err := pyjwt.ReadObject(string(peek(r)))
	if err != nil {
		return "", missing
	}
	token, isText := members.String(name)
	switch {
	case isText && token != "":
		return token, nil
	case slices.Contains([]string{"", `""`, "null", "false", "0", "[]", "{}"}, members[name]):
		return "", missing
	}
	return "", invalid("Invalid token type. Token must be a <class 'bytes'>")
}

// peeked is a body whose beginning was read but can be read again.
type peeked struct {
	io.Reader
	io.Closer
}

// peek returns the beginning of a body, which can still be read in full.
func peek(r *http.Request) []byte {
	if r.Body == nil {
		return nil
	}
	// An error occurs again when the body is read further.
	beginning, _ := io.ReadAll(io.LimitReader(r.Body, maxPeek))
	r.Body = peeked{io.MultiReader(bytes.NewReader(beginning), r.Body), r.Body}
	return beginning
}

// formValue returns a form field without parsing the form, since the handler needs the body.
func formValue(r *http.Request, name string) string {
	mediaType, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil:
		return ""
	case mediaType == "application/x-www-form-urlencoded":
		values, _ := url.ParseQuery(string(peek(r))) // uses what can be parsed
		return values.Get(name)
	case mediaType != "multipart/form-data" || parameters["boundary"] == "":
		return ""
	}
	parts := multipart.NewReader(bytes.NewReader(peek(r)), parameters["boundary"])
	for {
		part, err := parts.NextPart()
		if err != nil {
			return ""
		}
		if part.FormName() == name && part.FileName() == "" {
			value, _ := io.ReadAll(io.LimitReader(part, maxCSRF))
			return string(value)
		}
	}
}

// maxCSRF is more than the length of any CSRF value.
const maxCSRF = 1 << 10
