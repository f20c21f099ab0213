// Package password stores passwords as Argon2id hashes (RFC 9106), checks them, and says which
// passwords not to take.
//
// [Hash] and [Check] are all that a small program needs:
//
//	encoded, err := password.Hash(chosen)    // when a password is set: keep encoded
//	err = password.Check(encoded, presented) // at login: nil, or ErrMismatch
//
// # In a server
//
// One hash is some 20 ms of a core and 19 MiB, on purpose, so anybody who may try to log in may
// also keep the machine busy. A [Governor] does the same work with bounded cores, memory and
// waiting, and beside it other requests stay as fast as they were. For a user who does not exist
// call CheckDummy, so that the time of an answer does not tell. [Governor.CheckNeedsRehash] also
// says whether to replace the stored hash by a new one after a login that succeeded.
//
// # What is hashed
//
// The password as the OpaqueString profile of RFC 8265 §4.2 prepares it: in NFC, and with U+0020
// for every other space. So it does not matter whether a keyboard composes "é" or sends "e" and an
// accent. Nothing else changes, and nothing is trimmed or cut off. A password that OpaqueString does
// not allow is hashed as received; [Policy] refuses it.
//
// A check compares the bytes as sent and the prepared password, so hashes that other software made
// from other bytes are still of use. It computes a second hash only if preparing changes the
// password.
//
// [Policy] says which passwords to refuse when one is set; it has no part in a login.
//
// # Users from elsewhere
//
// Check also reads the hashes of other software as they are stored: bcrypt, Argon2i and Argon2id with
// other costs, scrypt and PBKDF2, in the spellings of PHC strings, Werkzeug, Django and passlib, and
// Firebase's scrypt. docs/import.md of the repository lists them. [NeedsRehash] holds for each, so a
// login that succeeds is the time to replace them by hashes of [Hash]. [Format] names the format of a
// hash without any work.
//
// Costs beyond the ceilings are refused before any work: 256 MiB; 1 GiB filled by Argon2 and 512 MiB
// by scrypt; cost 15 of bcrypt; 4,000,000 iterations of PBKDF2. Bcrypt does not look at more than 72
// bytes, so a longer password never matches one of its hashes. Neither does a password with NUL match
// a hash of other software: bcrypt, scrypt and PBKDF2 take several such passwords for one.
package password

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
)

// Errors that callers branch on.
var (
	// ErrMismatch says that the password is not the one that was hashed.
	ErrMismatch = errors.New("password: mismatch")
	// ErrUnknownFormat says that the stored text is of no format that this package reads.
	ErrUnknownFormat = errors.New("password: unknown hash format")
	// ErrMalformed says that the stored text is of a known format and not well-formed, or that its
	// costs are beyond what this package is ready to spend on one check.
	ErrMalformed = errors.New("password: malformed hash")
	// ErrCosts says that [Params] are weaker than OWASP's weakest advice or beyond what [Check]
	// accepts.
	ErrCosts = errors.New("password: unsuitable costs")
)

// Params are the costs of a new Argon2id hash, RFC 9106 §3.1. The zero value stands for the
// defaults: 19 MiB, 2 passes, 1 lane, which is OWASP's advice. A field that is zero has its
// default.
type Params struct {
	// MemoryKiB is the memory in KiB. Defaults to 19456; at most 262144.
	MemoryKiB uint32
	// Passes is the number of passes over the memory. Defaults to 2; at most 16, and together with
	// the memory at most 1 GiB filled.
	Passes uint32
	// Lanes is the degree of parallelism that an attacker may use; this package computes one lane
	// after the other. Defaults to 1; at most 4.
	Lanes uint32
	// AllowWeak takes costs below the floor, for tests: hashes made with them do not protect
	// anybody. The floor is OWASP's table: at least 7168 KiB, and at least 35840 KiB filled over
	// all passes.
	AllowWeak bool
}

const (
	saltLength = 16
	tagLength  = 32

	floorMemoryKiB = 7168
	floorFillKiB   = 35840
)

