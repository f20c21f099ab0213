package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// ours is this library. Its verifier remembers nothing here: each signature is checked each time,
// as the others do. Only remembered has one that does.
type ours struct{}

func (ours) name() string { return "hallpass" }

func (o ours) work(alg string, k keys) (work, error) {
	key, err := o.signer(alg, k)
	if err != nil {
		return work{}, err
	}
	source, err := sourceOf(key)
	if err != nil {
		return work{}, err
	}
	config := hallpass.VerifierConfig{Issuer: issuer, Audience: audience, Keys: source, Leeway: -1, Remember: -1}
	v, err := hallpass.NewVerifier[struct{}](config)
	if err != nil {
		return work{}, err
	}
	ownVerifier, err := hallpass.NewVerifier[own](config)
	if err != nil {
		return work{}, err
	}
	config.Remember = 0
	remembering, err := hallpass.NewVerifier[struct{}](config)
	if err != nil {
		return work{}, err
	}
	return work{
		sign: func(p payload) (string, error) { return sign(key, p, nil) },
		verify: func(token string) error {
			_, err := v.Verify(context.Background(), token)
			return err
		},
		signOwn: func(p payload, claims own) (string, error) { return sign(key, p, claims) },
		verifyOwn: func(token string) (own, error) {
			id, err := ownVerifier.Verify(context.Background(), token)
			return id.Custom, err
		},
		remembered: func(token string) error {
			_, err := remembering.Verify(context.Background(), token)
			return err
		},
	}, nil
}

func (ours) signer(alg string, k keys) (jwk.SigningKey, error) {
	if k.secret != nil {
		return jwk.NewSecret(jwk.Algorithm(alg), keyID, k.secret)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, err
	}
	return jwk.ParsePrivatePEM(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		jwk.Algorithm(alg), keyID)
}

func sourceOf(key jwk.SigningKey) (jwk.Source, error) {
	if secret, ok := key.(*jwk.SecretKey); ok {
		return jwk.NewSecretSet(secret)
	}
	return jwk.NewSet(key.(*jwk.PrivateKey).Public())
}

// scopes are those of every payload, split beforehand.
var scopes = strings.Fields(usual(time.Time{}).Scope)

func sign(key jwk.SigningKey, p payload, custom any) (string, error) {
	return jwt.Sign(key, jwt.TypeAccess, jwt.Claims{
		Issuer: p.Issuer, Subject: p.Subject, Audience: []string{p.Audience},
		ExpiresAt: time.Unix(p.ExpiresAt, 0), IssuedAt: time.Unix(p.IssuedAt, 0),
		ID: p.ID, ClientID: p.ClientID, SessionID: p.SessionID, AuthTime: time.Unix(p.AuthTime, 0), Scopes: scopes,
	}, custom)
}
