package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	golang "github.com/golang-jwt/jwt/v5"
	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
	_ "modernc.org/sqlite"
)

const (
	bareName   = "bare net/http"
	bareQuery  = bareName + ", user loaded"
	bareFields = bareName + ", same fields"
	serverName = "hallpass serve"
	issuer     = "https://issuer.example"
	audience   = "https://api.example"
	userID     = "user-1"
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

// subjects are what is measured, and beside which bare server.
var subjects = []struct{ name, bare string }{
	{"hallpass, ES256, own claims", bareName},
	{"hallpass, EdDSA, own claims", bareName},
	{"hallpass, RS256, own claims", bareName},
	{"hallpass, HS256, own claims", bareName},
	{"hallpass, ES256, own claims, user loaded", bareQuery},
	{"hallpass, HS256, own claims, user loaded", bareQuery},
	{"golang-jwt, ES256, own claims", bareName},
	{"golang-jwt, HS256, own claims", bareName},
	{"httpcache, hit", bareFields},
	{"httpcache, hit, bare without the fields", bareName},
	{"gin-cache, hit", bareName},
	{serverName + ", /v1/verify", bareName},
	{serverName + ", /v1/verify, without its log", bareName},
}

// answerer answers the request of a user.
type answerer func(w http.ResponseWriter, r *http.Request, id string)

func answer(w http.ResponseWriter, _ *http.Request, _ string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, body)
}

func beServer(name string) error {
	library, rest, _ := strings.Cut(name, ", ")
	answer := answerer(answer)
	if strings.HasSuffix(rest, "user loaded") {
		var err error
		if answer, err = loadingUser(); err != nil {
			return err
		}
	}
	word, _, _ := strings.Cut(rest, ", ")
	alg := jwk.Algorithm(word)
	switch library {
	case bareName:
		if rest == "same fields" {
			return listen(sameFields(answer), "")
		}
		bare := func(w http.ResponseWriter, r *http.Request) { answer(w, r, userID) }
		return listen(http.HandlerFunc(bare), "")
	case "hallpass":
		key, err := newKey(alg)
		if err != nil {
			return err
		}
		return ours(key, answer)
	case "golang-jwt":
		return golangJWT(alg, answer)
	case "httpcache":
		cached, err := ourCache(answer)
		if err != nil {
			return err
		}
		return listen(cached, "")
	case "gin-cache":
		return listen(ginCache(answer), "")
	}
	return fmt.Errorf("there is no server %q", name)
}

func newKey(alg jwk.Algorithm) (jwk.SigningKey, error) {
	if alg == jwk.HS256 {
		return jwk.GenerateSecret(alg)
	}
	return jwk.Generate(alg)
}

// loadingUser answers as answer does, once it has read the user from a database of a thousand.
func loadingUser() (answerer, error) {
	file := fmt.Sprintf("users-%d.db", os.Getpid())
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)")
	if err != nil {
		return nil, err
	}
	db.SetMaxIdleConns(8) // or they would be opened again and again
	const fill = `
		CREATE TABLE users (id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL) WITHOUT ROWID;
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
		INSERT INTO users SELECT 'user-' || i, 'User ' || i, 'user-' || i || '@example.com' FROM n;`
	if _, err := db.Exec(fill); err != nil {
		return nil, err
	}
	return func(w http.ResponseWriter, r *http.Request, id string) {
		var name, email string
		row := db.QueryRowContext(r.Context(), "SELECT name, email FROM users WHERE id = ?", id)
		if err := row.Scan(&name, &email); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, r, id)
	}, nil
}

// ours is this library as its documentation shows it.
func ours(key jwk.SigningKey, answer answerer) error {
	auth, err := hallpass.New(hallpass.Config[claims]{
		Issuer: issuer, Audience: audience, Keys: ring{key}, AccessTTL: time.Hour,
		Authorize: func(context.Context, string) (hallpass.Grant[claims], error) {
			return hallpass.Grant[claims]{Roles: []string{"user"}, Scopes: []string{"read"}, Custom: own}, nil
		},
	})
	if err != nil {
		return err
	}
	tokens, err := auth.StartSession(context.Background(), userID, hallpass.Client{})
	if err != nil {
		return err
	}
	handler := auth.Func(func(w http.ResponseWriter, r *http.Request, id hallpass.Identity[claims]) {
		if id.Custom.Plan != own.Plan {
			panic("the claims are not there")
		}
		answer(w, r, id.Subject)
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
func golangJWT(alg jwk.Algorithm, answer answerer) error {
	method := golang.GetSigningMethod(string(alg))
	signing, verifying, err := golangKeys(alg)
	if err != nil {
		return err
	}
	now := time.Now()
	token, err := golang.NewWithClaims(method, golangClaims{own, golang.RegisteredClaims{
		Issuer: issuer, Subject: userID, Audience: golang.ClaimStrings{audience}, ID: "06h0co58f06l9q6lloq20opqt8",
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
		key := func(*golang.Token) (any, error) { return verifying, nil }
		if _, err := parser.ParseWithClaims(text, &c, key); !ok || err != nil {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		answer(w, r, c.Subject)
	}), token)
}

func golangKeys(alg jwk.Algorithm) (signing, verifying any, err error) {
	if alg == jwk.HS256 {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // never fails
		return secret, secret, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	return key, &key.PublicKey, nil
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
