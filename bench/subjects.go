package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

const (
	issuer   = "https://issuer.example"
	audience = "https://api.example"
	keyID    = "key-2026"
)

// claimCount is how many claims the token has.
const claimCount = 10

// payload is the ten claims of a usual access token (RFC 9068), as a program's own struct would have them.
type payload struct {
	Issuer    string `json:"iss"`
	Subject   string `json:"sub"`
	Audience  string `json:"aud"`
	ExpiresAt int64  `json:"exp"`
	IssuedAt  int64  `json:"iat"`
	ID        string `json:"jti"`
	ClientID  string `json:"client_id"`
	SessionID string `json:"sid"`
	AuthTime  int64  `json:"auth_time"`
	Scope     string `json:"scope"`
}

func usual(now time.Time) payload {
	return payload{
		Issuer: issuer, Subject: "06h0co5862doud16l5g4egmsfg", Audience: audience, ExpiresAt: now.Add(12 * time.Hour).Unix(), IssuedAt: now.Unix(),
		ID: "06h0co58f06l9q6lloq20opqt8", ClientID: "app", SessionID: "06h0co58f06l9q6lloq20opqt8", AuthTime: now.Unix(), Scope: "read write",
	}
}

// keys are one algorithm's: a secret, or both halves.
type keys struct {
	secret  []byte
	private crypto.Signer
}

func newKeys(alg string) (k keys, err error) {
	switch alg[:2] {
	case "HS":
		k.secret = make([]byte, 32)
		_, err = rand.Read(k.secret)
	case "ES":
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "Ed":
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	return k, err
}

// signing and verifying return the key as most libraries want it: of any type.
func (k keys) signing() any {
	if k.secret != nil {
		return k.secret
	}
	return k.private
}

func (k keys) verifying() any {
	if k.secret != nil {
		return k.secret
	}
	return k.private.Public()
}

// prepare makes every subject ready for an algorithm, with the same keys, and tries it. The first is the bare cryptography.
func prepare(alg string) ([]*ready, error) {
	k, err := newKeys(alg)
	if err != nil {
		return nil, err
	}
	var all []*ready
	for _, s := range []subject{bare{}, ours{}, golangJWT{}, goJose{}, jwx{}, cristalhq{}, kataras{}, pascaldekloe{}} {
		w, err := s.work(alg, k)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", s.name(), alg, err)
		}
		r := &ready{name: s.name(), work: w}
		if err := r.try(); err != nil {
			return nil, fmt.Errorf("%s, %s: %w", s.name(), alg, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// try makes the tokens and sees that the subject does with them what is to be measured.
func (r *ready) try() error {
	var err error
	if r.token, err = r.sign(usual(time.Now())); err != nil {
		return err
	}
	if err := r.verify(r.token); err != nil {
		return err
	}
	if r.name == limitName {
		return nil
	}
	at := strings.LastIndexByte(r.token, '.')
	r.tampered = r.token[:at-4] + "AAAA" + r.token[at:]
	if r.expired, err = r.sign(usual(time.Now().Add(-24 * time.Hour))); err != nil {
		return err
	}
	claims, err := json.Marshal(usual(time.Now()))
	if err != nil {
		return err
	}
	encode := base64.RawURLEncoding.EncodeToString
	r.none = encode([]byte(`{"alg":"none","typ":"at+jwt","kid":"`+keyID+`"}`)) + "." + encode(claims) + "."
	for name, token := range map[string]string{"tampered": r.tampered, "expired": r.expired, "alg none": r.none} {
		if r.verify(token) == nil {
			return fmt.Errorf("took a token that is %s", name)
		}
	}
	return nil
}
