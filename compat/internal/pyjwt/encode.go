package pyjwt

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/hallpass-go/hallpass/internal/base64url"
	"github.com/hallpass-go/hallpass/jwk"
)

// Encode returns a token of a header and claims, each a struct or a map that encoding/json makes an
// object of. The caller's header names the key's algorithm in "alg".
func Encode(key jwk.SigningKey, header, claims any) (string, error) {
	head, err := marshal(header)
	if err != nil {
		return "", fmt.Errorf("encoding the header: %w", err)
	}
	payload, err := marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding the claims: %w", err)
	}
	input := base64url.Encode(head) + "." + base64url.Encode(payload)
	signature, err := key.Sign([]byte(input))
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	token := input + "." + base64url.Encode(signature)
	if len(token) > MaxTokenSize {
		return "", fmt.Errorf(
			"the token would have %d bytes, more than %d, which no request may bring",
			len(token),
			MaxTokenSize,
		)
	}
	return token, nil
}

// marshal leaves <, > and & as they are, as Python does.
func marshal(v any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(buffer.Bytes()), nil
}
