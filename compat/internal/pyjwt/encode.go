package pyjwt

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/hallpass-go/hallpass/internal/jose"
	"github.com/hallpass-go/hallpass/jwk"
)

// Encode returns a token with a header and claims. Each is a struct or map that encoding/json
// encodes as an object. The caller must set "alg" in the header to the key's algorithm.
func Encode(key jwk.SigningKey, header, claims any) (string, error) {
	head, err := marshal(header)
	if err != nil {
		return "", fmt.Errorf("encoding the header: %w", err)
	}
	payload, err := marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding the claims: %w", err)
	}
	input := jose.EncodeBase64(head) + "." + jose.EncodeBase64(payload)
	signature, err := key.Sign([]byte(input))
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	token := input + "." + jose.EncodeBase64(signature)
	if len(token) > MaxTokenSize {
		return "", fmt.Errorf(
			"the token would have %d bytes, more than %d, which no request may bring",
			len(token),
			MaxTokenSize,
		)
	}
	return token, nil
}

// marshal does not escape <, > and &, like Python.
func marshal(v any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(buffer.Bytes()), nil
}
