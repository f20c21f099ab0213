// Package strictjson reads JSON as strictly as RFC 8259 and RFC 8725 §2.4 let one: UTF-8 only, no duplicate members at any depth, names by exact
// match, bounded depth and width, one value and nothing after it.
//
// [Scanner] pulls values out of a text without allocating, for headers and claims. [Decode] and [DecodeKnown] fill structs, for everything else.
package strictjson

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The bounds of what is read.
const (
	MaxDepth   = 32  // how deep arrays and objects may nest
	MaxMembers = 256 // how many members one object may have
)

// SyntaxError says that the text is not JSON as this package takes it.
type SyntaxError struct {
	Offset  int    // in bytes
	Problem string // for people; never quotes the text
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return "JSON at byte " + strconv.Itoa(e.Offset) + ": " + e.Problem
}

// Scanner reads a text from front to back. After the first problem every method returns nothing, so that only
// [Scanner.End] needs to be asked in the end.
type Scanner struct {
	text    string
	at      int
	depth   int
	problem string // empty as long as all is well
}

// NewScanner returns a scanner at the start of text. Strings that it returns share text's memory unless they had escapes.
func NewScanner(text string) Scanner {
	s := Scanner{text: text}
	if !utf8.ValidString(text) {
		s.fail("the text is not UTF-8")
	}
	return s
}

// End returns nil if the text was one value and nothing else, and else a [*SyntaxError].
func (s *Scanner) End() error {
	s.space()
	if s.problem == "" && s.at < len(s.text) {
		s.fail("something follows the value")
	}
	if s.problem != "" {
		return &SyntaxError{Offset: s.at, Problem: s.problem}
	}
	return nil
}

// Failed reports whether there has been a problem.
func (s *Scanner) Failed() bool { return s.problem != "" }

func (s *Scanner) fail(problem string) {
	if s.problem == "" {
		s.problem = problem
	}
}

func (s *Scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// Kind returns what the next value is: '{', '[', '"', '0' for a number, 't', 'f', 'n', or 0 when none starts here.
func (s *Scanner) Kind() byte {
	s.space()
	if s.problem != "" || s.at == len(s.text) {
		return 0
	}
	switch c := s.text[s.at]; {
	case c == '{', c == '[', c == '"', c == 't', c == 'f', c == 'n':
		return c
	case c == '-', '0' <= c && c <= '9':
		return '0'
	}
	return 0
}

func (s *Scanner) take(c byte) bool {
	s.space()
	if s.problem == "" && s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *Scanner) open(c byte, expected string) bool {
	if !s.take(c) {
		s.fail(expected)
		return false
	}
	if s.depth++; s.depth > MaxDepth {
		s.fail("nested too deep")
		return false
	}
	return true
}

// Object starts reading an object, whose members [Members.Next] then yields.
func (s *Scanner) Object() Members {
	s.open('{', "expected an object")
	return Members{}
}

// Members is the state of one object that is being read. The zero value is an object just opened.
type Members struct {
	count int
	few   [12]string
	many  map[string]struct{}
}

// Next returns the next member's name, with the scanner at its value, or false after the last one. A name seen before is a problem.
func (m *Members) Next(s *Scanner) (string, bool) {
	if s.take('}') {
		s.depth--
		return "", false
	}
	if m.count > 0 && !s.take(',') {
		s.fail("expected a comma or the end of the object")
	}
	name, ok := s.String()
	if !ok {
		s.fail("expected a member's name")
		return "", false
	}
	if !s.take(':') {
		s.fail("expected a colon")
		return "", false
	}
	if m.seen(name) {
		s.fail("a member occurs twice")
		return "", false
	}
	if m.count > MaxMembers {
		s.fail("too many members")
		return "", false
	}
	return name, s.problem == ""
}

// seen notes a name and reports whether it was there before. Beyond a few names a map keeps hostile objects from taking quadratic time.
func (m *Members) seen(name string) bool {
	n := m.count
	m.count++
	if n < len(m.few) {
		for _, other := range m.few[:n] {
			if other == name {
				return true
			}
		}
		m.few[n] = name
		return false
	}
	if m.many == nil {
		m.many = make(map[string]struct{}, 4*len(m.few))
		for _, other := range m.few {
			m.many[other] = struct{}{}
		}
	}
	_, seen := m.many[name]
	m.many[name] = struct{}{}
	return seen
}

// Array starts reading an array, whose elements [Elements.Next] then yields.
func (s *Scanner) Array() Elements {
	s.open('[', "expected an array")
	return Elements{}
}

// Elements is the state of one array that is being read. The zero value is an array just opened.
type Elements struct{ started bool }

// Next reports whether there is another element, with the scanner at its value.
func (e *Elements) Next(s *Scanner) bool {
	if s.take(']') {
		s.depth--
		return false
	}
	if e.started && !s.take(',') {
		s.fail("expected a comma or the end of the array")
	}
	e.started = true
	return s.problem == ""
}

// String reads a string.
func (s *Scanner) String() (string, bool) {
	if !s.take('"') {
		return "", false
	}
	start := s.at
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			value := s.text[start:s.at]
			s.at++
			return value, true
		case c == '\\':
			return s.escapedString(start)
		case c < 0x20:
			s.fail("a control character in a string")
			return "", false
		}
	}
	s.fail("a string without an end")
	return "", false
}

