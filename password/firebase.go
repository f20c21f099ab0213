package password

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"strings"
)

// Firebase derives a key with its own use of scrypt and encrypts the project's signer key with it;
// what comes out is the hash. Four parameters belong to the project and one salt to each user. The
// spelling is ours, since Firebase has none that holds everything:
//
//	$firebase-scrypt$r=8,m=14,s=Bw,k=signerkey$salt$hash
//
// r is the project's "rounds" (scrypt's r), m its "mem_cost" (the logarithm of scrypt's N), s its
// "base64_salt_separator" and k its "base64_signer_key". The base64 is that of Firebase, or without
// padding, or of URLs. Whoever has k and the hash can guess: it is as secret as the hashes are.

const maxSignerKey = 128 // bytes

// firebaseHash is a hash of Firebase.
type firebaseHash struct {
	foreign
	costs     scryptCosts
	salt      []byte // with the separator
	signerKey []byte
	tag       []byte
}

func parseFirebase(encoded string) (stored, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 5 {
		return nil, malformed("not four parts")
	}
	text, key, ok := strings.Cut(parts[2], ",k=")
	text, separator, hasSeparator := strings.Cut(text, ",s=")
	if !ok || !hasSeparator {
		return nil, malformed("not the parameters r, m, s and k")
	}
	costs, err := numbers(text, ",", "r=", "m=")
	if err != nil {
		return nil, err
	}
	if costs[1] > 30 {
		return nil, malformed("memory out of range")
	}
	h := firebaseHash{costs: scryptCosts{n: 1 << costs[1], r: costs[0], p: 1}}
	if err := h.costs.withinCeilings(); err != nil {
		return nil, err
	}
	salt, err := decodeAnyBase64(parts[3], 0, maxSalt)
	if err != nil {
		return nil, fmt.Errorf("%w (salt)", err)
	}
	end, err := decodeAnyBase64(separator, 0, maxSalt)
	if err != nil {
		return nil, fmt.Errorf("%w (salt separator)", err)
	}
	h.salt = append(salt, end...)
	if h.signerKey, err = decodeAnyBase64(key, minTag, maxSignerKey); err != nil {
		return nil, fmt.Errorf("%w (signer key)", err)
	}
	if h.tag, err = decodeAnyBase64(parts[4], minTag, maxSignerKey); err != nil {
		return nil, fmt.Errorf("%w (hash)", err)
	}
	if len(h.tag) != len(h.signerKey) {
		return nil, malformed("the hash is not as long as the signer key")
	}
	return &h, nil
}

// decodeAnyBase64 takes the alphabets of RFC 4648 §4 and §5, with padding or without.
func decodeAnyBase64(text string, shortest, longest int) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || base64.RawStdEncoding.EncodeToString(b) != text {
		return nil, malformed("not base64")
	}
	if len(b) < shortest || len(b) > longest {
		return nil, malformed("length out of range")
	}
	return b, nil
}

func (h *firebaseHash) matches(password string, m *memory) bool {
	// 64 bytes are derived, and the first 32 are the key of AES-256 in counter mode from 0.
	key, err := h.costs.derive(password, h.salt, 64, m)
	if err != nil {
		return false
	}
	cipherBlock, err := aes.NewCipher(key[:32])
	if err != nil {
		panic("password: AES: " + err.Error()) // unreachable: the key has 32 bytes
	}
	tag := make([]byte, len(h.signerKey))
	cipher.NewCTR(cipherBlock, make([]byte, aes.BlockSize)).XORKeyStream(tag, h.signerKey)
	return equal(h.tag, tag) && !isAmbiguous(password)
}
