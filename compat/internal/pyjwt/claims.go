package pyjwt

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// Members are the members of a JSON object. Values are JSON texts.
type Members map[string]string

// ErrNotObject says that a text is JSON, but not an object.
var ErrNotObject = errors.New("pyjwt: no JSON object")

// ReadObject returns the members of a JSON object. The error is [ErrNotObject], or a
// [*jose.SyntaxError] if text is not JSON or has duplicate members.
func ReadObject(text string) (Members, error) {
	s := jose.NewScanner(text)
	if kind := s.Kind(); kind != '{' && kind != 0 {
		s.Skip()
		if err := s.End(); err != nil {
			return nil, err
		}
		return nil, ErrNotObject
	}
	members := Members{}
	object := s.Object()
	for name, ok := object.Next(&s); ok; name, ok = object.Next(&s) {
		members[name] = s.Skip()
	}
	if err := s.End(); err != nil {
		return nil, err
	}
	return members, nil
}

// Int returns the value of a member that is an integer.
func (m Members) Int(name string) (int64, bool) {
	value, err := strconv.ParseInt(m[name], 10, 64)
	return value, err == nil
}

// String returns the value of a member that is a string.
func (m Members) String(name string) (string, bool) {
	s := jose.NewScanner(m[name])
	value, ok := s.String()
	return value, ok
}

// syntaxError uses the words of Python's json module, as far as the offset allows.
func syntaxError(text, segment string, err error) error {
	offset := 0
	if syntax := (*jose.SyntaxError)(nil); errors.As(err, &syntax) {
		offset = min(syntax.Offset, len(text))
	}
	line := 1 + strings.Count(text[:offset], "\n")
	column := offset - strings.LastIndexByte(text[:offset], '\n')
	return &Error{
		ErrDecode,
		fmt.Sprintf("Invalid %s string: Expecting value: line %d column %d (char %d)", segment, line, column, offset),
	}
}

// checkClaims checks in PyJWT's order: required, iat, nbf, exp, iss, aud. Version 2 checks sub and
// jti last.
func (d *Decoder) checkClaims(claims Members, now time.Time) error {
	for _, name := range d.Required {
		if value, there := claims[name]; !there || value == "null" {
			return &Error{ErrMissingClaim, fmt.Sprintf("Token is missing the %q claim", name)}
		}
	}
	for _, check := range []func(Members, int64) error{d.checkIssuedAt, d.checkNotBefore, d.checkExpiry} {
		if err := check(claims, now.Unix()); err != nil {
			return err
		}
	}
	if err := d.checkIssuer(claims); err != nil {
		return err
	}
	if err := d.checkAudience(claims); err != nil {
		return err
	}
	if _, isText := claims.String("sub"); d.Subject && claims["sub"] != "" && !isText {
		return &Error{ErrSubject, "Subject must be a string"}
	}
	if _, isText := claims.String("jti"); d.Version == V2 && claims["jti"] != "" && !isText {
		return &Error{ErrDecode, "JWT ID must be a string"}
	}
	return nil
}

func (d *Decoder) checkIssuedAt(claims Members, now int64) error {
	at, there, err := claims.seconds("iat", "Issued At claim (iat)")
	if err != nil || !there || at <= now+d.leeway() {
		return err
	}
	if d.Version == V1 {
		return &Error{ErrImmature, "Issued At claim (iat) cannot be in the future."}
	}
	return &Error{ErrImmature, "The token is not yet valid (iat)"}
}

func (d *Decoder) checkNotBefore(claims Members, now int64) error {
	at, there, err := claims.seconds("nbf", "Not Before claim (nbf)")
	if err != nil || !there || at <= now+d.leeway() {
		return err
	}
	return &Error{ErrImmature, "The token is not yet valid (nbf)"}
}

// checkExpiry checks exp. In the second of expiry, version 1 accepts a token and version 2 does
// not.
func (d *Decoder) checkExpiry(claims Members, now int64) error {
	at, there, err := claims.seconds("exp", "Expiration Time claim (exp)")
	if err != nil || !there || d.ExpiredToo {
		return err
	}
	last := now - d.leeway()
	if at > last || at == last && d.Version == V1 {
		return nil
	}
	return &Error{ErrExpired, "Signature has expired"}
}

func (d *Decoder) leeway() int64 { return int64(d.Leeway / time.Second) }

// seconds reads a time like Python's int(): numbers lose their fraction, and texts of digits are
// numbers.
func (m Members) seconds(name, words string) (at int64, there bool, err error) {
	value, there := m[name]
	if !there {
		return 0, false, nil
	}
	if text, isText := m.String(name); isText {
		at, err = strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	} else {
		var number float64
		number, err = strconv.ParseFloat(value, 64)
		at = int64(number)
		if math.Abs(number) > 1<<53 {
			err = strconv.ErrRange
		}
	}
	if err != nil {
		return 0, true, &Error{ErrDecode, words + " must be an integer."}
	}
	return at, true, nil
}

func (d *Decoder) checkIssuer(claims Members) error {
	if d.Issuer == "" {
		return nil
	}
	if claims["iss"] == "" {
		return &Error{ErrMissingClaim, `Token is missing the "iss" claim`}
	}
	issuer, isText := claims.String("iss")
	switch {
	case !isText && d.Version == V2:
		return &Error{ErrIssuer, "Payload Issuer (iss) must be a string"}
	case issuer != d.Issuer:
		return &Error{ErrIssuer, "Invalid issuer"}
	}
	return nil
}

// checkAudience checks aud. For version 2 an empty audience counts as absent.
func (d *Decoder) checkAudience(claims Members) error {
	named, there := claims["aud"]
	if d.Version == V2 && (named == "null" || named == `""` || named == "[]") {
		there = false
	}
	switch {
	case d.Audience == "" && !there:
		return nil
	case d.Audience == "":
		return &Error{ErrAudience, "Invalid audience"}
	case !there:
		return &Error{ErrMissingClaim, `Token is missing the "aud" claim`}
	}
	has, wellFormed := claims.audienceHas(d.Audience)
	switch {
	case has:
		return nil
	case d.Version == V1:
		return &Error{ErrAudience, "Invalid audience"}
	case !wellFormed:
		return &Error{ErrAudience, "Invalid claim format in token"}
	}
	return &Error{ErrAudience, "Audience doesn't match"}
}

// audienceHas reports whether "aud" is the audience or a list of strings that contains it, and
// whether it has one of these forms at all.
func (m Members) audienceHas(audience string) (has, wellFormed bool) {
	if one, isText := m.String("aud"); isText {
		return one == audience, true
	}
	s := jose.NewScanner(m["aud"])
	if s.Kind() != '[' {
		return false, false
	}
	for list := s.Array(); list.Next(&s); {
		one, isText := s.String()
		if !isText {
			return false, false
		}
		has = has || one == audience
	}
	return has, true
}