// escapedString reads on from the first backslash of a string.
func (s *Scanner) escapedString(start int) (string, bool) {
	var b strings.Builder
	b.WriteString(s.text[start:s.at])
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '"':
			return b.String(), true
		case c == '\\':
			if !s.escape(&b) {
				return "", false
			}
		case c < 0x20:
			s.fail("a control character in a string")
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	s.fail("a string without an end")
	return "", false
}

// plainEscapes are the characters that a backslash and one other stand for.
var plainEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (s *Scanner) escape(b *strings.Builder) bool {
	if s.at < len(s.text) {
		if c := plainEscapes[s.text[s.at]]; c != 0 {
			b.WriteByte(c)
			s.at++
			return true
		}
	}
	r, ok := s.unicodeEscape()
	if ok && utf16.IsSurrogate(r) {
		low, lowOK := rune(0), false
		if s.at < len(s.text) && s.text[s.at] == '\\' {
			s.at++
			low, lowOK = s.unicodeEscape()
		}
		// A lone surrogate is no character: decoders differ on what they put in its place.
		r = utf16.DecodeRune(r, low)
		ok = lowOK && r != utf8.RuneError
	}
	if !ok {
		s.fail("a bad escape in a string")
		return false
	}
	b.WriteRune(r)
	return true
}

func (s *Scanner) unicodeEscape() (rune, bool) {
	if len(s.text)-s.at < 5 || s.text[s.at] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s.text[s.at+1 : s.at+5]) {
		digit, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | digit
	}
	s.at += 5
	return r, true
}

func hexDigit(c byte) (rune, bool) {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0'), true
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10, true
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10, true
	}
	return 0, false
}

// Number reads a number and returns its text, which is as RFC 8259 §6 has it.
func (s *Scanner) Number() (string, bool) {
	if s.Kind() != '0' {
		return "", false
	}
	start := s.at
	s.takeByte('-')
	leadingZero := s.takeByte('0')
	if !leadingZero && !s.digits() {
		s.fail("a bad number")
		return "", false
	}
	if s.takeByte('.') && !s.digits() {
		s.fail("a bad number")
		return "", false
	}
	if s.takeByte('e') || s.takeByte('E') {
		if !s.takeByte('+') {
			s.takeByte('-')
		}
		if !s.digits() {
			s.fail("a bad number")
			return "", false
		}
	}
	return s.text[start:s.at], true
}

func (s *Scanner) takeByte(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *Scanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

// Skip reads a value of any kind, as strictly as if it were wanted, and returns its text.
func (s *Scanner) Skip() string {
	kind := s.Kind()
	start := s.at
	switch kind {
	case '{':
		members := s.Object()
		for _, ok := members.Next(s); ok; _, ok = members.Next(s) {
			s.Skip()
		}
	case '[':
		elements := s.Array()
		for elements.Next(s) {
			s.Skip()
		}
	case '"':
		s.String()
	case '0':
		s.Number()
	case 't':
		s.word("true")
	case 'f':
		s.word("false")
	case 'n':
		s.word("null")
	default:
		s.fail("expected a value")
	}
	if s.problem != "" {
		return ""
	}
	return s.text[start:s.at]
}

func (s *Scanner) word(w string) {
	if !strings.HasPrefix(s.text[s.at:], w) {
		s.fail("expected a value")
		return
	}
	s.at += len(w)
}
