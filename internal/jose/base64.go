package jose

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
)

// EncodeBase64 returns the text for src.
func EncodeBase64(src []byte) string { return base64.RawURLEncoding.EncodeToString(src) }

// EncodedBase64Len returns the length of the text for n bytes.
func EncodedBase64Len(n int) int { return n/3*4 + (n%3*8+5)/6 }

// DecodedBase64Len returns how many bytes a text of n characters stands for.
func DecodedBase64Len(n int) int { return n/4*3 + n%4*3/4 }

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// base64Pairs has the two characters for each twelve bits, the first in the low byte.
var base64Pairs = func() (p [1 << 12]uint16) {
	for i := range p {
		p[i] = uint16(alphabet[i>>6]) | uint16(alphabet[i&63])<<8
	}
	return p
}()

// AppendBase64 appends the text for src to dst.
func AppendBase64(dst, src []byte) []byte {
	at := len(dst)
	dst = slices.Grow(dst, EncodedBase64Len(len(src)))[:at+EncodedBase64Len(len(src))]
	text := dst[at:]
	// Twelve bytes become sixteen characters; the two bytes after them are read and passed over.
	for len(src) >= 14 && len(text) >= 16 {
		from, to := src[:14], text[:16]
		binary.LittleEndian.PutUint64(to, eight(binary.BigEndian.Uint64(from)))
		binary.LittleEndian.PutUint64(to[8:], eight(binary.BigEndian.Uint64(from[6:])))
		src, text = src[12:], text[16:]
	}
	base64.RawURLEncoding.Encode(text, src)
	return dst
}

// eight returns the eight characters for the six bytes at the top of b, the first in the low byte.
func eight(b uint64) uint64 {
	return uint64(base64Pairs[b>>52]) | uint64(base64Pairs[b>>40&0xfff])<<16 |
		uint64(base64Pairs[b>>28&0xfff])<<32 | uint64(base64Pairs[b>>16&0xfff])<<48
}

// notBase64 marks what is no character of the alphabet; the base64Values below it have 24 bits.
const notBase64 = 1 << 31

// base64Values has, for each of the four places in a group, what each character is worth there.
var base64Values = func() (v [4][256]uint32) {
	for place := range v {
		for c := range v[place] {
			v[place][c] = notBase64
		}
		for i, c := range []byte(alphabet) {
			v[place][c] = uint32(i) << (18 - 6*place)
		}
	}
	return v
}()

// DecodeBase64Into writes to dst, whose length must be [DecodedBase64Len] of text's, the bytes that text is the one
// encoding of. It reports whether it is such: a character outside the alphabet, padding, a length
// that no encoding has, and bits that are left over are not.
func DecodeBase64Into(dst []byte, text string) bool {
	if len(text)%4 == 1 || len(dst) != DecodedBase64Len(len(text)) {
		return false
	}
	var seen uint32
	at0, at1, at2, at3 := &base64Values[0], &base64Values[1], &base64Values[2], &base64Values[3]
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
		last |= base64Values[i][text[i]]
	}
	for i := range dst {
		dst[i] = byte(last >> (16 - 8*i))
	}
	return (seen|last)&notBase64 == 0 && last&(0xffffff>>(8*len(dst))) == 0
}

// DecodeBase64 is [DecodeBase64Into] into new memory.
func DecodeBase64(text string) ([]byte, bool) {
	b := make([]byte, DecodedBase64Len(len(text)))
	if !DecodeBase64Into(b, text) {
		return nil, false
	}
	return b, true
}
