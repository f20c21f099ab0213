// Package jose reads and writes the two notations that JOSE is made of, each in its one strict form.
//
// JSON is read as RFC 8259 and RFC 8725 §2.4 want it: UTF-8 only, no duplicate members at any depth,
// names by exact match, bounded depth and width, one value and nothing after it. [Scanner] pulls
// values out of a text without allocating, for headers and claims. [DecodeJSON] and
// [DecodeKnownJSON] fill structs, for everything else.
//
// Base64 here is base64url without padding (RFC 7515 §2). The decoder takes the one text that the
// encoder makes of some bytes and no other. That of the standard library skips line breaks, and
// needs three times as long, which would be the larger part of reading a token.
package jose

import (
	"slices"
	"strconv"
	"strings"
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

// Scanner reads a text from front to back. After the first problem every method returns nothing, so
// that only [Scanner.End] needs to be asked in the end.
type Scanner struct {
	text    string // nothing after a problem, so that nothing more is found in it
	at      int
	depth   int
	problem *SyntaxError
}

// NewScanner returns a scanner at the start of text. Strings that it returns share text's memory
// unless they had escapes.
func NewScanner(text string) Scanner { return Scanner{text: text} }

// End returns nil if the text was one value and nothing else, and else a [*SyntaxError].
func (s *Scanner) End() error {
	s.space()
	if s.at < len(s.text) {
		s.fail("something follows the value")
	}
	if s.problem != nil {
		return s.problem
	}
	return nil
}

// Failed reports whether there has been a problem.
func (s *Scanner) Failed() bool { return s.problem != nil }

func (s *Scanner) fail(problem string) {
	if s.problem == nil {
		s.problem = &SyntaxError{Offset: s.at, Problem: problem}
	}
	s.text, s.at = "", 0
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

// Kind returns what the next value is: '{', '[', '"', '0' for a number, 't', 'f', 'n', or 0 when
// none starts here.
func (s *Scanner) Kind() byte {
	s.space()
	if s.at == len(s.text) {
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
	if s.at == len(s.text) || s.text[s.at] <= ' ' {
		s.space()
	}
	return s.takeByte(c)
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
	count    int
	order    []Expected
	expected uint64 // which of order there were, as bits
	hashes   uint64 // the bits of the other names so far
	few      [12]string
	others   int // how many names there are beside the expected ones
	more     *moreNames
}

// Next returns the next member's name, with the scanner at its value, or false after the last one.
// A name seen before is a problem.
func (m *Members) Next(s *Scanner) (string, bool) {
	name, ok := s.compactName(m.count == 0)
	if !ok {
		if name, ok = s.name(m.count == 0); !ok {
			return "", false
		}
	}
	if m.seen(name) {
		s.fail("a member occurs twice")
		return "", false
	}
	if m.count > MaxMembers {
		s.fail("too many members")
		return "", false
	}
	return name, true
}

// compactName reads a member's name in the form that encoders write, without blanks and escapes. It
// moves only if that is what is there.
func (s *Scanner) compactName(first bool) (string, bool) {
	text, at := s.text, s.at
	if !first && at < len(text) && text[at] == ',' {
		at++
	} else if !first {
		return "", false
	}
	if at == len(text) || text[at] != '"' {
		return "", false
	}
	at++
	end := endOfPlain(text, at)
	if end+1 >= len(text) || text[end] != '"' || text[end+1] != ':' {
		return "", false
	}
	s.at = end + 2
	return text[at:end], true
}

// Expected is a member that a caller expects, made ready to be looked for.
type Expected struct {
	name    string
	written string // in quotes, with the colon
	first   uint64 // its first eight bytes
	mask    uint64 // as many of them as it has
}

// NewOrder returns names, at most 64 that need no escapes, to be looked for in their order.
func NewOrder(names ...string) []Expected {
	order := make([]Expected, len(names))
	for i, name := range names {
		e := Expected{name: name, written: `"` + name + `":`, mask: 1<<64 - 1}
		if n := len(e.written); n < 8 {
			e.mask = 1<<(8*n) - 1
		}
		e.first = word(e.written+"        ") & e.mask
		order[i] = e
	}
	return order
}

// ObjectOf is [Scanner.Object] for an object whose members mostly have an order, which
// [Members.Expect] then asks for.
func (s *Scanner) ObjectOf(order []Expected) Members {
	s.open('{', "expected an object")
	return Members{order: order}
}

// Expect reports whether the next member is number i of the order, without blanks around its name.
// If so, the scanner is at its value, as after [Members.Next], which needs longer; if not, it stays
// where it is. Each may be asked for once, before any call of Next.
func (m *Members) Expect(s *Scanner, i int) bool {
	e := &m.order[i]
	at := s.at
	if m.count > 0 {
		if at == len(s.text) || s.text[at] != ',' {
			return false
		}
		at++
	}
	rest := s.text[at:]
	if len(rest) < 8 || word(rest)&e.mask != e.first || len(e.written) > 8 && !strings.HasPrefix(rest, e.written) {
		return false
	}
	s.at = at + len(e.written)
	m.expected |= 1 << i
	m.count++
	return true
}

// name reads a member's name in any form, or the end of the object.
func (s *Scanner) name(first bool) (string, bool) {
	if s.take('}') {
		s.depth--
		return "", false
	}
	if !first && !s.take(',') {
		s.fail("expected a comma or the end of the object")
		return "", false
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
	return name, true
}

// seen notes a name and reports whether it was there before. Beyond a few names a map keeps hostile
// objects from taking quadratic time.
func (m *Members) seen(name string) bool {
	m.count++
	for i := range m.order {
		if m.expected&(1<<i) != 0 && m.order[i].name == name {
			return true
		}
	}
	n := m.others
	m.others++
	if n < len(m.few) {
		bit := hashBit(name)
		if m.hashes&bit != 0 && slices.Contains(m.few[:n], name) {
			return true
		}
		m.hashes |= bit
		m.few[n] = name
		return false
	}
	if m.more == nil {
		m.more = &moreNames{some: make([]string, 0, someNames)}
	}
	return m.more.seen(name, m)
}

// moreNames are the names of an object after the first few.
type moreNames struct {
	some []string
	many map[string]struct{} // nil while some are enough
}

// someNames is how many names more than the few are looked through, before there is a map.
const someNames = 20

func (more *moreNames) seen(name string, m *Members) bool {
	if more.many == nil && len(more.some) < someNames {
		bit := hashBit(name)
		if m.hashes&bit != 0 && (slices.Contains(m.few[:], name) || slices.Contains(more.some, name)) {
			return true
		}
		m.hashes |= bit
		more.some = append(more.some, name)
		return false
	}
	if more.many == nil {
		more.many = make(map[string]struct{}, 4*someNames)
		for _, other := range slices.Concat(m.few[:], more.some) {
			more.many[other] = struct{}{}
		}
	}
	_, seen := more.many[name]
	more.many[name] = struct{}{}
	return seen
}

// hashBit returns one bit of 64 for a name: two names of different bits are different, without a
// look at all of them.
func hashBit(name string) uint64 {
	if name == "" {
		return 1
	}
	return 1 << ((uint(name[0])*5 + uint(name[len(name)-1])*3 + uint(len(name))) % 64)
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
		return false
	}
	e.started = true
	return s.problem == nil
}

// Literal reads the next value if it is written exactly as text, which is a string or an array in
// JSON. If not, or if text is empty, it returns false and stays where it is.
func (s *Scanner) Literal(text string) bool {
	if text == "" || !strings.HasPrefix(s.text[s.at:], text) {
		return false
	}
	s.at += len(text)
	return true
}

// Seconds reads a number that is written as a few digits and followed by a comma or the end of an
// object, as times mostly are. If something else is there, which may be a number too, it returns
// false and stays where it is.
func (s *Scanner) Seconds() (int64, bool) {
	text, at, value := s.text, s.at, int64(0)
	for at < len(text) && '0' <= text[at] && text[at] <= '9' && at-s.at < 12 {
		value = value*10 + int64(text[at]-'0')
		at++
	}
	if at == s.at || text[s.at] == '0' || at == len(text) || text[at] != ',' && text[at] != '}' {
		return 0, false
	}
	s.at = at
	return value, true
}

// Number reads a number and returns its text, which is as RFC 8259 §6 has it. If something else is
// there it returns false and stays where it is.
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
	text, at := s.text, s.at
	for at < len(text) && '0' <= text[at] && text[at] <= '9' {
		at++
	}
	moved := at > s.at
	s.at = at
	return moved
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
	if s.problem != nil {
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
