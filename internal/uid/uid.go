// Package uid makes identifiers of 128 bits, written as 26 lower-case letters and digits. The first
// 48 bits are the time in milliseconds, so identifiers sort by age.
package uid

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strings"
	"time"
)

// Len is the length of an identifier in characters.
const Len = 26

var encoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

var errInvalid = errors.New("uid: not an identifier")

// New returns a new identifier. Its last 80 bits are from crypto/rand.
func New(now time.Time) string {
	var b [16]byte
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (8 * (5 - i)))
	}
	rand.Read(b[6:]) // never fails: crypto/rand ends the program instead
	return encoding.EncodeToString(b[:])
}

// Bytes returns the 16 bytes of an identifier, for shorter encodings.
func Bytes(id string) ([16]byte, error) {
	var b [16]byte
	if len(id) != Len {
		return b, errInvalid
	}
	if _, err := encoding.Decode(b[:], []byte(id)); err != nil || FromBytes(b) != id {
		return [16]byte{}, errInvalid
	}
	return b, nil
}

// Shaped reports whether text has the length and the characters of an identifier. It accepts more
// than [Bytes], so that an identifier with a typo is not mistaken for something else.
func Shaped(text string) bool {
	return len(text) == Len && strings.Trim(text, "0123456789abcdefghijklmnopqrstuv") == ""
}

// FromBytes is the inverse of [Bytes].
func FromBytes(b [16]byte) string { return encoding.EncodeToString(b[:]) }
