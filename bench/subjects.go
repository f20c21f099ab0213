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
	"reflect"
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

// payload is the ten claims of a usual access token (RFC 9068), as a program's own struct would
// have them.
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
		Issuer: issuer, Subject: "06h0co5862doud16l5g4egmsfg", Audience: audience,
		ExpiresAt: now.Add(12 * time.Hour).Unix(), IssuedAt: now.Unix(),
		ID: "06h0co58f06l9q6lloq20opqt8", ClientID: "app", SessionID: "06h0co58f06l9q6lloq20opqt8",
		AuthTime: now.Unix(), Scope: "read write",
	}
}

// own are an application's own claims, beside the ten.
type own struct {
	Plan        string   `json:"plan"`
	Tenant      string   `json:"tenant"`
	Seats       int      `json:"seats"`
	Trial       bool     `json:"trial"`
	Permissions []string `json:"permissions,omitempty"`
}

// ownClaims are those that are measured.
var ownClaims = [...]own{
	{Plan: "gold", Tenant: "tenant-4711", Seats: 25, Trial: true},
	{Plan: "gold", Tenant: "tenant-4711", Seats: 25, Permissions: permissions(1 << 10)},
	{Plan: "gold", Tenant: "tenant-4711", Seats: 25, Permissions: permissions(4 << 10)},
}

// permissions returns names that take so many bytes as a list in JSON.
func permissions(size int) (list []string) {
	for n := 0; ; n++ {
		name := fmt.Sprintf("project-%02d:write", n)
		if size -= len(name) + len(`"",`); size < 0 {
			return list
		}
		list = append(list, name)
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

// prepare makes every subject ready for an algorithm, with the same keys, and tries it. The first
// is the bare cryptography. With beside, this library and the one of that name are all that follow.
func prepare(alg, beside string) ([]*ready, error) {
	k, err := newKeys(alg)
	if err != nil {
		return nil, err
	}
	var all []*ready
	for _, s := range []subject{bare{}, ours{}, golangJWT{}, goJose{}, jwx{}, cristalhq{}, kataras{}, pascaldekloe{}} {
		if name := s.name(); beside != "" && name != limitName && name != (ours{}).name() &&
			!strings.HasPrefix(name, beside) {
			continue
		}
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
	if err := r.tryOwn(); err != nil {
		return err
	}
	if r.name == limitName {
		r.tampered = tampered
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

// tryOwn makes the tokens with own claims and sees that these are read as they were signed.
func (r *ready) tryOwn() error {
	if r.signOwn == nil {
		return nil
	}
	for i, want := range ownClaims {
		token, err := r.signOwn(usual(time.Now()), want)
		if err != nil {
			return err
		}
		got, err := r.verifyOwn(token)
		if err != nil {
			return err
		}
		if r.name != limitName && !reflect.DeepEqual(got, want) {
			return fmt.Errorf("own claims were read as %+v", got)
		}
		r.own[i] = token
	}
	return nil
}
