package jwk

import "crypto/sha256"

// Thumbprint returns the key's RFC 7638 thumbprint with SHA-256, in base64url.
func (k *PublicKey) Thumbprint() string {
	sum := sha256.Sum256([]byte(k.thumbprintInput()))
	return bytes64(sum[:]).String()
}
