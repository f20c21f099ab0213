package password

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Reason says in one word what a [Policy] has against a password. Its text is stable, for programs.
type Reason string

// The reasons, in the order in which they are looked for.
const (
	TooLong     Reason = "too_long"
	InvalidUTF8 Reason = "invalid_utf8"
	HoldsNUL    Reason = "holds_nul"
	TooShort    Reason = "too_short"
	Disallowed  Reason = "disallowed"
	TooCommon   Reason = "too_common"
)

// PolicyError is what [Policy.Validate] refuses a password with.
type PolicyError struct {
	Reason Reason
	// Limit is the one that was not kept: the code points wanted for TooShort, the bytes allowed
	// for TooLong, else 0.
	Limit int
}

// Error says for people what is wanted, and nothing of the password.
func (e *PolicyError) Error() string {
	switch e.Reason {
	case InvalidUTF8:
		return "the password is not valid UTF-8"
	case HoldsNUL:
		return "the password holds a NUL, which no keyboard writes"
	case TooLong:
		return fmt.Sprintf("the password is longer than %d bytes", e.Limit)
	case TooShort:
		return fmt.Sprintf("the password is shorter than %d characters", e.Limit)
	case Disallowed:
		return "the password contains a character that RFC 8265 does not allow"
	}
	return "the password is common, or made of common words and simple sequences"
}

// Policy says which passwords may be set. Its zero value asks what NIST SP 800-63B-4 asks of a
// password that is the only factor. The password is prepared as for [Hash], and then looked at.
//
// There are no rules on kinds of characters, and spaces are allowed. [Disallowed] are only the code
// points that OpaqueString does not allow (RFC 8265 §4.2.1, the FreeformClass of RFC 8264 §4.3):
// control characters, unassigned and private code points, and those that are invisible or that
// only some contexts allow, such as the joiners and variation selectors in some emoji. Different
// systems send them differently, or cannot type them. NUL has a reason of its own: at a NUL much
// other software takes a text to end.
type Policy struct {
	// MinLength is the least number of code points. Defaults to 15; less than 8 counts as 8.
	MinLength int
	// MaxBytes is the greatest length in bytes of UTF-8. Defaults to 1024; less than 256 counts as
	// 256, so that 64 characters of any script always fit.
	MaxBytes int
	// IsBreached, when it is set, asks a list of your own, such as one of passwords that have
	// leaked. It gets the prepared password; what it reports true for is refused as TooCommon.
	IsBreached func(password string) bool
}

const minLengthFloor = 8

// Validate returns nil for a password that may be set and a [*PolicyError] for one that may not.
// The context is what an attacker knows beside: the user name, the e-mail address, the name of the
// service. It must not make up the password.
//
// What is too common is found by rules, and by a list of some 500 words that comes with the
// package. The list is the authors' own choice of what is notorious; it is not a ranking from
// breaches. Words of the list or of the context, keyboard and alphabet runs, repeated characters
// and years count as two characters each, however long they are, also in other case or with digits
// for letters; a password that counts less than eight is refused, and so is one that repeats less
// than eight characters. Give IsBreached a list of leaked passwords where ASVS 6.2.12 is asked for.
func (p Policy) Validate(password string, context ...string) error {
	minLength := max(p.MinLength, minLengthFloor)
	if p.MinLength == 0 {
		minLength = 15
	}
	maxBytes := max(p.MaxBytes, 256)
	if p.MaxBytes == 0 {
		maxBytes = 1024
	}
	if len(password) > 4*maxBytes { // too long in any spelling, and not worth preparing
		return &PolicyError{Reason: TooLong, Limit: maxBytes}
	}
	password, allowed := prepare(password)
	switch {
	case len(password) > maxBytes:
		return &PolicyError{Reason: TooLong, Limit: maxBytes}
	case !utf8.ValidString(password):
		return &PolicyError{Reason: InvalidUTF8}
	case strings.Contains(password, "\x00"):
		return &PolicyError{Reason: HoldsNUL}
	case utf8.RuneCountInString(password) < minLength:
		return &PolicyError{Reason: TooShort, Limit: minLength}
	case !allowed:
		return &PolicyError{Reason: Disallowed}
	case isCommon(password, context), p.IsBreached != nil && p.IsBreached(password):
		return &PolicyError{Reason: TooCommon}
	}
	return nil
}
