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

// A username has two forms. One is shown, as it was typed. The other, its key, is compared: the
// unique index and every lookup use it. The key is RFC 8265's UsernameCaseMapped (width mapping,
// lower case, NFC, the Bidi Rule; only letters, digits and ASCII punctuation) followed by full case
// folding. So "STRASSE" and "Straße", or "ΝΙΚΟΣ" and "νικος", are the same name. Scripts may be
// mixed. Letters of two scripts that look alike are different.

const (
	maxUsername      = 64   // code points of the key
	maxUsernameBytes = 1024 // of the typed name, to limit the work of folding it
	maxMarks         = 4    // combining marks in a row, as UTS #39 §5.4 advises
)

// CanonicalUsername returns the key of a username. Two names belong to the same user exactly if
// their keys are equal. A limiter should count by it. The error is an [*InvalidError] if name is
// not a possible name.
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

// newUsername returns the key of a name that somebody wants to take. The key must not have the
// shape of an ID, so that an ID that is read out, typed or pasted is never somebody else's name. It
// checks the key and not the typed name, because an ID in capitals folds to an ID. Lookups skip
// this check, because users who took such a name earlier may still log in.
func newUsername(name string) (string, *FieldProblem) {
	key, problem := canonicalUsername(name)
	if problem == nil && uid.Shaped(key) {
		return "", &FieldProblem{Field: "username", Code: "looks_like_id",
			Detail: "A username is not 26 digits and letters from a to v, as IDs are. Make it longer or shorter."}
	}
	return key, problem
}

// isJoiner reports the two zero-width characters that RFC 5892 allows where a script uses them.
// They are mostly invisible, so they would allow two names that look the same.
func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// marksAreBounded checks the decomposed form, in which no mark is hidden in a letter.
func marksAreBounded(key string) bool {
	row := maxMarks // a mark at the start has no character to belong to
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
