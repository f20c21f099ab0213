package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	golang "github.com/golang-jwt/jwt/v5"
	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/sqlstore"
	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase"
	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	"modernc.org/sqlite"
)

const (
	libraryName    = "hallpass with sqlstore: two reads, a rotation"
	serverName     = "hallpass serve, with its users and its log: three reads, a rotation"
	golangName     = "golang-jwt with a table: a rotation in one statement"
	pocketbaseName = "PocketBase auth-refresh: a read, no rotation"

	issuer   = "https://issuer.example"
	audience = "https://api.example"
	alive    = 15 * time.Minute
	idle     = 30 * 24 * time.Hour
)

// names returns the servers to measure. The setting of hallpass serve is always FULL.
func names(sync string) []string {
	all := []string{libraryName, golangName, pocketbaseName}
	if sync == "FULL" {
		all = append(all, serverName)
	}
	return all
}

// beServer serves in the working directory.
func beServer(name, sync string) error {
	switch name {
	case libraryName:
		return library(sync)
	case golangName:
		return golangJWT(sync)
	case pocketbaseName:
		return pocketBase(sync)
	}
	return fmt.Errorf("there is no server %q", name)
}

// library is this library as its documentation shows it.
func library(sync string) error {
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, _ string) error {
		_, err := conn.ExecContext(context.Background(), "PRAGMA synchronous = "+sync, []driver.NamedValue{})
		return err
	})
	path, err := filepath.Abs("sessions.db")
	if err != nil {
		return err
	}
	store, err := sqlstore.Open(context.Background(), "sqlite:"+path)
	if err != nil {
		return err
	}
	keys, err := jwk.OpenFile("keys.json")
	if err != nil {
		return err
	}
	auth, err := hallpass.New(hallpass.Config[struct{}]{
		Issuer: issuer, Audience: audience, Keys: keys, Store: store, AccessTTL: alive,
		Authorize: func(context.Context, string) (hallpass.Grant[struct{}], error) {
			return hallpass.Grant[struct{}]{Roles: []string{"user"}}, nil
		},
	})
	if err != nil {
		return err
	}
	go auth.Run(context.Background())
	var tokens []string
	for i := range most {
		t, err := auth.StartSession(context.Background(), fmt.Sprint("user-", i), hallpass.Client{})
		if err != nil {
			return err
		}
		tokens = append(tokens, t.RefreshToken)
	}
	mux := http.NewServeMux()
	auth.Mount(mux, "/v1")
	return listen(mux, "/v1/refresh", tokens)
}

// golangJWT is golang-jwt with the glue that one writes for refresh tokens: a random token is
// replaced when it is used, and a table keeps its hash. Unlike the library it notices no theft, and
// a client that does not get the answer is logged out.
func golangJWT(sync string) error {
	db, err := sql.Open("sqlite", "file:glue.db?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)"+
		"&_pragma=synchronous("+sync+")&_txlock=immediate")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1) // SQLite has one writer; with more they would wait for the lock
	if _, err := db.Exec(`CREATE TABLE users (id TEXT PRIMARY KEY, role TEXT NOT NULL) WITHOUT ROWID;
		CREATE TABLE refresh_tokens (hash BLOB PRIMARY KEY, user_id TEXT NOT NULL, expires_at INTEGER NOT NULL)
		WITHOUT ROWID`,
	); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	var tokens []string
	for i := range most {
		token, user := rand.Text(), fmt.Sprint("user-", i)
		hash := sha256.Sum256([]byte(token))
		if _, err := db.Exec("INSERT INTO users VALUES (?, 'user')", user); err != nil {
			return err
		}
		_, err := db.Exec("INSERT INTO refresh_tokens VALUES (?, ?, ?)", hash[:], user, time.Now().Add(idle).Unix())
		if err != nil {
			return err
		}
		tokens = append(tokens, token)
	}
	rotate, err := db.Prepare(`UPDATE refresh_tokens SET hash = ?, expires_at = ? WHERE hash = ? AND expires_at > ?
		RETURNING user_id, (SELECT role FROM users WHERE id = user_id)`)
	if err != nil {
		return err
	}
	return listen(&glue{rotate, key}, "/refresh", tokens)
}

// glue refreshes the tokens of [golangJWT].
type glue struct {
	rotate *sql.Stmt
	key    *ecdsa.PrivateKey
}

type glueClaims struct {
	Roles []string `json:"roles"`
	golang.RegisteredClaims
}

