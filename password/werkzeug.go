package password

import (
	"encoding/hex"
	"strings"
)

// Werkzeug, and so Flask, writes "pbkdf2:sha256:260000$salt$hex" and "scrypt:32768:8:1$salt$hex". The
// salt is text and is used as it stands.

func parseWerkzeugPBKDF2(encoded string) (stored, error) {
	method, salt, tag, err := splitWerkzeug(encoded)
	if err != nil {
		return nil, err
	}
	if len(method) != 3 {
		return nil, malformed("not a digest and its iterations")
	}
	return newPBKDF2(method[1], method[2], salt, tag)
}

func parseWerkzeugScrypt(encoded string) (stored, error) {
	method, salt, tag, err := splitWerkzeug(encoded)
	if err != nil {
		return nil, err
	}
	costs, err := numbers(strings.Join(method[1:], ":"), ":", "", "", "")
	if err != nil {
		return nil, err
	}
	return newScrypt(scryptCosts{costs[0], costs[1], costs[2]}, salt, tag)
}

func splitWerkzeug(encoded string) (method []string, salt, tag []byte, err error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 3 || !isSaltText(parts[1]) {
		return nil, nil, nil, malformed("not a method, a salt and a tag")
	}
	tag, err = hex.DecodeString(parts[2])
	if err != nil || parts[2] != strings.ToLower(parts[2]) {
		return nil, nil, nil, malformed("not hexadecimal")
	}
	return strings.Split(parts[0], ":"), []byte(parts[1]), tag, nil
}

// isSaltText reports printable ASCII of a length that a salt may have.
func isSaltText(salt string) bool {
	return salt != "" && len(salt) <= maxSalt &&
		!strings.ContainsFunc(salt, func(r rune) bool { return r <= ' ' || r > '~' })
}
