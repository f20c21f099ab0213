// Package base64url is the encoding of every binary thing in a token (RFC 7515 §2): base64 with the
// URL's alphabet and no padding.
//
// The decoder takes the one text that the encoder makes of some bytes and no other. That of the
// standard library skips line breaks, and needs three times as long, which would be the larger part
// of reading a token.
package base64url

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
)

// Encode returns the text for src.
func Encode(src []byte) string { return base64.RawURLEncoding.EncodeToString(src) }

// EncodedLen returns the length of the text for n bytes.
func EncodedLen(n int) int { return n/3*4 + (n%3*8+5)/6 }

// DecodedLen returns how many bytes a text of n characters stands for.
func DecodedLen(n int) int { return n/4*3 + n%4*3/4 }

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// pairs has the two characters for each twelve bits, the first in the low byte.
var pairs = func() (p [1 << 12]uint16) {
	for i := range p {
		p[i] = uint16(alphabet[i>>6]) | uint16(alphabet[i&63])<<8
	}
	return p
}()

// AppendEncode appends the text for src to dst.
func AppendEncode(dst, src []byte) []byte {
	at := len(dst)
	dst = slices.Grow(dst, EncodedLen(len(src)))[:at+EncodedLen(len(src))]
	text := dst[at:]
	for len(src) >= 8 && len(text) >= 8 { // six bytes become eight characters; the two bytes after them are read and passed over
		b := binary.BigEndian.Uint64(src)
		binary.LittleEndian.PutUint64(text, uint64(pairs[b>>52])|uint64(pairs[b>>40&0xfff])<<16|
			uint64(pairs[b>>28&0xfff])<<32|uint64(pairs[b>>16&0xfff])<<48)
		src, text = src[6:], text[8:]
	}
	base64.RawURLEncoding.Encode(text, src)
	return dst
}

// invalid marks what is no character of the alphabet; the values below it have 24 bits.
const invalid = 1 << 31

// values has, for each of the four places in a group, what each character is worth there.
var values = func() (v [4][256]uint32) {
	for place := range v {
		for c := range v[place] {
			v[place][c] = invalid
		}
		for i, c := range []byte(alphabet) {
			v[place][c] = uint32(i) << (18 - 6*place)
		}
	}
	return v
}()

// Decode writes to dst, whose length must be [DecodedLen] of text's, the bytes that text is the one
// encoding of. It reports whether it is such: a character outside the alphabet, padding, a length
// that no encoding has, and bits that are left over are not.
func Decode(dst []byte, text string) bool {
	if len(text)%4 == 1 || len(dst) != DecodedLen(len(text)) {
		return false
	}
	var seen uint32
	at0, at1, at2, at3 := &values[0], &values[1], &values[2], &values[3]
	// Two groups at a time, as long as there is room for the two bytes too many that are written.
	for len(text) >= 8 && len(dst) >= 8 {
		c := text[:8]
		group0 := at0[c[0]] | at1[c[1]] | at2[c[2]] | at3[c[3]]
		group1 := at0[c[4]] | at1[c[5]] | at2[c[6]] | at3[c[7]]
		binary.BigEndian.PutUint64(dst, uint64(group0)<<40|uint64(group1)<<16)
		seen |= group0 | group1
		text, dst = text[8:], dst[6:]
	}
	for len(text) >= 4 && len(dst) >= 3 {
		group := at0[text[0]] | at1[text[1]] | at2[text[2]] | at3[text[3]]
		dst[0], dst[1], dst[2] = byte(group>>16), byte(group>>8), byte(group)
		seen |= group
		text, dst = text[4:], dst[3:]
	}
	// A last group of two or three has bits left over, which are zero in the one encoding.
	var last uint32
	for i := range len(text) {
		last |= values[i][text[i]]
	}
	for i := range dst {
		dst[i] = byte(last >> (16 - 8*i))
	}
	return (seen|last)&invalid == 0 && last&(0xffffff>>(8*len(dst))) == 0
}

// DecodeString is [Decode] into new memory.
func DecodeString(text string) ([]byte, bool) {
	b := make([]byte, DecodedLen(len(text)))
	if !Decode(b, text) {
		return nil, false
	}
	return b, true
}