func (p Params) withDefaults() Params {
	if p.MemoryKiB == 0 {
		p.MemoryKiB = 19456
	}
	if p.Passes == 0 {
		p.Passes = 2
	}
	if p.Lanes == 0 {
		p.Lanes = 1
	}
	return p
}

// validated returns p with its defaults, or an error wrapping ErrCosts.
func (p Params) validated() (Params, error) {
	p = p.withDefaults()
	if err := p.withinCeilings(); err != nil {
		return Params{}, fmt.Errorf("%w: %w", ErrCosts, err)
	}
	if p.Lanes > maxNewLanes {
		return Params{}, fmt.Errorf("%w: more than %d lanes", ErrCosts, maxNewLanes)
	}
	weak := p.MemoryKiB < floorMemoryKiB || p.MemoryKiB*p.Passes < floorFillKiB
	if weak && !p.AllowWeak {
		return Params{}, fmt.Errorf("%w: %d KiB and %d passes are too weak", ErrCosts, p.MemoryKiB, p.Passes)
	}
	return p, nil
}

// Hash returns the Argon2id hash of the prepared password (RFC 8265 §4.2) at the default costs, with
// a fresh salt, as a PHC string of 97 bytes: "$argon2id$v=19$m=19456,t=2,p=1$salt$tag". It takes any
// password of any length: see [Policy]. The error is always nil.
func Hash(password string) (string, error) { return Params{}.Hash(password) }

// Hash is [Hash] at the costs p. It returns an error wrapping [ErrCosts] for costs that it refuses.
func (p Params) Hash(password string) (string, error) {
	p, err := p.validated()
	if err != nil {
		return "", err
	}
	return p.hash(password, new(memory)), nil
}

func (p Params) hash(password string, m *memory) string {
	password, _ = prepare(password)
	h := argon2Hash{kind: argon2idType, costs: p, salt: make([]byte, saltLength)}
	rand.Read(h.salt) // never fails: crypto/rand ends the program instead
	h.tag = h.derive(password, tagLength, m)
	return h.String()
}

// Check returns nil when password is the one that encoded was made from, as sent or prepared, at
// whatever costs, and [ErrMismatch] when it is not. Text that cannot be checked gives an error
// wrapping [ErrUnknownFormat] or [ErrMalformed], before any work.
func Check(encoded, password string) error {
	s, err := parse(encoded)
	if err != nil {
		return err
	}
	m := new(memory)
	_, err = match(s, password, func(hash func(*memory)) error { hash(m); return nil })
	return err
}

// CheckDummy does the work of checking password against a hash of the default costs and returns
// [ErrMismatch]. Call it for a user who does not exist: the answer then takes as long as for one
// who does. Where users have hashes of other software, check one of those for some of the names instead
// and treat every result as ErrMismatch.
func CheckDummy(password string) error { return Params{}.CheckDummy(password) }

// CheckDummy is [CheckDummy] at the costs p: those that stored hashes have. It returns an error
// wrapping [ErrCosts] for costs that [Params.Hash] refuses.
func (p Params) CheckDummy(password string) error {
	p, err := p.validated()
	if err != nil {
		return err
	}
	if err := Check(p.decoy(), password); err != nil {
		return err
	}
	return ErrMismatch
}

// The salt and the tag of the decoy: constants, so that no hash is computed when a program starts.
const (
	decoySalt = "no user has this"
	decoyTag  = "and no password is known for it."
)

func (p Params) decoy() string {
	return (&argon2Hash{kind: argon2idType, costs: p, salt: []byte(decoySalt), tag: []byte(decoyTag)}).String()
}

// NeedsRehash reports whether encoded is something else than [Params.Hash] of p would make: of
// another algorithm, other costs or lengths, or not readable. Ask after a successful [Check], and
// store a new hash then. From which bytes it was made cannot be seen; see
// [Governor.CheckNeedsRehash].
func NeedsRehash(encoded string, p Params) bool {
	s, err := parse(encoded)
	return err != nil || !s.isMadeWith(p.withDefaults())
}

// equal compares in a time that depends on the lengths only.
func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
