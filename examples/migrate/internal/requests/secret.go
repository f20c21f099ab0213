package requests

import (
	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// SharedSecret returns an issuer that signs with a secret, as a profile of one's own.
func SharedSecret(issuer, audience string, secret []byte) (hallpass.TrustedIssuer, error) {
	key, err := jwk.NewSecret(jwk.HS256, "shared", secret)
	if err != nil {
		return hallpass.TrustedIssuer{}, err
	}
	keys, err := jwk.NewSecretSet(key)
	if err != nil {
		return hallpass.TrustedIssuer{}, err
	}
	return hallpass.TrustedIssuer{
		Issuer: issuer, Audience: audience, Keys: keys,
		Tokens: &jwt.Profile{
			Types: []string{"JWT"}, NoKeyID: true,
			Keys: jwk.SetOptions{Algorithms: []jwk.Algorithm{jwk.HS256}},
		},
	}, nil
}
