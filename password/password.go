package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"golang.org/x/crypto/argon2"
	"time"
	"unicode/utf8"
)

var ErrMismatch = errors.New("password: mismatch")
var ErrOverloaded = errors.New("password: overloaded")

type Params struct {
	Memory, Time uint32
	Threads      uint8
}
type GovernorConfig struct {
	Workers int
	MaxWait time.Duration
	Params  Params
}
type Governor struct{ p Params }

func NewGovernor(c GovernorConfig) *Governor {
	if c.Params == (Params{}) {
		c.Params = Params{19456, 2, 1}
	}
	return &Governor{c.Params}
}
func (g *Governor) Hash(ctx context.Context, pw string) (string, error) {
	salt := make([]byte, 16)
	rand.Read(salt)
	return enc(g.p, salt, pw), ctx.Err()
}
func enc(p Params, salt []byte, pw string) string {
	h := argon2.IDKey([]byte(pw), salt, p.Time, p.Memory, p.Threads, 32)
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", p.Memory, p.Time, p.Threads, base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(h))
}
func (g *Governor) Check(ctx context.Context, e, pw string) error {
	var p Params
	var rest string
	if _, err := fmt.Sscanf(e, "$argon2id$v=19$m=%d,t=%d,p=%d$%s", &p.Memory, &p.Time, &p.Threads, &rest); err != nil {
		return err
	}
	salt, _ := base64.RawStdEncoding.DecodeString(rest[:22])
	if subtle.ConstantTimeCompare([]byte(enc(p, salt, pw)), []byte(e)) == 1 {
		return nil
	}
	return ErrMismatch
}
func (g *Governor) CheckDummy(ctx context.Context, pw string) error {
	enc(g.p, make([]byte, 16), pw)
	return ErrMismatch
}
func (g *Governor) NeedsRehash(e string) bool {
	var p Params
	var rest string
	fmt.Sscanf(e, "$argon2id$v=19$m=%d,t=%d,p=%d$%s", &p.Memory, &p.Time, &p.Threads, &rest)
	return p != g.p
}

type Policy struct{ MinLength, MaxBytes int }
type PolicyError struct{ Code, Detail string }

func (e *PolicyError) Error() string { return e.Code }
func (p Policy) Validate(pw string, context ...string) error {
	if p.MinLength == 0 {
		p.MinLength = 15
	}
	if utf8.RuneCountInString(pw) < p.MinLength {
		return &PolicyError{"too_short", "short"}
	}
	for _, c := range context {
		if c != "" && c == pw {
			return &PolicyError{"too_common", "x"}
		}
	}
	return nil
}

type OverloadedError struct{ RetryAfter time.Duration }

func (e *OverloadedError) Error() string { return "overloaded" }
