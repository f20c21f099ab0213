package jwt

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/hallpass-go/hallpass/internal/base64url"
	"github.com/hallpass-go/hallpass/internal/strictjson"
	"github.com/hallpass-go/hallpass/jwk"
)

// maxToken is the longest token, in bytes.
const maxToken = 8192

// Config says what a [Verifier] expects of a token.
type Config struct {
	// Issuer is who must have issued the token, compared exactly. Required.
	Issuer string
	// Audience is who the token must be for: one of its "aud". Required.
	Audience string
	// Keys are those of the issuer. Required.
	Keys jwk.Source
	// Type is the token's "typ", with or without "application/" before it (RFC 9068 §4). Defaults to TypeAccess.
	Type string
	// Leeway is how far the issuer's clock may be from this one, for exp, nbf and iat. Defaults to none.
	Leeway time.Duration
	// MaxLifetime is the longest time from iat to exp. Defaults to 24 hours.
	MaxLifetime time.Duration
}

// Verifier verifies tokens of one issuer for one audience. It is safe for concurrent use.
type Verifier struct {
	c        Config
	longType string
	known    known // what tokens of this issuer repeat
}

// NewVerifier returns a verifier, or every mistake in c at once.
func NewVerifier(c Config) (*Verifier, error) {
	var mistakes []error
	if c.Issuer == "" {
		mistakes = append(mistakes, errors.New("jwt: Issuer is empty"))
	}
	if c.Audience == "" {
		mistakes = append(mistakes, errors.New("jwt: Audience is empty"))
	}
	if c.Keys == nil {
		mistakes = append(mistakes, errors.New("jwt: Keys is nil"))
	}
	if c.Leeway < 0 || c.Leeway > 10*time.Minute {
		mistakes = append(mistakes, errors.New("jwt: Leeway is negative or over 10 minutes"))
	}
	if c.MaxLifetime < 0 {
		mistakes = append(mistakes, errors.New("jwt: MaxLifetime is negative"))
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	if c.Type == "" {
		c.Type = TypeAccess
	}
	if c.MaxLifetime == 0 {
		c.MaxLifetime = jwk.MaxTokenLife
	}
	v := &Verifier{c: c, longType: "application/" + c.Type}
	v.known.expect(c.Issuer, c.Audience)
	return v, nil
}

// Verify checks a token in compact form at a time: form, header, key, algorithm, type, signature, and only then its contents (RFC 7515 §5.2,
// RFC 7519 §7.2, RFC 8725 §3, RFC 9068 §4). It returns the claims, and decodes the application's own into the struct that custom points to
// (nil for none): members by exact name, unknown ones ignored. Nothing is returned or written unless everything held.
func (v *Verifier) Verify(ctx context.Context, token string, now time.Time, custom any) (Claims, error) {
	var claims Claims
	if _, err := v.VerifyKey(ctx, token, now, &claims, custom); err != nil {
		return Claims{}, err
	}
	return claims, nil
}

// VerifyKey is [Verifier.Verify] that writes the claims to c, and returns the key that the signature is of. After an error, what c
// holds means nothing.
func (v *Verifier) VerifyKey(ctx context.Context, token string, now time.Time, c *Claims, custom any) (jwk.Key, error) {
	payload, key, err := v.open(ctx, token)
	if err != nil {
		return nil, err
	}
	if custom == nil {
		if err := readClaims(payload, c, &v.known, nil); err != nil {
			return nil, err
		}
		return key, v.validate(c, now)
	}
	own := newOwn(custom)
	if err := v.readOwn(payload, c, now, &own); err != nil {
		own.drop()
		return nil, err
	}
	own.keep()
	return key, nil
}

// readOwn reads and validates the claims together with the application's own.
func (v *Verifier) readOwn(payload string, c *Claims, now time.Time, own *own) error {
	if err := readClaims(payload, c, &v.known, own); err != nil {
		return err
	}
	if err := v.validate(c, now); err != nil {
		return err
	}
	if own.misfits {
		return errCustom
	}
	return nil
}

// open is the JWS layer: it returns the payload of a token whose signature holds, and the key that it is of.
func (v *Verifier) open(ctx context.Context, token string) (string, jwk.Key, error) {
	p, err := split(token)
	if err != nil {
		return "", nil, err
	}
	h, known := v.known.header(p.header)
	if !known {
		if h, err = readHeader(p.header); err != nil {
			return "", nil, err
		}
		if h.algorithm == "" || h.keyID == "" || h.typ == "" {
			return "", nil, errHeaderType
		}
	}
	key, err := v.c.Keys.Key(ctx, h.keyID)
	switch {
	case err != nil && errors.Is(err, jwk.ErrUnavailable):
		return "", nil, err
	case err != nil:
		return "", nil, errUnknownKey
	case string(key.Algorithm()) != h.algorithm:
		return "", nil, errAlgorithm
	case h.typ != v.c.Type && h.typ != v.longType:
		return "", nil, errType
	}
	payload, err := p.verify(key)
	if err != nil {
		return "", nil, err
	}
	if !known {
		v.known.rememberHeader(p.header, h)
	}
	return payload, key, nil
}

// parts are the three segments of a token, and what its signature is over.
type parts struct{ header, payload, signature, signed string }

func split(token string) (parts, error) {
	if token == "" || len(token) > maxToken {
		return parts{}, errLength
	}
	header, rest, found := strings.Cut(token, ".")
	payload, signature, alsoFound := strings.Cut(rest, ".")
	switch {
	case !found || !alsoFound:
		return parts{}, errSegments
	case signature == "":
		return parts{}, errUnsigned
	}
	return parts{header, payload, signature, token[:len(header)+1+len(payload)]}, nil
}

// verify returns the payload if the signature is the key's.
func (p parts) verify(key jwk.Key) (string, error) {
	// One piece of memory has room for both, because the key is behind an interface: what it is given is allocated.
	n := base64url.DecodedLen(len(p.payload))
	room := make([]byte, n+base64url.DecodedLen(len(p.signature)))
	payload, signature := room[:n], room[n:]
	if !base64url.Decode(signature, p.signature) {
		if strings.Contains(p.signature, ".") {
			return "", errSegments
		}
		return "", errSigBase64
	}
	if !key.Verify(bytesOf(p.signed), signature) {
		return "", errSignature
	}
	if !base64url.Decode(payload, p.payload) {
		return "", errPayloadBase64
	}
	return unsafe.String(unsafe.SliceData(payload), n), nil // it is not written to again
}

// bytesOf returns the bytes of a string without copying them. They are only read.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

func decodeSegment(segment string) (string, bool) {
	decoded, ok := base64url.DecodeString(segment)
	return unsafe.String(unsafe.SliceData(decoded), len(decoded)), ok // decoded is not written to again
}

// header is what of a JOSE header is looked at (RFC 7515 §4.1).
type header struct{ algorithm, typ, keyID string }

// extensions are header parameters that change what a token means. None is understood, in "crit" or not. What could bring a key of
// the token's own (jwk, jku, x5c, x5u) is a parameter like any unknown one: it is ignored.
var extensions = []string{"crit", "b64", "zip", "enc"}

func readHeader(segment string) (header, error) {
	text, ok := decodeSegment(segment)
	if !ok {
		return header{}, errHeaderBase64
	}
	s := strictjson.NewScanner(text)
	var h header
	var extended bool
	members := s.Object()
	for name, ok := members.Next(&s); ok; name, ok = members.Next(&s) {
		switch name {
		case "alg":
			h.algorithm, _ = stringOrSkip(&s)
		case "typ":
			h.typ, _ = stringOrSkip(&s)
		case "kid":
			h.keyID, _ = stringOrSkip(&s)
		default:
			extended = extended || slices.Contains(extensions, name)
			s.Skip()
		}
	}
	switch {
	case s.End() != nil:
		return header{}, errHeaderJSON
	case extended:
		return header{}, errExtension
	}
	return h, nil
}

func stringOrSkip(s *strictjson.Scanner) (string, bool) {
	value, ok := s.String()
	if !ok {
		s.Skip()
	}
	return value, ok
}

func (v *Verifier) validate(c *Claims, now time.Time) error {
	switch {
	case c.Issuer != v.c.Issuer:
		return errIssuer
	case !slices.Contains(c.Audience, v.c.Audience):
		return errAudience
	case c.ExpiresAt.After(c.IssuedAt.Add(v.c.MaxLifetime)):
		return errLifetime
	}
	earliest, latest := now.Add(-v.c.Leeway), now.Add(v.c.Leeway)
	switch {
	case !earliest.Before(c.ExpiresAt):
		return errExpired
	case c.NotBefore.After(latest): // not when it is absent: the zero time is before all others
		return errNotBefore
	case c.IssuedAt.After(latest):
		return errIssuedAt
	}
	return nil
}

// Window returns the time within which claims that [Verifier.Verify] returned hold by their exp, nbf and iat: they hold from the one
// time to before the other.
func (v *Verifier) Window(c *Claims) (from, until time.Time) {
	from = c.IssuedAt
	if c.NotBefore.After(from) {
		from = c.NotBefore
	}
	return from.Add(-v.c.Leeway), c.ExpiresAt.Add(v.c.Leeway)
}
