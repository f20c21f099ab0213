package jwt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/hallpass-go/hallpass/internal/jose"
	"github.com/hallpass-go/hallpass/jwk"
)

// maxToken is the longest token, in bytes.
const maxToken = 8192

// Config configures what a [Verifier] accepts.
type Config struct {
	// Issuer is the required issuer of a token, compared exactly. Required.
	Issuer string
	// Audience is the required audience: one of the token's "aud". Required.
	Audience string
	// Keys are the keys of the issuer. Required.
	Keys jwk.Source
	// Type is the token's "typ", with or without "application/" before it (RFC 9068 §4). Defaults
	// to TypeAccess.
	Type string
	// Profile says how the issuer writes its tokens, and takes the place of Type. Defaults to RFC
	// 9068.
	Profile *Profile
	// Leeway is how far the issuer's clock may be from this one, for exp, nbf and iat. Defaults to
	// none.
	Leeway time.Duration
	// MaxLifetime is the longest time from iat to exp. Defaults to 24 hours.
	MaxLifetime time.Duration
}

// Verifier verifies tokens of one issuer for one audience. It is safe for concurrent use.
type Verifier struct {
	c        Config
	longType string
	layout   *layout // of the profile; nil for RFC 9068
	known    known   // what tokens of this issuer repeat
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
	if strings.Contains(c.Issuer, TenantPlace) != (c.Profile != nil && c.Profile.Tenant != "") {
		err := errors.New("jwt: Issuer has " + TenantPlace + " if and only if the Profile has a Tenant")
		mistakes = append(mistakes, err)
	}
	if c.Profile != nil {
		mistakes = append(mistakes, c.Profile.check())
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	if c.Type == "" {
		c.Type = TypeAccess
	}
	if c.MaxLifetime == 0 && c.Profile != nil {
		c.MaxLifetime = c.Profile.MaxLifetime
	}
	if c.MaxLifetime == 0 {
		c.MaxLifetime = jwk.MaxTokenLife
	}
	v := &Verifier{c: c, longType: "application/" + c.Type}
	if c.Profile != nil {
		p := *c.Profile // the caller may change theirs
		p.Types, p.Keys.Algorithms = slices.Clone(p.Types), slices.Clone(p.Keys.Algorithms)
		v.c.Profile, v.layout = &p, newLayout(&p, c.Issuer)
	}
	v.known.expect(c.Issuer, c.Audience)
	return v, nil
}

// Verify checks a token in compact form at a given time: form, header, key, algorithm, type and
// signature, and only then its contents (RFC 7515 §5.2, RFC 7519 §7.2, RFC 8725 §3, RFC 9068 §4).
// It returns the claims, and decodes your own claims into the struct that custom points to, which
// may be nil. Members match by exact name; unknown ones are ignored. Nothing is returned or written
// unless every check passed.
func (v *Verifier) Verify(ctx context.Context, token string, now time.Time, custom any) (c Claims, err error) {
	signed, err := v.VerifySignature(ctx, token)
	if err != nil {
		return c, err
	}
	if err := signed.Read(now, &c, custom); err != nil {
		return Claims{}, err
	}
	return c, nil
}

// Signed is a token whose signature is valid. Only [Signed.Read] shows its contents, if they are
// valid too.
type Signed struct {
	verifier *Verifier
	payload  string
	key      jwk.Key
}

// VerifySignature is the first half of [Verifier.Verify]: form, header, key, algorithm, type and
// signature. A forged token costs little more than the cryptography: its payload is not decoded,
// and no clock is read.
func (v *Verifier) VerifySignature(ctx context.Context, token string) (Signed, error) {
	first, second, err := dots(token)
	if err != nil {
		return Signed{}, err
	}
	h, known := v.known.header(token[:first])
	if !known {
		if h, err = v.newHeader(token[:first]); err != nil {
			return Signed{}, err
		}
	}
	key, err := v.key(ctx, h)
	if err != nil {
		return Signed{}, err
	}
	if err := verifySegment(key, token[:second], token[second+1:]); err != nil {
		return Signed{}, err
	}
	payload, ok := decodeSegment(token[first+1 : second])
	if !ok {
		return Signed{}, errPayloadBase64
	}
	if !known {
		v.known.rememberHeader(token[:first], h)
	}
	return Signed{v, payload, key}, nil
}

// newHeader reads a header that is not known yet, and checks that nothing is missing.
func (v *Verifier) newHeader(segment string) (header, error) {
	h, err := readHeader(segment)
	p := v.c.Profile
	if err == nil && (h.algorithm == "" || h.keyID == "" && (p == nil || !p.NoKeyID) || h.typ == "" && p == nil) {
		err = errHeaderType
	}
	return h, err
}

// key returns the key that a header names, if the header is one for this verifier.
func (v *Verifier) key(ctx context.Context, h header) (jwk.Key, error) {
	key, err := v.c.Keys.Key(ctx, h.keyID)
	switch {
	case err != nil:
		return nil, keyError(err)
	case string(key.Algorithm()) != h.algorithm:
		return nil, errAlgorithm
	case v.c.Profile != nil:
		return key, v.c.Profile.accept(key, h.typ)
	case h.typ != v.c.Type && h.typ != v.longType:
		return nil, errType
	}
	return key, nil
}

// Key returns the key that verified the signature.
func (s *Signed) Key() jwk.Key { return s.key }

// Read is the second half of [Verifier.Verify]. It writes the claims to c, and your own claims into
// the struct that custom points to, which may be nil. After an error c has no meaning, and custom
// is unchanged.
func (s *Signed) Read(now time.Time, c *Claims, custom any) error {
	if custom == nil {
		return s.read(now, c, own{})
	}
	own := newOwn(custom)
	if err := s.read(now, c, own); err != nil {
		own.drop()
		return err
	}
	own.keep()
	return nil
}

// read reads and validates the claims, and your own claims with them.
func (s *Signed) read(now time.Time, c *Claims, own own) error {
	v := s.verifier
	layout := v.layout
	if layout == nil && own.ownType != nil && own.paths != nil {
		layout = rfc9068
	}
	var ownFit bool
	var err error
	if layout == nil {
		ownFit, err = readClaims(s.payload, c, &v.known, own)
	} else {
		ownFit, err = readClaimsBy(layout, s.payload, c, &v.known, own)
	}
	if err != nil {
		return err
	}
	if err := v.validate(c, now); err != nil {
		return err
	}
	if !ownFit {
		return errCustom
	}
	return nil
}

// keyError returns why there is no key. If the set has left it out, the reason is in the error.
func keyError(err error) error {
	switch {
	case err == jwk.ErrUnknownKey:
		return errUnknownKey
	case errors.Is(err, jwk.ErrUnavailable):
		return err
	}
	return fmt.Errorf("%w: %w", errUnknownKey, err)
}

// dots returns where in a token the dots are that its header and its payload end at.
func dots(token string) (first, second int, err error) {
	if token == "" || len(token) > maxToken {
		return 0, 0, errLength
	}
	first = strings.IndexByte(token, '.')
	second = first + 1 + strings.IndexByte(token[first+1:], '.')
	switch {
	case second <= first: // one is missing, or both
		return 0, 0, errSegments
	case second == len(token)-1:
		return 0, 0, errUnsigned
	}
	return first, second, nil
}

// verifySegment checks the signature in a token's last segment. What is signed is the text before.
func verifySegment(key jwk.Key, signed, segment string) error {
	n := jose.DecodedBase64Len(len(segment))
	holds := false
	if secret, ok := key.(*jwk.SecretKey); ok && n <= maxMAC {
		// Through the interface the signature would be allocated, which is expensive beside a MAC.
		var room [maxMAC]byte
		if !jose.DecodeBase64Into(room[:n], segment) {
			return undecoded(segment)
		}
		holds = secret.Verify(bytesOf(signed), room[:n])
	} else {
		signature, ok := jose.DecodeBase64(segment)
		if !ok {
			return undecoded(segment)
		}
		holds = key.Verify(bytesOf(signed), signature)
	}
	if !holds {
		return errSignature
	}
	return nil
}

// maxMAC is the length of the longest MAC, that of HS512, in bytes.
const maxMAC = 64

// undecoded returns why the last segment cannot be decoded.
func undecoded(segment string) error {
	if strings.Contains(segment, ".") {
		return errSegments
	}
	return errSigBase64
}

// bytesOf returns the bytes of a string without copying them. They are only read.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

func decodeSegment(segment string) (string, bool) {
	decoded, ok := jose.DecodeBase64(segment)
	return unsafe.String(unsafe.SliceData(decoded), len(decoded)), ok // decoded is not written to again
}

// header contains the parameters of a JOSE header that are used (RFC 7515 §4.1).
type header struct{ algorithm, typ, keyID string }

// extensions are header parameters that would change the meaning of a token. None is supported, in
// "crit" or not. Parameters that could bring the token's own key (jwk, jku, x5c, x5u) are ignored
// like any unknown one.
var extensions = []string{"crit", "b64", "zip", "enc"}

func readHeader(segment string) (header, error) {
	text, ok := decodeSegment(segment)
	if !ok {
		return header{}, errHeaderBase64
	}
	s := jose.NewScanner(text)
	var h header
	var extended, misfits bool
	members := s.Object()
	for name, ok := members.Next(&s); ok; name, ok = members.Next(&s) {
		switch name {
		case "alg":
			h.algorithm, misfits = filledOr(&s, misfits)
		case "typ":
			h.typ, misfits = filledOr(&s, misfits)
		case "kid":
			h.keyID, misfits = filledOr(&s, misfits)
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
	case misfits:
		return header{}, errHeaderType
	}
	return h, nil
}

// filledOr reads a string. It also reports whether that misfits, because it is empty or not a
// string, or whether something did before.
func filledOr(s *jose.Scanner, before bool) (value string, misfits bool) {
	value, _ = stringOrSkip(s)
	return value, before || value == ""
}

func stringOrSkip(s *jose.Scanner) (string, bool) {
	value, ok := s.String()
	if !ok {
		s.Skip()
	}
	return value, ok
}

func (v *Verifier) validate(c *Claims, now time.Time) error {
	switch {
	case c.Issuer != v.c.Issuer && (v.layout == nil || v.layout.issuer == ""):
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
