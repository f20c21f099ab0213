package password

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Django writes the name of a hasher, "$", and what the hasher writes.

// parseDjangoPBKDF2 reads "pbkdf2_sha256$260000$salt$base64". The salt is text.
func parseDjangoPBKDF2(encoded string) (stored, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 4 || !isSaltText(parts[2]) {
		return nil, malformed("not four parts")
	}
	tag, err := decodePadded(parts[3], minTag, maxTag)
	if err != nil {
		return nil, fmt.Errorf("%w (tag)", err)
	}
	return newPBKDF2(strings.TrimPrefix(parts[0], "pbkdf2_"), parts[1], []byte(parts[2]), tag)
}

// parseDjangoScrypt reads "scrypt$16384$salt$8$1$base64": N, then the salt, which is text, then r
// and p.
func parseDjangoScrypt(encoded string) (stored, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || !isSaltText(parts[2]) {
		return nil, malformed("not six parts")
	}
	costs, err := numbers(parts[1]+"$"+parts[3]+"$"+parts[4], "$", "", "", "")
	if err != nil {
		return nil, err
	}
	tag, err := decodePadded(parts[5], minTag, maxTag)
	if err != nil {
		return nil, fmt.Errorf("%w (tag)", err)
	}
	return newScrypt(scryptCosts{costs[0], costs[1], costs[2]}, []byte(parts[2]), tag)
}

// parseDjangoArgon2 reads "argon2$argon2id$v=19$…", a PHC string behind the name of the hasher.
func parseDjangoArgon2(encoded string) (stored, error) {
	phc := strings.TrimPrefix(encoded, "argon2")
	var s stored
	var err error
	switch {
	case strings.HasPrefix(phc, "$argon2id$"):
		s, err = parseArgon2id(phc)
	case strings.HasPrefix(phc, "$argon2i$"):
		s, err = parseArgon2i(phc)
	default:
		return nil, malformed("not argon2id or argon2i")
	}
	if err != nil {
		return nil, err
	}
	return rewritten{stored: s}, nil
}

// rewritten is a hash that we would write in another spelling.
type rewritten struct {
	stored
	foreign
}

func (r rewritten) isMadeWith(p Params) bool { return r.foreign.isMadeWith(p) }

// parseDjangoBcrypt reads "bcrypt$$2b$12$…".
func parseDjangoBcrypt(encoded string) (stored, error) {
	return newBcrypt(strings.TrimPrefix(encoded, "bcrypt$"), nil)
}

// parseDjangoBcryptSHA256 reads "bcrypt_sha256$$2b$12$…": bcrypt of the SHA-256 in hexadecimal, so
// that passwords may be longer than 72 bytes.
func parseDjangoBcryptSHA256(encoded string) (stored, error) {
	return newBcrypt(strings.TrimPrefix(encoded, "bcrypt_sha256$"), func(password string) string {
		sum := sha256.Sum256([]byte(password))
		return hex.EncodeToString(sum[:])
	})
}
