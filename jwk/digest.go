package jwk

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
)

// maxDigest is the size of the longest hash in bytes.
const maxDigest = sha512.Size

// digest writes the hash of a message to buffer and returns the used part of buffer. It supports
// the hashes in the table of algorithms.
func digest(buffer *[maxDigest]byte, hash crypto.Hash, message []byte) []byte {
	switch hash {
	case crypto.SHA256:
		sum := sha256.Sum256(message)
		return buffer[:copy(buffer[:], sum[:])]
	case crypto.SHA384:
		sum := sha512.Sum384(message)
		return buffer[:copy(buffer[:], sum[:])]
	default:
		*buffer = sha512.Sum512(message)
		return buffer[:]
	}
}
