// Package strictjson reads JSON as strictly as RFC 8259 and RFC 8725 §2.4 let one: UTF-8 only,
// no duplicate members at any depth, names by exact match, bounded depth, one value and nothing after it.
package strictjson

// The signatures that other packages build on. The owner of this package replaces this file.

// MaxDepth is how deep arrays and objects may nest.
const MaxDepth = 32

// SyntaxError says that the text is not one JSON object as this package takes it (duplicate member,
// invalid UTF-8, lone surrogate, too deep, trailing bytes …).
type SyntaxError struct {
	Offset  int
	Problem string // for people; never quotes the text
}

func (e *SyntaxError) Error() string { panic("stub") }

// FieldError says that one member does not fit.
type FieldError struct {
	Field  string // the member's name; quoted from the text only after it has been checked for length and printable characters
	Code   string // "unknown" or "wrong_type"
	Detail string
}

// FieldErrors are all the members that do not fit.
type FieldErrors []FieldError

func (e FieldErrors) Error() string { panic("stub") }

// Decode reads one JSON object from data into the struct v points to. Members are matched to `json` names exactly (never by
// case folding, at any depth). An unknown member is a FieldError, as is a value of the wrong type, and null where the field is
// not a pointer. Errors are *SyntaxError or FieldErrors (all at once). Nothing is written to v unless all fits.
func Decode(data []byte, v any) error { panic("stub") }
