package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/keyring"
	"github.com/hallpass-go/hallpass/internal/private"
	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/password"
	"github.com/hallpass-go/hallpass/sqlstore"
)

// installation is what a data folder and a database hold.
type installation struct {
	db       *sqldb.DB
	keys     *keyring.Ring
	store    *sqlstore.Store
	accounts *account.Accounts
}

// openOptions are what only some commands say.
type openOptions struct {
	mustExist  bool // there is nothing to do without a database
	algorithm  jwk.Algorithm
	rotation   time.Duration                          // of signing keys; 0 for none
	keyChanged func(context.Context, keyring.KeyInfo) // is told what becomes of them
	policy     password.Policy
	// hashWorkers is how many passwords are hashed at a time; 0 for the default.
	hashWorkers int
}

// databasePath is where the database is unless --db says otherwise.
func (c *commands) databasePath() string { return filepath.Join(c.Data, "hallpass.db") }

// secretPath is where the secret is under which keys are sealed.
func (c *commands) secretPath() string {
	if c.SecretFile != "" {
		return c.SecretFile
	}
	return filepath.Join(c.Data, "secret")
}

// open opens the data folder and the database. On first run it makes them, with the secret and the first key.
func (c *commands) open(ctx context.Context, o openOptions) (*installation, error) {
	url := c.DB
	if url == "" || url == "sqlite:" {
		path := c.databasePath()
		if _, err := os.Stat(path); o.mustExist && errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no installation in %s: run hallpass serve first, or name its folder with --data", c.Data)
		}
		url = "sqlite:" + path
	}
	if err := makeDataFolder(c.Data); err != nil {
		return nil, err
	}
	db, err := sqldb.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	in := &installation{db: db}
	if in.keys, err = keyring.Open(ctx, keyring.Config{DB: db, SecretFile: c.secretPath(), Algorithm: o.algorithm, Rotation: o.rotation, Changed: o.keyChanged}); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if in.store, err = sqlstore.New(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	governor, err := password.NewGovernor(password.GovernorConfig{Workers: o.hashWorkers})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if in.accounts, err = account.New(ctx, account.Config{DB: db, Passwords: governor, Policy: o.policy}); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return in, nil
}

// users changes users and their sessions as the server does. A server that is running follows within a second.
func (in *installation) users() (server.Users, error) {
	issuer, err := in.issuer("hallpass", "hallpass")
	return server.Users{Accounts: in.accounts, Sessions: issuer}, err
}

func (in *installation) issuer(url, audience string) (*hallpass.Issuer[struct{}], error) {
	return hallpass.NewIssuer(hallpass.IssuerConfig[struct{}]{
		Issuer: url, Audience: audience, Keys: in.keys, Store: in.store,
		Authorize: func(ctx context.Context, subject string) (hallpass.Grant[struct{}], error) {
			return server.Authorize(ctx, in.accounts, subject)
		},
	})
}

// findUser returns the user that an argument names, by ID when it has the shape of one and by name otherwise.
func (in *installation) findUser(ctx context.Context, text string) (account.User, error) {
	user, err := in.accounts.Find(ctx, text)
	if errors.Is(err, account.ErrNotFound) {
		return account.User{}, fmt.Errorf("there is no user %q: hallpass user list shows those there are", text)
	}
	return user, err
}

func (in *installation) Close() error { return in.db.Close() }

// makeDataFolder makes the folder, and mends or refuses one that others can look into: what it holds makes whoever reads it anybody.
func makeDataFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	if err := private.Keep(path); err != nil {
		return fmt.Errorf("opening the data folder: %w", err)
	}
	return nil
}
