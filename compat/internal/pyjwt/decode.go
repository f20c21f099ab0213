// Package pyjwt reads and writes tokens like the Python library PyJWT, which Flask-JWT and
// Flask-JWT-Extended use. It has the same order of checks, the same rules for times, and the same
// error messages.
//
// It is stricter where clients with honest tokens notice no difference. A key has one algorithm.
// JSON and base64url are parsed by this module's own parsers. Headers that would change the meaning
// of a token are refused.
package pyjwt

import (
	"errors"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/jose"
	"github.com/hallpass-go/hallpass/jwk"
)

// MaxTokenSize is the maximum length of a token in bytes.
const MaxTokenSize = 8 << 10

// Kinds of errors, for callers that handle some of them differently.
var (
	ErrDecode       = errors.New("pyjwt: not a token")
	ErrAlgorithm    = errors.New("pyjwt: another algorithm")
	ErrSignature    = errors.New("pyjwt: the signature is not the key's")
	ErrMissingClaim = errors.New("pyjwt: a claim is missing")
	ErrExpired      = errors.New("pyjwt: expired")
	ErrImmature     = errors.New("pyjwt: not valid yet")
	ErrIssuer       = errors.New("pyjwt: another issuer")
	ErrAudience     = errors.New("pyjwt: another audience")
	ErrSubject      = errors.New("pyjwt: the subject is not a string")
)

// Error describes in PyJWT's words what is wrong with a token. The words are sent to clients.
type Error struct {
	Kind error // one of this package's
	Text string
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// Unwrap returns Kind.
func (e *Error) Unwrap() error { return e.Kind }

// Version is a major version of PyJWT. The versions differ in their words and checks.
type Version int

// The versions. Flask-JWT-Extended uses version 2 to read a token twice, the first time without its
// key. So a payload that is not JSON is reported before a wrong algorithm or signature.
const (
	V1 Version = 1 // of Flask-JWT: 1.4
	V2 Version = 2 // of Flask-JWT-Extended: 2.10 and later
)

// Decoder says what a token must be like.
type Decoder struct {
	Version  Version
	Key      jwk.Key // its algorithm is the only one that is allowed
	Leeway   time.Duration
	Required []string // claims that must be present, in the order of the checks
	Issuer   string   // "" accepts any issuer
	Audience string   // "" refuses tokens that name an audience
	Subject  bool     // whether "sub", if present, must be a string; only for version 2

	// ExpiredToo accepts expired tokens, for a caller that needs to know what else is wrong with
	// one.
	ExpiredToo bool
}

// Token is a token with a valid signature and valid claims.
type Token struct {
	Header Members
	Claims Members
}

// Decode reads a token and checks it at the time now. The error is an *Error.
func (d *Decoder) Decode(token string, now time.Time) (Token, error) {
	if len(token) > MaxTokenSize {
		return Token{}, &Error{ErrDecode, "Token is too long"}
	}
	input, signature64, ok := cutLast(token)
	header64, payload64, more := strings.Cut(input, ".")
	if !ok || !more {
		return Token{}, &Error{ErrDecode, "Not enough segments"}
	}
	header, err := readHeader(header64)
	if err != nil {
		return Token{}, err
	}
	payload, ok := jose.DecodeBase64(payload64)
	if !ok {
		return Token{}, &Error{ErrDecode, "Invalid payload padding"}
	}
	signature, ok := jose.DecodeBase64(signature64)
	if !ok {
		return Token{}, &Error{ErrDecode, "Invalid crypto padding"}
	}
	claims, payloadErr := readObject(string(payload), "payload")
	if d.Version == V2 && payloadErr != nil {
		return Token{}, payloadErr
	}
	if header["alg"] == "" && d.Version == V2 {
		return Token{}, &Error{ErrAlgorithm, "Algorithm not specified"}
	}
	if alg, isText := header.String("alg"); !isText || alg != string(d.Key.Algorithm()) {
		return Token{}, &Error{ErrAlgorithm, "The specified alg value is not allowed"}
	}
	if !d.Key.Verify([]byte(input), signature) {
		return Token{}, &Error{ErrSignature, "Signature verification failed"}
	}
	if payloadErr != nil {
		return Token{}, payloadErr
	}
	if err := d.checkClaims(claims, now); err != nil {
		return Token{}, err
	}
	return Token{Header: header, Claims: claims}, nil
}

func cutLast(token string) (before, after string, found bool) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return "", "", false
	}
	return token[:i], token[i+1:], true
}

// meaningful are header members that change the meaning of a token or make a reader fetch a key. No
// client of these libraries sends them, and PyJWT would ignore most of them.
var meaningful = []string{"crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c"}

func readHeader(text string) (Members, error) {
	data, ok := jose.DecodeBase64(text)
	if !ok {
		return nil, &Error{ErrDecode, "Invalid header padding"}
	}
	header, err := readObject(string(data), "header")
	if err != nil {
		return nil, err
	}
	for _, name := range meaningful {
		if _, there := header[name]; there {
			return nil, &Error{ErrDecode, "Invalid header string: " + name + " is not supported"}
		}
	}
	// PyJWT ignores the type. A type that is present and names another kind of token is refused
	// here.
	if typ, isText := header.String("typ"); header["typ"] != "" && (!isText || !strings.EqualFold(typ, "JWT")) {
		return nil, &Error{ErrDecode, "Invalid header string: typ must be JWT"}
	}
	if _, isText := header.String("kid"); !isText && header["kid"] != "" {
		return nil, &Error{ErrDecode, "Key ID header parameter must be a string"}
	}
	return header, nil
}

// readObject reads the JSON object in a segment.
func readObject(text, segment string) (Members, error) {
	members, err := ReadObject(text)
	switch {
	case errors.Is(err, ErrNotObject):
		return nil, &Error{ErrDecode, "Invalid " + segment + " string: must be a json object"}
	case err != nil:
		return nil, syntaxError(text, segment, err)
	}
	return members, nil
}
