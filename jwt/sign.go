package jwt

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/hallpass-go/hallpass/internal/base64url"
	"github.com/hallpass-go/hallpass/internal/strictjson"
	"github.com/hallpass-go/hallpass/jwk"
)

// registered are the claims that custom members cannot take (RFC 7519 §4.1, RFC 9068 §2.2), in the order in which they are written.
var registered = [12]string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "sid", "auth_time", "scope", "roles"}

// Sign returns a token in compact form: header alg, typ and kid, then the claims, then the members of custom (a struct, or nil for none),
// none of which may have a registered claim's name. It refuses to sign what no [Verifier] would take. Times are cut to whole seconds.
func Sign(key jwk.SigningKey, typ string, c Claims, custom any) (string, error) {
	w := writers.Get().(*writer)
	defer writers.Put(w)
	w.err = nil
	if w.key != key || w.typ != typ {
		w.header(key, typ)
	}
	w.text = w.text[:0]
	w.claims(&c)
	w.custom(custom)
	if w.err != nil {
		w.key = nil
		return "", w.err
	}
	length := len(w.head) + base64url.EncodedLen(len(w.text))
	token := make([]byte, 0, length+1+base64url.EncodedLen(64)) // 64 bytes of signature, or more with RSA
	token = append(token, w.head...)
	token = base64url.AppendEncode(token, w.text)
	signature, err := key.Sign(token)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	token = append(token, '.')
	token = base64url.AppendEncode(token, signature)
	if len(token) > maxToken {
		return "", fmt.Errorf("jwt: a token of %d bytes; no verifier takes more than %d", len(token), maxToken)
	}
	return unsafe.String(unsafe.SliceData(token), len(token)), nil // it is not written to again
}

// writer writes the header and the claims, and refuses values that a verifier would. It is used again and again, mostly with
// the same key, so it keeps the header.
type writer struct {
	key  jwk.SigningKey
	typ  string
	head []byte // the header of key and typ as it stands in a token, with its dot
	text []byte // what is being written
	err  error
}

var writers = sync.Pool{New: func() any { return &writer{text: make([]byte, 0, 1024)} }}

func (w *writer) header(key jwk.SigningKey, typ string) {
	w.text = w.text[:0]
	w.member(`{"alg":`, string(key.Algorithm()))
	w.member(`,"typ":`, typ)
	w.member(`,"kid":`, key.ID())
	w.text = append(w.text, '}')
	w.head = append(base64url.AppendEncode(w.head[:0], w.text), '.')
	w.key, w.typ = key, typ
}

func (w *writer) claims(c *Claims) {
	w.member(`{"iss":`, c.Issuer)
	w.member(`,"sub":`, c.Subject)
	if len(c.Audience) == 1 {
		w.member(`,"aud":`, c.Audience[0])
	} else if len(c.Audience) > 1 {
		w.list(`,"aud":`, c.Audience)
	} else {
		w.refuse("aud", "is empty")
	}
	w.date(`,"exp":`, c.ExpiresAt)
	if !c.NotBefore.IsZero() {
		w.date(`,"nbf":`, c.NotBefore)
	}
	w.date(`,"iat":`, c.IssuedAt)
	w.member(`,"jti":`, c.ID)
	if c.ClientID != "" {
		w.member(`,"client_id":`, c.ClientID)
	}
	if c.SessionID != "" {
		w.member(`,"sid":`, c.SessionID)
	}
	if !c.AuthTime.IsZero() {
		w.date(`,"auth_time":`, c.AuthTime)
	}
	if c.Scopes != nil {
		w.scopes(c.Scopes)
	}
	if c.Roles != nil {
		w.list(`,"roles":`, c.Roles)
	}
	w.text = append(w.text, '}')
}

// refuse notes the first mistake. The name is as it is written: in quotes, between a comma and a colon.
func (w *writer) refuse(name, problem string) {
	if w.err == nil {
		w.err = fmt.Errorf("jwt: %s %s", strings.Trim(name, `{,:`), problem)
	}
}

// member writes a string, which may not be empty.
func (w *writer) member(name, value string) {
	w.text = append(w.text, name...)
	w.string(name, value)
}

func (w *writer) string(name, value string) {
	w.text = append(w.text, '"')
	switch {
	case value != "" && strictjson.IsPlain(value):
		w.text = append(w.text, value...)
	case !isPlain(value) || !utf8.ValidString(value):
		w.refuse(name, "is empty, or holds control characters or invalid UTF-8")
	default:
		for i := range len(value) {
			if value[i] == '"' || value[i] == '\\' {
				w.text = append(w.text, '\\')
			}
			w.text = append(w.text, value[i])
		}
	}
	w.text = append(w.text, '"')
}

func (w *writer) list(name string, values []string) {
	w.text = append(append(w.text, name...), '[')
	for i, value := range values {
		if i > 0 {
			w.text = append(w.text, ',')
		}
		w.string(name, value)
	}
	w.text = append(w.text, ']')
}

// scopes writes RFC 6749 §3.3's list.
func (w *writer) scopes(scopes []string) {
	w.text = append(w.text, `,"scope":"`...)
	for i, scope := range scopes {
		if !isScope(scope) {
			w.refuse("scope", "has one that is empty or holds what RFC 6749 §3.3 forbids")
		}
		if i > 0 {
			w.text = append(w.text, ' ')
		}
		w.text = append(w.text, scope...)
	}
	w.text = append(w.text, '"')
}

func (w *writer) date(name string, t time.Time) {
	seconds := t.Unix()
	if seconds < 0 || seconds > maxDate {
		w.refuse(name, "must be set, to a time from 1970 to 9999")
	}
	w.text = strconv.AppendInt(append(w.text, name...), seconds, 10)
}

// custom adds the members of the application's own claims to the object that was just written.
func (w *writer) custom(custom any) {
	if custom == nil || custom == struct{}{} {
		return
	}
	text, err := json.Marshal(custom)
	if err != nil {
		w.err = fmt.Errorf("encoding custom claims: %w", err)
		return
	}
	s := strictjson.NewScanner(string(text))
	members := s.Object()
	empty := true
	for name, ok := members.Next(&s); ok; name, ok = members.Next(&s) {
		if slices.Contains(registered[:], name) {
			w.refuse(name, "is a registered claim, and no name for a custom one")
		}
		s.Skip()
		empty = false
	}
	if err := s.End(); err != nil {
		w.err = fmt.Errorf("encoding custom claims: %w", err)
	}
	if !empty {
		w.text[len(w.text)-1] = ','
		w.text = append(w.text, text[1:]...)
	}
}
