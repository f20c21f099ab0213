package password

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Passlib's spellings of Argon2, bcrypt, scrypt and PBKDF2 are those of their files. This is the one
// that only passlib has.

// parsePasslibBcrypt reads "$bcrypt-sha256$v=2,t=2b,r=12$salt$tag", bcrypt of an HMAC-SHA-256 whose
// key is the salt as it stands, and version 1, "$bcrypt-sha256$2b,12$salt$tag", bcrypt of the
// SHA-256.
func parsePasslibBcrypt(encoded string) (stored, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 5 || len(parts[3]) != 22 {
		return nil, malformed("not four parts")
	}
	salt := parts[3]
	prehash := func(password string) string {
		mac := hmac.New(sha256.New, []byte(salt))
		mac.Write([]byte(password))
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	costs, isSecond := strings.CutPrefix(parts[2], "v=2,t=")
	version, cost, ok := strings.Cut(costs, ",r=")
	if !isSecond {
		version, cost, ok = strings.Cut(costs, ",")
		prehash = func(password string) string {
			sum := sha256.Sum256([]byte(password))
			return base64.StdEncoding.EncodeToString(sum[:])
		}
	}
	if !ok {
		return nil, malformed("no version and cost")
	}
	if n, err := number(cost, minBcryptCost, maxBcryptCost); err == nil && n < 10 && len(cost) == 1 {
		cost = "0" + cost // version 2 writes it so
	}
	return newBcrypt("$"+version+"$"+cost+"$"+salt+parts[4], prehash)
}
