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

	"github.com/hallpass-go/hallpass/internal/jose"
	"github.com/hallpass-go/hallpass/jwk"
)

// Sign returns a token in compact form, with alg, typ and kid in its header. The claims come first,
// then the members of custom, which is a struct or nil; none of them may have the name of a
// registered claim. It refuses to sign a token that no [Verifier] would accept. Times are truncated
// to seconds.
func Sign(key jwk.SigningKey, typ string, c Claims, custom any) (string, error) {
	w := writers.Get().(*writer)
	defer writers.Put(w)
	w.err = nil
	if w.key != key || w.typ != typ {
		w.header(key, typ)
	}
	text := w.custom(w.claims(w.room[:0], &c), custom)
	w.room = text
	if w.err != nil {
		w.key = nil
		return "", w.err
	}
	w.token = jose.AppendBase64(append(w.token[:0], w.head...), text)
	signature, err := key.Sign(w.token)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	w.token = jose.AppendBase64(append(w.token, '.'), signature)
	if len(w.token) > maxToken {
		return "", fmt.Errorf("jwt: a token of %d bytes; no verifier takes more than %d", len(w.token), maxToken)
	}
	return string(w.token), nil
}

// writer writes the header and the claims, and refuses values that a verifier would. It is used
// again and again, mostly with the same key, so it keeps the header. Its methods append to a text
// that they return, so that it is not stored at each step, which the garbage collector would watch.
type writer struct {
	key   jwk.SigningKey
	typ   string
	head  []byte // the header of key and typ as it stands in a token, with its dot
	room  []byte // for the claims
	token []byte
	err   error
}

var writers = sync.Pool{New: func() any { return &writer{room: make([]byte, 0, 1024)} }}

func (w *writer) header(key jwk.SigningKey, typ string) {
	text := w.member(w.room[:0], `{"alg":`, string(key.Algorithm()))
	text = w.member(text, `,"typ":`, typ)
	text = w.member(text, `,"kid":`, key.ID())
	text = append(text, '}')
	w.head = append(jose.AppendBase64(w.head[:0], text), '.')
	w.key, w.typ = key, typ
}

func (w *writer) claims(text []byte, c *Claims) []byte {
	text = w.member(text, `{"iss":`, c.Issuer)
	text = w.member(text, `,"sub":`, c.Subject)
	if len(c.Audience) == 1 {
		text = w.member(text, `,"aud":`, c.Audience[0])
	} else if len(c.Audience) > 1 {
		text = w.list(text, `,"aud":`, c.Audience)
	} else {
		w.refuse("aud", "is empty")
	}
	text = w.date(text, `,"exp":`, c.ExpiresAt)
	if !c.NotBefore.IsZero() {
		text = w.date(text, `,"nbf":`, c.NotBefore)
	}
	text = w.date(text, `,"iat":`, c.IssuedAt)
	text = w.member(text, `,"jti":`, c.ID)
	if c.ClientID != "" {
		text = w.member(text, `,"client_id":`, c.ClientID)
	}
	if c.SessionID != "" {
		text = w.member(text, `,"sid":`, c.SessionID)
	}
	if !c.AuthTime.IsZero() {
		text = w.date(text, `,"auth_time":`, c.AuthTime)
	}
	if c.Scopes != nil {
		text = w.scopes(text, c.Scopes)
	}
	if c.Roles != nil {
		text = w.list(text, `,"roles":`, c.Roles)
	}
	if c.Sequence != 0 {
		text = w.sequence(text, c.Sequence)
	}
	return append(text, '}')
}

// refuse records the first mistake. The name is given as it is written: in quotes, between a comma
// and a colon.
func (w *writer) refuse(name, problem string) {
	if w.err == nil {
		w.err = fmt.Errorf("jwt: %s %s", strings.Trim(name, `{,:`), problem)
	}
}

// member writes a string, which may not be empty.
func (w *writer) member(text []byte, name, value string) []byte {
	return w.string(append(text, name...), name, value)
}

func (w *writer) string(text []byte, name, value string) []byte {
	text = append(text, '"')
	switch {
	case value != "" && jose.IsPlain(value):
		text = append(text, value...)
	case !isPlain(value) || !utf8.ValidString(value):
		w.refuse(name, "is empty, or holds control characters or invalid UTF-8")
	default:
		for i := range len(value) {
			if value[i] == '"' || value[i] == '\\' {
				text = append(text, '\\')
			}
			text = append(text, value[i])
		}
	}
	return append(text, '"')
}

func (w *writer) list(text []byte, name string, values []string) []byte {
	text = append(append(text, name...), '[')
	for i, value := range values {
		if i > 0 {
			text = append(text, ',')
		}
		text = w.string(text, name, value)
	}
	return append(text, ']')
}

// scopes writes RFC 6749 §3.3's list.
func (w *writer) scopes(text []byte, scopes []string) []byte {
	text = append(text, `,"scope":"`...)
	for i, scope := range scopes {
		if !isScope(scope) {
			w.refuse("scope", "has one that is empty or holds what RFC 6749 §3.3 forbids")
		}
		if i > 0 {
			text = append(text, ' ')
		}
		text = append(text, scope...)
	}
	return append(text, '"')
}

func (w *writer) sequence(text []byte, n int64) []byte {
	if n < 0 || n > maxSequence {
		w.refuse("rev_seq", "is not a whole number up to 2^53 - 1")
	}
	return strconv.AppendInt(append(text, `,"rev_seq":`...), n, 10)
}

func (w *writer) date(text []byte, name string, t time.Time) []byte {
	seconds := t.Unix()
	if seconds < 0 || seconds > maxDate {
		w.refuse(name, "must be set, to a time from 1970 to 9999")
	}
	return strconv.AppendInt(append(text, name...), seconds, 10)
}

// custom adds the members of the application's own claims to the object that was just written.
func (w *writer) custom(text []byte, custom any) []byte {
	if custom == nil || custom == struct{}{} {
		return text
	}
	if all, ok := appendPlain(text, custom); ok {
		return all
	}
	own, err := json.Marshal(custom)
	if err != nil {
		w.err = fmt.Errorf("encoding custom claims: %w", err)
		return text
	}
	// What encoding/json writes is checked, since a type may write itself.
	s := jose.NewScanner(unsafe.String(unsafe.SliceData(own), len(own)))
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
	if empty {
		return text
	}
	text[len(text)-1] = ','
	return append(text, own[1:]...)
}