func (g *glue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&request); err != nil {
		http.Error(w, "malformed", http.StatusBadRequest)
		return
	}
	now, next := time.Now(), rand.Text()
	before, after := sha256.Sum256([]byte(request.RefreshToken)), sha256.Sum256([]byte(next))
	var user, role string
	row := g.rotate.QueryRowContext(r.Context(), after[:], now.Add(idle).Unix(), before[:], now.Unix())
	err := row.Scan(&user, &role)
	if errors.Is(err, sql.ErrNoRows) {
		http.Error(w, "invalid refresh token", http.StatusUnauthorized)
		return
	}
	if err != nil {
		http.Error(w, "database", http.StatusInternalServerError)
		return
	}
	access, err := golang.NewWithClaims(golang.SigningMethodES256, glueClaims{[]string{role}, golang.RegisteredClaims{
		Issuer: issuer, Subject: user, Audience: golang.ClaimStrings{audience}, ID: rand.Text(),
		IssuedAt: golang.NewNumericDate(now), ExpiresAt: golang.NewNumericDate(now.Add(alive)),
	}}).SignedString(g.key)
	if err != nil {
		http.Error(w, "signing", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"access_token": access, "refresh_token": next, "token_type": "Bearer", "expires_in": int(alive.Seconds()),
	})
}

// pocketBase is PocketBase without its request log. Its refresh reads the user and signs a new
// token with HS256. The old token stays valid, and nothing is written.
func pocketBase(sync string) error {
	app := pocketbase.NewWithConfig(pocketbase.Config{
		DefaultDataDir: "pb_data", HideStartBanner: true,
		DBConnect: func(path string) (*dbx.DB, error) {
			return dbx.Open("sqlite", path+
				"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous("+
				sync+")&_pragma=foreign_keys(ON)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-32000)")
		},
	})
	if err := app.Bootstrap(); err != nil {
		return err
	}
	if err := app.RunAllMigrations(); err != nil {
		return err
	}
	app.Settings().Logs.MaxDays = 0
	if err := app.Save(app.Settings()); err != nil {
		return err
	}
	users, err := app.FindCollectionByNameOrId("users")
	if err != nil {
		return err
	}
	var tokens []string
	for i := range most {
		user := core.NewRecord(users)
		user.SetEmail(fmt.Sprintf("user-%d@example.com", i))
		user.SetPassword("a long password of a benchmark")
		if err := app.Save(user); err != nil {
			return err
		}
		token, err := user.NewAuthToken()
		if err != nil {
			return err
		}
		tokens = append(tokens, token)
	}
	router, err := apis.NewRouter(app)
	if err != nil {
		return err
	}
	mux, err := router.BuildMux()
	if err != nil {
		return err
	}
	return listen(mux, "/api/collections/users/auth-refresh", tokens)
}

// listen serves a handler on a free port. It says where, and the token of each client.
func listen(h http.Handler, path string, tokens []string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s%s\n", l.Addr(), path)
	for _, token := range tokens {
		fmt.Println(token)
	}
	return http.Serve(l, h)
}

// startServer builds and starts hallpass serve, and logs in there.
func startServer(dir string) (*process, error) {
	binary := filepath.Join(dir, "hallpass")
	build := exec.Command("go", "build", "-C", "..", "-o", binary, "./cmd/hallpass")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	p := &process{name: serverName, wire: wireOf(serverName), url: "http://" + address + "/v1/refresh"}
	p.cmd = exec.Command(binary, "serve", "--addr", address, "--data", filepath.Join(dir, "data"),
		"--refresh-limit", "1000000000/1m")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for range 200 {
		if answer, err := http.Get("http://" + address + "/readyz"); err == nil {
			_ = answer.Body.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	user := []byte(`{"username":"alice","password":"a long password of a benchmark"}`)
	answer, err := http.Post("http://"+address+"/v1/users", "application/json", bytes.NewReader(user))
	if err != nil {
		return nil, err
	}
	_ = answer.Body.Close()
	for range most {
		answer, err := http.Post("http://"+address+"/v1/login", "application/json", bytes.NewReader(user))
		if err != nil {
			return nil, err
		}
		var tokens struct {
			RefreshToken string `json:"refresh_token"`
		}
		err = json.NewDecoder(answer.Body).Decode(&tokens)
		_ = answer.Body.Close()
		if err != nil {
			return nil, err
		}
		p.tokens = append(p.tokens, tokens.RefreshToken)
	}
	return p, nil
}
