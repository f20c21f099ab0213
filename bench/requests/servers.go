package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	golang "github.com/golang-jwt/jwt/v5"
	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
)

const (
	bareName   = "bare net/http"
	serverName = "hallpass serve"
	issuer     = "https://issuer.example"
	audience   = "https://api.example"
)

// body is what every server but hallpass serve answers.
const body = `{"message":"hello","items":[1,2,3,4,5,6,7,8]}` + "\n"

// claims are an application's own.
type claims struct {
	Plan   string   `json:"plan"`
	Tenant int64    `json:"tenant"`
	Teams  []string `json:"teams"`
}

var own = claims{Plan: "gold", Tenant: 42, Teams: []string{"red", "blue"}}

func names() []string {
	return []string{
		bareName, "hallpass, ES256", "hallpass, HS256, own claims", "golang-jwt, ES256",
		"golang-jwt, HS256, own claims",
		serverName + ", /v1/verify", serverName + ", /v1/verify, without its log",
	}
}

func beServer(name string) error {
	answer := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
	switch name {
	case bareName:
		return listen(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }), "none")
	case "hallpass, ES256":
		key, err := jwk.Generate(jwk.ES256)
		if err != nil {
			return err
		}
		return ours(key, answer)
	case "hallpass, HS256, own claims":
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // never fails
		key, err := jwk.NewSecret(jwk.HS256, "key", secret)
		if err != nil {
			return err
		}
		return ours(key, answer)
	case "golang-jwt, ES256":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		return golangJWT(golang.SigningMethodES256, key, &key.PublicKey, answer)
	case "golang-jwt, HS256, own claims":
		secret := make([]byte, 32)
		_, _ = rand.Read(secret)
		return golangJWT(golang.SigningMethodHS256, secret, secret, answer)
	}
	return fmt.Errorf("there is no server %q", name)
}

// ours is this library as its documentation shows it.
func ours(key jwk.SigningKey, answer func(http.ResponseWriter)) error {
	auth, err := hallpass.New(hallpass.Config[claims]{
		Issuer: issuer, Audience: audience, Keys: ring{key}, AccessTTL: time.Hour,
		Authorize: func(context.Context, string) (hallpass.Grant[claims], error) {
			return hallpass.Grant[claims]{Roles: []string{"user"}, Scopes: []string{"read"}, Custom: own}, nil
		},
	})
	if err != nil {
		return err
	}
	tokens, err := auth.StartSession(context.Background(), "user-1", hallpass.Client{})
	if err != nil {
		return err
	}
	handler := auth.Func(func(w http.ResponseWriter, _ *http.Request, id hallpass.Identity[claims]) {
		if id.Custom.Plan != own.Plan {
			panic("the claims are not there")
		}
		answer(w)
	})
	return listen(handler, tokens.AccessToken)
}

// ring has one key.
type ring struct{ key jwk.SigningKey }

func (r ring) Key(context.Context, string) (jwk.Key, error)       { return r.verifying(), nil }
func (r ring) SigningKey(context.Context) (jwk.SigningKey, error) { return r.key, nil }
func (r ring) Published(context.Context) (*jwk.Set, error)        { return jwk.NewSet() }
func (r ring) Secret(string) (secret [32]byte)                    { return secret }
func (r ring) verifying() jwk.Key {
	if private, ok := r.key.(*jwk.PrivateKey); ok {
		return private.Public()
	}
	return r.key
}

type golangClaims struct {
	claims
	golang.RegisteredClaims
}

// golangJWT is golang-jwt with the glue that its documentation shows.
func golangJWT(method golang.SigningMethod, signing, verifying any, answer func(http.ResponseWriter)) error {
	now := time.Now()
	token, err := golang.NewWithClaims(method, golangClaims{own, golang.RegisteredClaims{
		Issuer: issuer, Subject: "user-1", Audience: golang.ClaimStrings{audience}, ID: "06h0co58f06l9q6lloq20opqt8",
		IssuedAt: golang.NewNumericDate(now), ExpiresAt: golang.NewNumericDate(now.Add(time.Hour)),
	}}).SignedString(signing)
	if err != nil {
		return err
	}
	parser := golang.NewParser(golang.WithValidMethods([]string{method.Alg()}), golang.WithIssuer(issuer),
		golang.WithAudience(audience), golang.WithExpirationRequired())
	return listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		var c golangClaims
		if _, err := parser.ParseWithClaims(text, &c, func(*golang.Token) (any, error) {
			return verifying, nil
		}); !ok ||
			err != nil {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		answer(w)
	}), token)
}

func serverAddress(name string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	addresses[name] = l.Addr().String()
	return addresses[name]
}

var addresses = map[string]string{}

// logIn waits for hallpass serve, and makes a user there.
func (p *process) logIn(string) error {
	base := "http://" + addresses[p.name]
	p.url = base + "/v1/verify"
	user := []byte(`{"username":"alice","password":"a long password of a benchmark"}`)
	for range 200 {
		if answer, err := http.Get(base + "/readyz"); err == nil {
			answer.Body.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, path := range []string{"/v1/users", "/v1/login"} {
		answer, err := http.Post(base+path, "application/json", bytes.NewReader(user))
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		var tokens struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.NewDecoder(answer.Body).Decode(&tokens); err != nil {
			return err
		}
		p.token = tokens.AccessToken
	}
	if p.token == "" {
		return errors.New("it gave no token")
	}
	return nil
}
