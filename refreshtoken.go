package hallpass

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/hallpass-go/hallpass/internal/jose"
	"github.com/hallpass-go/hallpass/internal/uid"
	"github.com/hallpass-go/hallpass/jwk"
)

// A refresh token is not stored. It is derived from its session and generation, so that the same
// successor can be given twice and a stolen database holds no token.
//
//	version (1) · key ID (4) · session ID (16) · generation (4, big-endian) · HMAC-SHA-256 of these (32)
//
// The 57 bytes are written as 76 characters of base64url with no spare bits, so that a token has
// only one spelling.
const (
	refreshTokenVersion = 1
	refreshTokenBody    = 1 + 4 + 16 + 4
	refreshTokenBytes   = refreshTokenBody + sha256.Size
	refreshTokenLen     = refreshTokenBytes / 3 * 4
)

// refreshTokens makes and reads refresh tokens, with a key derived for this purpose alone.
type refreshTokens struct {
	key   [32]byte
	keyID [4]byte
}

func newRefreshTokens(ring jwk.Ring) refreshTokens {
	t := refreshTokens{key: ring.Secret("refresh tokens, version 1")}
	fingerprint := sha256.Sum256(t.key[:])
	copy(t.keyID[:], fingerprint[:])
	return t
}

// token returns the refresh token of a session's generation.
func (t refreshTokens) token(sessionID string, generation uint32) (string, error) {
	id, err := uid.Bytes(sessionID)
	if err != nil {
		return "", err
	}
	b := make([]byte, 0, refreshTokenBytes)
	b = append(b, refreshTokenVersion)
	b = append(b, t.keyID[:]...)
	b = append(b, id[:]...)
	b = binary.BigEndian.AppendUint32(b, generation)
	b = t.mac(b, b)
	return jose.EncodeBase64(b), nil
}

// read returns the session and generation that a token names, and false for a token that was not
// made here: forged tokens cost no look-up.
func (t refreshTokens) read(token string) (sessionID string, generation uint32, ok bool) {
	if len(token) != refreshTokenLen {
		return "", 0, false
	}
	var raw [refreshTokenBytes]byte
	if !jose.DecodeBase64Into(raw[:], token) {
		return "", 0, false
	}
	body := raw[:refreshTokenBody]
	if !hmac.Equal(t.mac(nil, body), raw[refreshTokenBody:]) || body[0] != refreshTokenVersion ||
		[4]byte(body[1:5]) != t.keyID {
		return "", 0, false
	}
	return uid.FromBytes([16]byte(body[5:21])), binary.BigEndian.Uint32(body[21:25]), true
}

// mac appends the authentication of body to dst.
func (t refreshTokens) mac(dst, body []byte) []byte {
	h := hmac.New(sha256.New, t.key[:])
	h.Write(body)
	return h.Sum(dst)
}
