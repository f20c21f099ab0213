package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	cristalhqjwt "github.com/cristalhq/jwt/v5"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	golangjwt "github.com/golang-jwt/jwt/v5"
	katarasjwt "github.com/kataras/jwt"
	"github.com/lestrrat-go/jwx/v3/jwa"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"
	pascaldekloejwt "github.com/pascaldekloe/jwt"
)

// Each is used as its documentation shows, with everything made beforehand that it lets one make.

type golangJWT struct{}

func (golangJWT) name() string { return "golang-jwt v5" }

// golangClaims are the ten, of which golang-jwt's registered claims have six.
type golangClaims struct {
	golangjwt.RegisteredClaims
	ClientID  string `json:"client_id"`
	SessionID string `json:"sid"`
	AuthTime  int64  `json:"auth_time"`
	Scope     string `json:"scope"`
}

// golangOwn are the application's own claims beside the ten.
type golangOwn struct {
	golangClaims
	own
}

func newGolangClaims(p payload) golangClaims {
	return golangClaims{
		RegisteredClaims: golangjwt.RegisteredClaims{
			Issuer: p.Issuer, Subject: p.Subject, Audience: golangjwt.ClaimStrings{p.Audience}, ID: p.ID,
			ExpiresAt: golangjwt.NewNumericDate(time.Unix(p.ExpiresAt, 0)),
			IssuedAt:  golangjwt.NewNumericDate(time.Unix(p.IssuedAt, 0)),
		},
		ClientID: p.ClientID, SessionID: p.SessionID, AuthTime: p.AuthTime, Scope: p.Scope,
	}
}

func (golangJWT) work(alg string, k keys) (work, error) {
	method := golangjwt.GetSigningMethod(alg)
	parser := golangjwt.NewParser(golangjwt.WithValidMethods([]string{alg}),
		golangjwt.WithIssuer(issuer), golangjwt.WithAudience(audience),
		golangjwt.WithExpirationRequired(), golangjwt.WithStrictDecoding())
	keyOf := func(*golangjwt.Token) (any, error) { return k.verifying(), nil }
	return work{
		sign: func(p payload) (string, error) {
			return golangjwt.NewWithClaims(method, newGolangClaims(p)).SignedString(k.signing())
		},
		verify: func(token string) error {
			var claims golangClaims
			_, err := parser.ParseWithClaims(token, &claims, keyOf)
			return err
		},
		signOwn: func(p payload, claims own) (string, error) {
			return golangjwt.NewWithClaims(method, golangOwn{newGolangClaims(p), claims}).SignedString(k.signing())
		},
		verifyOwn: func(token string) (own, error) {
			var claims golangOwn
			_, err := parser.ParseWithClaims(token, &claims, keyOf)
			return claims.own, err
		},
	}, nil
}

type goJose struct{}

func (goJose) name() string { return "go-jose v4" }

func (goJose) work(alg string, k keys) (work, error) {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: k.signing()},
		(&jose.SignerOptions{}).WithType("at+jwt"),
	)
	if err != nil {
		return work{}, err
	}
	algorithms := []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)}
	return work{
		sign: func(p payload) (string, error) { return josejwt.Signed(signer).Claims(p).Serialize() },
		verify: func(token string) error {
			t, err := josejwt.ParseSigned(token, algorithms)
			if err != nil {
				return err
			}
			var registered josejwt.Claims
			var all payload
			if err := t.Claims(k.verifying(), &registered, &all); err != nil {
				return err
			}
			return registered.ValidateWithLeeway(
				josejwt.Expected{Issuer: issuer, AnyAudience: josejwt.Audience{audience}, Time: time.Now()},
				0,
			)
		},
	}, nil
}

type jwx struct{}

func (jwx) name() string { return "jwx v3" }

