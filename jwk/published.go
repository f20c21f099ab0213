package jwk

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the list
	"sort"
)

// publishedPrefix is how many bytes of its SHA-256 identify a published secret.
const publishedPrefix = 8

// publishedSecrets is a sorted list of truncated SHA-256 hashes of HMAC secrets that were published
// in tutorials, documentation and repositories. Attackers try those first. Secrets under 32 bytes
// are not on the list, since they are too short anyway. `go test ./jwk -run published -update`
// writes it from wallarm/jwt-secrets.
//
//go:embed published.bin
var publishedSecrets []byte

// isPublished reports whether a secret is a published one, possibly with white space around it or a
// line end after it.
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
