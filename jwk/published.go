package jwk

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the list
	"sort"
)

// publishedPrefix is how many bytes of a SHA-256 stand for a published secret.
const publishedPrefix = 8

// publishedSecrets are the sorted beginnings of the SHA-256 of HMAC secrets that were published: in
// tutorials, documentation and repositories. Whoever guesses a secret tries those first. Those of
// fewer than 32 bytes are not on the list, being too short anyway. `go test ./jwk -run published
// -update` writes it from wallarm/jwt-secrets.
//
//go:embed published.bin
var publishedSecrets []byte

// isPublished reports whether a secret is a published one, be it with blanks around it or the
// line's end after it.
func isPublished(secret []byte) bool {
	return isListed(secret) || isListed(bytes.TrimRight(secret, "\r\n")) || isListed(bytes.TrimSpace(secret))
}

func isListed(secret []byte) bool {
	sum := sha256.Sum256(secret)
	prefix := sum[:publishedPrefix]
	entry := func(i int) []byte { return publishedSecrets[i*publishedPrefix:][:publishedPrefix] }
	n := len(publishedSecrets) / publishedPrefix
	i := sort.Search(n, func(i int) bool { return bytes.Compare(entry(i), prefix) >= 0 })
	return i < n && bytes.Equal(entry(i), prefix)
}
