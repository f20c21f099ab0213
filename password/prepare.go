package password

import (
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// prepare returns password as the OpaqueString profile of RFC 8265 §4.2.2 writes it: every space is
// U+0020, and the text is in NFC. Letter case and width stay. If OpaqueString does not allow the
// password, or it is not UTF-8, prepare returns it as received, and false.
func prepare(password string) (prepared string, allowed bool) {
	if !utf8.ValidString(password) { // precis would replace what is not UTF-8 by U+FFFD
		return password, false
	}
	prepared, err := precis.OpaqueString.String(password)
	if err != nil {
		return password, false
	}
	return prepared, true
}

// match checks password against s, as sent and as prepared. It returns [ErrMismatch] if neither is
// the password of s, or an error of do, which runs each of the two hashes. onlyAsSent reports that
// a hash of the prepared form should replace s.
//
// The number of hashes depends on password alone. In particular, a match as sent does not save the
// second one, or the time of an answer would tell who guesses the password of a disabled user.
func match(s stored, password string, do func(hash func(*memory)) error) (onlyAsSent bool, err error) {
	var prepared string
	var asSent, asPrepared bool
	err = do(func(m *memory) {
		prepared, _ = prepare(password) // here, because the time of do is governed
		asSent = s.matches(password, m)
	})
	if err != nil {
		return false, err
	}
	if prepared != password {
		if err := do(func(m *memory) { asPrepared = s.matches(prepared, m) }); err != nil {
			return false, err
		}
	}
	if !asSent && !asPrepared {
		return false, ErrMismatch
	}
	return prepared != password && !asPrepared, nil
}