func (jwx) work(alg string, k keys) (work, error) {
	algorithm, ok := jwa.LookupSignatureAlgorithm(alg)
	if !ok {
		return work{}, errors.New("no such algorithm")
	}
	return work{
		sign: func(p payload) (string, error) {
			t, err := jwxjwt.NewBuilder().
				Issuer(p.Issuer).
				Subject(p.Subject).
				Audience([]string{p.Audience}).
				Expiration(time.Unix(p.ExpiresAt, 0)).
				IssuedAt(time.Unix(p.IssuedAt, 0)).
				JwtID(p.ID).
				Claim("client_id", p.ClientID).
				Claim("sid", p.SessionID).
				Claim("auth_time", p.AuthTime).
				Claim("scope", p.Scope).
				Build()
			if err != nil {
				return "", err
			}
			signed, err := jwxjwt.Sign(t, jwxjwt.WithKey(algorithm, k.signing()))
			return string(signed), err
		},
		verify: func(token string) error {
			t, err := jwxjwt.Parse([]byte(token), jwxjwt.WithKey(algorithm, k.verifying()),
				jwxjwt.WithIssuer(issuer), jwxjwt.WithAudience(audience))
			if err != nil {
				return err
			}
			var p payload
			var authTime float64
			p.Issuer, _ = t.Issuer()
			p.Subject, _ = t.Subject()
			p.ID, _ = t.JwtID()
			return errors.Join(t.Get("client_id", &p.ClientID), t.Get("sid", &p.SessionID),
				t.Get("auth_time", &authTime), t.Get("scope", &p.Scope))
		},
	}, nil
}

type cristalhq struct{}

func (cristalhq) name() string { return "cristalhq v5" }

// registered is what cristalhq checks, with the rest beside it.
type registered struct {
	cristalhqjwt.RegisteredClaims
	ClientID  string `json:"client_id"`
	SessionID string `json:"sid"`
	AuthTime  int64  `json:"auth_time"`
	Scope     string `json:"scope"`
}

func (c *registered) check() error {
	if !c.IsValidAt(time.Now()) || !c.IsIssuer(issuer) || !c.IsForAudience(audience) {
		return errors.New("not valid")
	}
	return nil
}

// registeredOwn are those with the application's own claims, and payloadOwn is what is signed then.
type (
	registeredOwn struct {
		registered
		own
	}
	payloadOwn struct {
		payload
		own
	}
)

func (cristalhq) work(alg string, k keys) (work, error) {
	signer, verifier, err := cristalhqKeys(cristalhqjwt.Algorithm(alg), k)
	if err != nil {
		return work{}, err
	}
	builder := cristalhqjwt.NewBuilder(signer)
	return work{
		sign: func(p payload) (string, error) {
			t, err := builder.Build(p)
			if err != nil {
				return "", err
			}
			return t.String(), nil
		},
		verify: func(token string) error {
			var c registered
			if err := cristalhqjwt.ParseClaims([]byte(token), verifier, &c); err != nil {
				return err
			}
			return c.check()
		},
		signOwn: func(p payload, claims own) (string, error) {
			t, err := builder.Build(payloadOwn{p, claims})
			if err != nil {
				return "", err
			}
			return t.String(), nil
		},
		verifyOwn: func(token string) (own, error) {
			var c registeredOwn
			if err := cristalhqjwt.ParseClaims([]byte(token), verifier, &c); err != nil {
				return own{}, err
			}
			return c.own, c.check()
		},
	}, nil
}

func cristalhqKeys(alg cristalhqjwt.Algorithm, k keys) (cristalhqjwt.Signer, cristalhqjwt.Verifier, error) {
	var s cristalhqjwt.Signer
	var v cristalhqjwt.Verifier
	var err, verifierErr error
	switch alg {
	case cristalhqjwt.HS256:
		s, err = cristalhqjwt.NewSignerHS(alg, k.secret)
		v, verifierErr = cristalhqjwt.NewVerifierHS(alg, k.secret)
	case cristalhqjwt.RS256:
		s, err = cristalhqjwt.NewSignerRS(alg, k.private.(*rsa.PrivateKey))
		v, verifierErr = cristalhqjwt.NewVerifierRS(alg, k.private.Public().(*rsa.PublicKey))
	case cristalhqjwt.PS256:
		s, err = cristalhqjwt.NewSignerPS(alg, k.private.(*rsa.PrivateKey))
		v, verifierErr = cristalhqjwt.NewVerifierPS(alg, k.private.Public().(*rsa.PublicKey))
	case cristalhqjwt.ES256:
		s, err = cristalhqjwt.NewSignerES(alg, k.private.(*ecdsa.PrivateKey))
		v, verifierErr = cristalhqjwt.NewVerifierES(alg, k.private.Public().(*ecdsa.PublicKey))
	default:
		s, err = cristalhqjwt.NewSignerEdDSA(k.private.(ed25519.PrivateKey))
		v, verifierErr = cristalhqjwt.NewVerifierEdDSA(k.private.Public().(ed25519.PublicKey))
	}
	return s, v, errors.Join(err, verifierErr)
}

