package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
)

// bare signs and verifies the bytes of the same token by the standard library, and reads nothing of
// them.
type bare struct{}

func (bare) name() string { return limitName }

var errSignature = errors.New("the signature does not verify")

// tampered is what the bare cryptography takes for a token whose signature is another's.
const tampered = "tampered"

func (bare) work(alg string, k keys) (work, error) {
	key, err := ours{}.signer(alg, k)
	if err != nil {
		return work{}, err
	}
	signBytes, verifyBytes := primitives(alg, k)
	usualToken, err := sign(key, usual(time.Now()), nil)
	if err != nil {
		return work{}, err
	}
	message := messageOf(usualToken)
	signature, err := signBytes(message)
	if err != nil {
		return work{}, err
	}
	other := bytes.Clone(signature)
	other[len(other)-1] ^= 1
	verify := func(token string) error {
		s := signature
		if token == tampered {
			s = other
		}
		if !verifyBytes(message, s) {
			return errSignature
		}
		return nil
	}
	w := work{
		sign:   func(payload) (string, error) { _, err := signBytes(message); return "a.b.c", err },
		verify: verify, remembered: verify,
	}
	return w, w.withOwn(key, signBytes, verifyBytes)
}

// withOwn has the bytes of the tokens with own claims signed and verified. In their place stand
// their numbers.
func (w *work) withOwn(
	key jwk.SigningKey,
	signBytes func([]byte) ([]byte, error),
	verifyBytes func(message, signature []byte) bool,
) error {
	var messages, signatures [len(ownClaims)][]byte
	for i, claims := range ownClaims {
		token, err := sign(key, usual(time.Now()), claims)
		if err != nil {
			return err
		}
		messages[i] = messageOf(token)
		if signatures[i], err = signBytes(messages[i]); err != nil {
			return err
		}
	}
	w.signOwn = func(_ payload, claims own) (string, error) {
		for i := range ownClaims {
			if len(ownClaims[i].Permissions) == len(claims.Permissions) {
				_, err := signBytes(messages[i])
				return "012"[i : i+1], err
			}
		}
		return "", errSignature
	}
	w.verifyOwn = func(number string) (own, error) {
		i := number[0] - '0'
		if !verifyBytes(messages[i], signatures[i]) {
			return own{}, errSignature
		}
		return own{}, nil
	}
	return nil
}

// messageOf returns what a token's signature is over.
func messageOf(token string) []byte { return []byte(token[:strings.LastIndexByte(token, '.')]) }

func primitives(alg string, k keys) (sign func([]byte) ([]byte, error), verify func(message, signature []byte) bool) {
	digest := func(m []byte) []byte { sum := sha256.Sum256(m); return sum[:] }
	options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	switch alg {
	case "HS256":
		states := sync.Pool{New: func() any { return hmac.New(sha256.New, k.secret) }}
		compute := func(m []byte) []byte {
			h := states.Get().(interface {
				Reset()
				Write([]byte) (int, error)
				Sum([]byte) []byte
			})
			defer states.Put(h)
			h.Reset()
			_, _ = h.Write(m)
			return h.Sum(nil)
		}
		return func(m []byte) ([]byte, error) {
			return compute(m), nil
		}, func(m, s []byte) bool { return hmac.Equal(compute(m), s) }
	case "RS256":
		key := k.private.(*rsa.PrivateKey)
		return func(m []byte) ([]byte, error) {
				return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest(m))
			}, func(m, s []byte) bool {
				return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest(m), s) == nil
			}
	case "PS256":
		key := k.private.(*rsa.PrivateKey)
		return func(m []byte) ([]byte, error) {
				return rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest(m), options)
			}, func(m, s []byte) bool {
				return rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest(m), s, options) == nil
			}
	case "ES256":
		key := k.private.(*ecdsa.PrivateKey)
		return func(m []byte) ([]byte, error) { return ecdsa.SignASN1(rand.Reader, key, digest(m)) },
			func(m, s []byte) bool { return ecdsa.VerifyASN1(&key.PublicKey, digest(m), s) }
	}
	key := k.private.(ed25519.PrivateKey)
	public := key.Public().(ed25519.PublicKey)
	return func(m []byte) ([]byte, error) {
		return ed25519.Sign(key, m), nil
	}, func(m, s []byte) bool { return ed25519.Verify(public, m, s) }
}
