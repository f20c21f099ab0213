package jose

import (
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// String reads a string. If something else is there it returns false and stays where it is.
func (s *Scanner) String() (string, bool) {
	value, _, ok := s.PlainString()
	return value, ok
}

// PlainString is [Scanner.String] that also reports whether the string was printable ASCII without
// escapes.
func (s *Scanner) PlainString() (value string, plain, ok bool) {
	if !s.take('"') {
		return "", false, false
	}
	start := s.at
	end := endOfPlain(s.text, start)
	if end < len(s.text) && s.text[end] == '"' {
		s.at = end + 1
		return s.text[start:end], true, true
	}
	value, ok = s.anyString(start, end)
	return value, false, ok
}

// word returns the first eight bytes of a text, which are then looked at together.
func word(text string) uint64 {
	c := text[:8]
	return uint64(c[0]) | uint64(c[1])<<8 | uint64(c[2])<<16 | uint64(c[3])<<24 |
		uint64(c[4])<<32 | uint64(c[5])<<40 | uint64(c[6])<<48 | uint64(c[7])<<56
}

// Of a word's bytes each one, and each one's top bit.
const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// IsPlain reports whether a JSON string with this value is written as it is: printable ASCII, no
// quotes, no backslashes.
func IsPlain(value string) bool { return endOfPlain(value, 0) == len(value) }

// endOfPlain returns the place of the first byte from a place on that is a quote, a backslash, or
// not printable ASCII, or the text's length.
func endOfPlain(text string, at int) int {
	for ; len(text)-at >= 8; at += 8 {
		w := word(text[at:])
		// Of the first such byte the top bit is set in one of these, and of none before it.
		found := w | (w + ones) | (w - ones*' ') | (tops - (w ^ ones*'"')) | (tops - (w ^ ones*'\\'))
		if found &= tops; found != 0 {
			return at + bits.TrailingZeros64(found)/8
		}
	}
	for at < len(text) && ' ' <= text[at] && text[at] <= '~' && text[at] != '"' && text[at] != '\\' {
		at++
	}
	return at
}

// anyString reads a string from its start, of which the bytes before at are plain.
func (s *Scanner) anyString(start, at int) (string, bool) {
	for s.at = at; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			value := s.text[start:s.at]
			s.at++
			return value, s.isUTF8(value)
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

func (s *Scanner) isUTF8(value string) bool {
	if !utf8.ValidString(value) {
		s.fail("a string is not UTF-8")
		return false
	}
	return true
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
			return b.String(), s.isUTF8(b.String())
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
