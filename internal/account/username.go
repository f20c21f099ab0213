package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"

	"github.com/hallpass-go/hallpass/internal/uid"
)

// A username has two forms. The one shown is as it was typed. The one compared, its key, is what
// the unique index and every look-up use: RFC 8265's UsernameCaseMapped (width folded, lower case,
// NFC, the Bidi Rule, letters and digits and ASCII punctuation only), then full case folding, so
// that "STRASSE" and "Straße" or "ΝΙΚΟΣ" and "νικος" are one name. Scripts may be mixed: letters
// that look alike in two scripts make two names.

const (
	maxUsername      = 64   // code points of the key
	maxUsernameBytes = 1024 // of what was typed, so that the work of folding it is bounded
	maxMarks         = 4    // combining marks in a row, as UTS #39 §5.4 advises
)

// CanonicalUsername returns the form of a username that is compared: two names are one user's
// exactly when it is the same. It is what a limiter should count by. The error is an
// [*InvalidError] when the name cannot be anybody's.
func CanonicalUsername(name string) (string, error) {
	key, problem := canonicalUsername(name)
	if problem != nil {
		return "", &InvalidError{Fields: []FieldProblem{*problem}}
	}
	return key, nil
}

func canonicalUsername(name string) (string, *FieldProblem) {
	problem := func(code, detail string) (string, *FieldProblem) {
		return "", &FieldProblem{Field: "username", Code: code, Detail: detail}
	}
	switch {
	case name == "":
		return problem("too_short", "A username has at least one character.")
	case len(name) > maxUsernameBytes:
		return problem("too_long", "A username has at most 64 characters.")
	case !utf8.ValidString(name):
		return problem("invalid", "A username is UTF-8 text.")
	}
	key, err := precis.UsernameCaseMapped.String(name)
	if err != nil {
		return problem(
			"invalid",
			"A username has letters, digits and punctuation only, without spaces or invisible characters.",
		)
	}
	key = norm.NFC.String(cases.Fold().String(key)) // a Caser may hold state, so each call makes its own
	switch {
	case strings.Contains(key, ":"):
		return problem("invalid", "A username has no colon.") // RFC 7617 §2
	case strings.ContainsFunc(key, isJoiner):
		return problem("invalid", "A username has no invisible characters.")
	case !marksAreBounded(key):
		return problem(
			"invalid",
			"A username starts with a letter, digit or punctuation, and has at most 4 combining marks in a row.",
		)
	case utf8.RuneCountInString(key) > maxUsername:
		return problem("too_long", "A username has at most 64 characters.")
	}
	return key, nil
}

// newUsername returns the key of a name that somebody is to have from now on. It has not the shape
// of an ID, so that an ID that is read out, typed or pasted is never somebody else's name. The key
// is looked at, not what was typed: an ID in capitals folds to one. Looking a name up does not ask
// this, because who took such a name in time may still log in.
func newUsername(name string) (string, *FieldProblem) {
	key, problem := canonicalUsername(name)
	if problem == nil && uid.Shaped(key) {
		return "", &FieldProblem{Field: "username", Code: "looks_like_id",
			Detail: "A username is not 26 digits and letters from a to v, as IDs are. Make it longer or shorter."}
	}
	return key, problem
}

// isJoiner finds the two characters of no width that RFC 5892 allows where a script uses them. They
// mostly cannot be seen, so they would make two names that look the same.
func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// marksAreBounded decides on the decomposed form, in which no mark hides in a letter.
func marksAreBounded(key string) bool {
	row := maxMarks // nothing before the first character could carry a mark
	for _, r := range norm.NFD.String(key) {
		if !unicode.Is(unicode.M, r) {
			row = 0
			continue
		}
		if row++; row > maxMarks {
			return false
		}
	}
	return true
}
