package clients

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"time"
)

// secretPrefix lets people, and programs that look for leaked secrets, see what a secret is.
const secretPrefix = "hpcs_"

// newSecret returns a secret of 256 random bits. It has letters, digits, hyphens and underscores only,
// which HTTP Basic and forms send as they are.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return secretPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// hashOf returns how a secret is stored. A slow hash would protect guessable secrets; these are
// random.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// accepts reports whether a secret is the client's, or the one before while that is accepted. It
// takes the same time for both and for a wrong one.
func (r record) accepts(secret string, now time.Time) bool {
	hash := []byte(hashOf(secret))
	present := subtle.ConstantTimeCompare(hash, []byte(r.secretHash))
	previous := subtle.ConstantTimeCompare(hash, []byte(r.previousHash))
	if !now.Before(r.PreviousExpiresAt) {
		previous = 0
	}
	return present|previous == 1
}
