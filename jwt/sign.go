package jwt

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hallpass-go/hallpass/internal/strictjson"
	"github.com/hallpass-go/hallpass/jwk"
)

// registered are the claims that custom members cannot take (RFC 7519 §4.1, RFC 9068 §2.2).
var registered = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "sid", "auth_time", "scope", "roles"}

// Sign returns a token in compact form: header alg, typ and kid, then the claims, then the members of custom (a struct, or nil for none),
// none of which may have a registered claim's name. It refuses to sign what no [Verifier] would take. Times are cut to whole seconds.
func Sign(key jwk.SigningKey, typ string, c Claims, custom any) (string, error) {
	if err := c.signable(); err != nil {
		return "", err
	}
	payload := make([]byte, 0, 512)
	payload = c.appendTo(payload)
	payload, err := appendCustom(payload, custom)
	if err != nil {
		return "", err
	}
	head := make([]byte, 0, 128)
	head = append(head, `{"alg":"`...)
	head = append(head, key.Algorithm()...)
	head = appendMember(head, `","typ":`, typ)
	head = appendMember(head, `,"kid":`, key.ID())
	head = append(head, '}')

	encoding := base64.RawURLEncoding
	token := make([]byte, 0, encoding.EncodedLen(len(head))+encoding.EncodedLen(len(payload))+2+encoding.EncodedLen(64))
	token = encoding.AppendEncode(token, head)
	token = append(token, '.')
	token = encoding.AppendEncode(token, payload)
	signature, err := key.Sign(token)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	token = append(token, '.')
	token = encoding.AppendEncode(token, signature)
	if len(token) > maxToken {
		return "", fmt.Errorf("jwt: a token of %d bytes; no verifier takes more than %d", len(token), maxToken)
	}
	return string(token), nil
}

// signable refuses claims that a verifier would.
func (c Claims) signable() error {
	for _, required := range []struct{ name, value string }{
		{"Issuer", c.Issuer}, {"Subject", c.Subject}, {"ID", c.ID},
	} {
		if !isPlain(required.value) || !utf8.ValidString(required.value) {
			return fmt.Errorf("jwt: %s is empty or holds control characters", required.name)
		}
	}
	for _, optional := range append([]string{c.ClientID, c.SessionID}, slices.Concat(c.Audience, c.Roles)...) {
		if optional != "" && !isPlain(optional) || !utf8.ValidString(optional) {
			return errors.New("jwt: ClientID, SessionID, Audience or Roles hold control characters")
		}
	}
	if len(c.Audience) == 0 || slices.Contains(c.Audience, "") || slices.Contains(c.Roles, "") {
		return errors.New("jwt: Audience is empty, or an audience or a role is")
	}
	for _, scope := range c.Scopes {
		if !isScope(scope) {
			return errors.New("jwt: a scope is empty or holds characters that RFC 6749 §3.3 forbids")
		}
	}
	for _, date := range []time.Time{c.ExpiresAt, c.IssuedAt} {
		if date.Unix() < 0 || date.Unix() > maxDate {
			return errors.New("jwt: ExpiresAt and IssuedAt must be set, to times from 1970 to 9999")
		}
	}
	return nil
}

func (c Claims) appendTo(b []byte) []byte {
	b = appendMember(b, `{"iss":`, c.Issuer)
	b = appendMember(b, `,"sub":`, c.Subject)
	if len(c.Audience) == 1 {
		b = appendMember(b, `,"aud":`, c.Audience[0])
	} else {
		b = appendList(b, `,"aud":`, c.Audience)
	}
	b = appendDate(b, `,"exp":`, c.ExpiresAt)
	b = appendDate(b, `,"nbf":`, c.NotBefore)
	b = appendDate(b, `,"iat":`, c.IssuedAt)
	b = appendMember(b, `,"jti":`, c.ID)
	if c.ClientID != "" {
		b = appendMember(b, `,"client_id":`, c.ClientID)
	}
	if c.SessionID != "" {
		b = appendMember(b, `,"sid":`, c.SessionID)
	}
	b = appendDate(b, `,"auth_time":`, c.AuthTime)
	if len(c.Scopes) > 0 {
		b = appendMember(b, `,"scope":`, strings.Join(c.Scopes, " "))
	}
	if len(c.Roles) > 0 {
		b = appendList(b, `,"roles":`, c.Roles)
	}
	return append(b, '}')
}

func appendMember(b []byte, name, value string) []byte {
	return appendString(append(b, name...), value)
}

// appendString writes a JSON string. Its characters have been checked to need no escape but for quotes and backslashes.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

func appendList(b []byte, name string, values []string) []byte {
	b = append(append(b, name...), '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, v)
	}
	return append(b, ']')
}

// appendDate writes a time that is set.
func appendDate(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return strconv.AppendInt(append(b, name...), t.Unix(), 10)
}

// appendCustom adds the members of custom to the object in b.
func appendCustom(b []byte, custom any) ([]byte, error) {
	if custom == nil || custom == struct{}{} {
		return b, nil
	}
	text, err := json.Marshal(custom)
	if err != nil {
		return nil, fmt.Errorf("encoding custom claims: %w", err)
	}
	s := strictjson.NewScanner(string(text))
	members := s.Object()
	empty := true
	for name, ok := members.Next(&s); ok; name, ok = members.Next(&s) {
		if slices.Contains(registered, name) {
			return nil, fmt.Errorf("jwt: custom claims take the name of a registered one, %q", name)
		}
		s.Skip()
		empty = false
	}
	if err := s.End(); err != nil {
		return nil, fmt.Errorf("encoding custom claims: %w", err)
	}
	if empty {
		return b, nil
	}
	b[len(b)-1] = ','
	return append(b, text[1:]...), nil
}