type kataras struct{}

func (kataras) name() string { return "kataras" }

func (kataras) work(alg string, k keys) (work, error) {
	algorithm := map[string]katarasjwt.Alg{
		"HS256": katarasjwt.HS256, "RS256": katarasjwt.RS256, "PS256": katarasjwt.PS256,
		"ES256": katarasjwt.ES256, "EdDSA": katarasjwt.EdDSA,
	}[alg]
	expected := katarasjwt.Expected{Issuer: issuer, Audience: katarasjwt.Audience{audience}}
	return work{
		sign: func(p payload) (string, error) {
			signed, err := katarasjwt.Sign(algorithm, k.signing(), p)
			return string(signed), err
		},
		verify: func(token string) error {
			t, err := katarasjwt.Verify(algorithm, k.verifying(), []byte(token), expected)
			if err != nil {
				return err
			}
			var p payload
			return t.Claims(&p)
		},
		signOwn: func(p payload, claims own) (string, error) {
			signed, err := katarasjwt.Sign(algorithm, k.signing(), payloadOwn{p, claims})
			return string(signed), err
		},
		verifyOwn: func(token string) (own, error) {
			t, err := katarasjwt.Verify(algorithm, k.verifying(), []byte(token), expected)
			if err != nil {
				return own{}, err
			}
			var p payloadOwn
			err = t.Claims(&p)
			return p.own, err
		},
	}, nil
}

type pascaldekloe struct{}

func (pascaldekloe) name() string { return "pascaldekloe" }

func (pascaldekloe) work(alg string, k keys) (work, error) {
	return work{
		sign: func(p payload) (string, error) {
			c := pascaldekloejwt.Claims{
				Registered: pascaldekloejwt.Registered{
					Issuer: p.Issuer, Subject: p.Subject, Audiences: []string{p.Audience}, ID: p.ID,
					Expires: pascaldekloejwt.NewNumericTime(time.Unix(p.ExpiresAt, 0)),
					Issued:  pascaldekloejwt.NewNumericTime(time.Unix(p.IssuedAt, 0)),
				},
				Set: map[string]any{
					"client_id": p.ClientID,
					"sid":       p.SessionID,
					"auth_time": float64(p.AuthTime),
					"scope":     p.Scope,
				},
			}
			return pascaldekloeSign(&c, alg, k)
		},
		verify: func(token string) error {
			c, err := pascaldekloeCheck([]byte(token), alg, k)
			if err != nil {
				return err
			}
			if !c.Valid(time.Now()) || c.Issuer != issuer || !c.AcceptAudience(audience) {
				return errors.New("not valid")
			}
			var p payload
			var ok [3]bool
			p.ClientID, ok[0] = c.String("client_id")
			p.SessionID, ok[1] = c.String("sid")
			p.Scope, ok[2] = c.String("scope")
			if ok != [3]bool{true, true, true} {
				return fmt.Errorf("claims missing: %v", ok)
			}
			return nil
		},
	}, nil
}

func pascaldekloeSign(c *pascaldekloejwt.Claims, alg string, k keys) (string, error) {
	var token []byte
	var err error
	switch alg {
	case "HS256":
		token, err = c.HMACSign(alg, k.secret)
	case "RS256", "PS256":
		token, err = c.RSASign(alg, k.private.(*rsa.PrivateKey))
	case "ES256":
		token, err = c.ECDSASign(alg, k.private.(*ecdsa.PrivateKey))
	default:
		token, err = c.EdDSASign(k.private.(ed25519.PrivateKey))
	}
	return string(token), err
}

func pascaldekloeCheck(token []byte, alg string, k keys) (*pascaldekloejwt.Claims, error) {
	switch alg {
	case "HS256":
		return pascaldekloejwt.HMACCheck(token, k.secret)
	case "RS256", "PS256":
		return pascaldekloejwt.RSACheck(token, k.private.Public().(*rsa.PublicKey))
	case "ES256":
		return pascaldekloejwt.ECDSACheck(token, k.private.Public().(*ecdsa.PublicKey))
	}
	return pascaldekloejwt.EdDSACheck(token, k.private.Public().(ed25519.PublicKey))
}
