package main

import (
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
)

// bare signs and verifies the bytes of the same token by the standard library, and reads nothing of them.
type bare struct{}

func (bare) name() string { return limitName }

var errSignature = errors.New("the signature does not verify")

func (bare) work(alg string, k keys) (work, error) {
	key, err := ours{}.signer(alg, k)
	if err != nil {
		return work{}, err
	}
	token, err := sign(key, usual(time.Now()))
	if err != nil {
		return work{}, err
	}
	message := []byte(token[:strings.LastIndexByte(token, '.')])
	signBytes, verifyBytes := primitives(alg, k)
	signature, err := signBytes(message)
	if err != nil {
		return work{}, err
	}
	return work{
		sign: func(payload) (string, error) { _, err := signBytes(message); return "a.b.c", err },
		verify: func(string) error {
			if !verifyBytes(message, signature) {
				return errSignature
			}
			return nil
		},
	}, nil
}

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
		return func(m []byte) ([]byte, error) { return compute(m), nil }, func(m, s []byte) bool { return hmac.Equal(compute(m), s) }
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
	return func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil }, func(m, s []byte) bool { return ed25519.Verify(public, m, s) }
}
