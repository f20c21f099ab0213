package password

import (
	"strings"

	"golang.org/x/crypto/bcrypt"
)

const (
	minBcryptCost = 4
	maxBcryptCost = 15 // some two seconds
	bcryptLength  = 60
	// maxBcrypt is how many bytes of a password bcrypt looks at. It ignores the rest, so a longer
	// password would match all that start like it.
	maxBcrypt = 72
)

// bcryptHash is a hash as bcrypt writes it: "$2b$12$", 22 characters of salt and 31 of tag.
type bcryptHash struct {
	foreign
	encoded []byte
	// prehash makes what bcrypt gets of a password: "" for the password itself. Its result is less
	// than 72 bytes long and has no NUL.
	prehash func(password string) string
}

// parseBcrypt reads $2a$, $2b$ and $2y$, which are three names for one function. Neither $2$ nor
// $2x$ is read: they tell of implementations with a mistake.
func parseBcrypt(encoded string) (stored, error) { return newBcrypt(encoded, nil) }

func newBcrypt(encoded string, prehash func(string) string) (*bcryptHash, error) {
	if len(encoded) != bcryptLength {
		return nil, malformed("not 60 bytes")
	}
	version, rest := encoded[:4], encoded[4:]
	if version != "$2a$" && version != "$2b$" && version != "$2y$" {
		return nil, malformed("not a version of bcrypt")
	}
	cost, err := number(rest[:2], minBcryptCost, maxBcryptCost)
	if err != nil || rest[2] != '$' || cost < 10 && rest[0] != '0' {
		return nil, malformed("cost out of range")
	}
	if strings.ContainsFunc(rest[3:], isNotOfBcrypt) {
		return nil, malformed("not the base64 of bcrypt")
	}
	return &bcryptHash{encoded: []byte(encoded), prehash: prehash}, nil
}

func isNotOfBcrypt(r rune) bool {
	return r != '.' && r != '/' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// matches does the same work for a password that it refuses, or the time of the answer would tell
// who has a hash of bcrypt.
func (h *bcryptHash) matches(password string, _ *memory) bool {
	if h.prehash != nil {
		password = h.prehash(password)
	}
	refused := len(password) > maxBcrypt || isAmbiguous(password)
	password = password[:min(len(password), maxBcrypt)]
	return bcrypt.CompareHashAndPassword(h.encoded, []byte(password)) == nil && !refused
}
