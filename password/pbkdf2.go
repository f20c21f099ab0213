package password

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
)

// maxPBKDF2 is how many iterations a check may compute, over all blocks of the tag: a second of work.
const maxPBKDF2 = 4_000_000

// digest is a hash function that PBKDF2 uses.
type digest struct {
	new  func() hash.Hash
	size int
}

var digests = map[string]digest{
	"sha1":   {sha1.New, sha1.Size},
	"sha256": {sha256.New, sha256.Size},
	"sha512": {sha512.New, sha512.Size},
}

// pbkdf2Hash is a hash of PBKDF2, RFC 8018 §5.2, in any spelling.
type pbkdf2Hash struct {
	foreign
	digest     digest
	iterations int
	salt, tag  []byte
}

// newPBKDF2 checks the lengths and the costs. It has no place for a digest without a name of its
// own, so an unknown name is an error.
func newPBKDF2(name, iterations string, salt, tag []byte) (*pbkdf2Hash, error) {
	d, known := digests[name]
	if !known {
		return nil, malformed("not sha1, sha256 or sha512")
	}
	if len(salt) > maxSalt || len(tag) < minTag || len(tag) > maxTag {
		return nil, malformed("length out of range")
	}
	blocks := (len(tag) + d.size - 1) / d.size
	n, err := number(iterations, 1, maxPBKDF2/uint32(blocks))
	if err != nil {
		return nil, fmt.Errorf("%w (iterations)", err)
	}
	return &pbkdf2Hash{digest: d, iterations: int(n), salt: salt, tag: tag}, nil
}

// parsePBKDF2 reads "$pbkdf2-sha256$29000$salt$tag", as passlib writes it, with "." for "+", and
// "$pbkdf2-sha256$i=29000,l=32$salt$tag", as PHC strings have it. "$pbkdf2$" is that of SHA-1.
func parsePBKDF2(encoded string) (stored, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 5 {
		return nil, malformed("not four parts")
	}
	name := "sha1"
	if parts[1] != "pbkdf2" {
		name = strings.TrimPrefix(parts[1], "pbkdf2-")
	}
	iterations, isPHC := strings.CutPrefix(parts[2], "i=")
	iterations, length, hasLength := strings.Cut(iterations, ",l=")
	if hasLength && !isPHC {
		return nil, malformed("a length without i=")
	}
	decode := decodeBase64
	if !isPHC {
		decode = decodePasslib
	}
	salt, err := decode(parts[3], 0, maxSalt)
	if err != nil {
		return nil, fmt.Errorf("%w (salt)", err)
	}
	tag, err := decode(parts[4], minTag, maxTag)
	if err != nil {
		return nil, fmt.Errorf("%w (tag)", err)
	}
	if hasLength && length != fmt.Sprint(len(tag)) {
		return nil, malformed("not of the length it tells")
	}
	return newPBKDF2(name, iterations, salt, tag)
}

// decodePasslib takes the base64 of passlib, which has "." for "+" and no padding.
func decodePasslib(text string, shortest, longest int) ([]byte, error) {
	if strings.Contains(text, "+") {
		return nil, malformed("not base64")
	}
	text = strings.ReplaceAll(text, ".", "+")
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || base64.RawStdEncoding.EncodeToString(b) != text {
		return nil, malformed("not base64")
	}
	if len(b) < shortest || len(b) > longest {
		return nil, malformed("length out of range")
	}
	return b, nil
}

func (h *pbkdf2Hash) matches(password string, _ *memory) bool {
	tag, err := pbkdf2.Key(h.digest.new, password, h.salt, h.iterations, len(h.tag))
	// The error is one of a program that allows algorithms of FIPS 140 only.
	return err == nil && equal(h.tag, tag) && !isAmbiguous(password)
}
