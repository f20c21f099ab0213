package jwk

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"strings"
)

// ParsePublicPEM reads a public key from one PEM block: SPKI ("PUBLIC KEY") or PKCS #1 ("RSA PUBLIC
// KEY"). The key must be usable with the algorithm. If id is empty, the ID is the thumbprint.
func ParsePublicPEM(data []byte, alg Algorithm, id string) (*PublicKey, error) {
	f, block, err := readPEM(data, alg, id)
	if err != nil {
		return nil, err
	}
	var key any
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, fmt.Errorf("%w: a PEM block of type %q is not a public key", ErrInvalidKey, block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalidKey, err)
	}
	p, _, err := f.accepts(key)
	if err != nil {
		return nil, err
	}
	return newPublicKey(id, alg, p), nil
}

// ParsePrivatePEM reads a private key from one PEM block: PKCS #8 ("PRIVATE KEY"), PKCS #1 ("RSA
// PRIVATE KEY") or SEC 1 ("EC PRIVATE KEY"). The key must be usable with the algorithm. If id is
// empty, the ID is the thumbprint.
func ParsePrivatePEM(data []byte, alg Algorithm, id string) (*PrivateKey, error) {
	f, block, err := readPEM(data, alg, id)
	if err != nil {
		return nil, err
	}
	var key any
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("%w: a PEM block of type %q is not a private key", ErrInvalidKey, block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalidKey, err)
	}
	_, p, err := f.accepts(key)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, fmt.Errorf("%w: not a private key", ErrInvalidKey)
	}
	return newPrivateKey(id, alg, p), nil
}

func readPEM(data []byte, alg Algorithm, id string) (family, *pem.Block, error) {
	f, ok := asymmetric[alg]
	if !ok {
		return nil, nil, fmt.Errorf("%w: %q is not an asymmetric algorithm", ErrInvalidKey, alg)
	}
	if id != "" {
		if err := checkID(id); err != nil {
			return nil, nil, err
		}
	}
	block, rest := pem.Decode(data)
	if block == nil || strings.TrimSpace(string(rest)) != "" {
		return nil, nil, fmt.Errorf("%w: expected one PEM block and nothing after it", ErrInvalidKey)
	}
	if len(block.Headers) > 0 || block.Type == "ENCRYPTED PRIVATE KEY" {
		return nil, nil, fmt.Errorf("%w: the key is encrypted; decrypt it first, as with openssl pkey", ErrInvalidKey)
	}
	// Some parsers of the standard library ignore data after the key.
	var whole asn1.RawValue
	if rest, err := asn1.Unmarshal(block.Bytes, &whole); err != nil || len(rest) > 0 {
		return nil, nil, fmt.Errorf("%w: a PEM block that is not one DER value", ErrInvalidKey)
	}
	return f, block, nil
}
