package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/keyring"
	"github.com/hallpass-go/hallpass/internal/private"
	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/sessiondb"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/users"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/password"
)

// installation is what a data folder and a database hold.
type installation struct {
	db       *sqldb.DB
	keys     *keyring.Ring
	store    *sessiondb.Store
	accounts *account.Accounts
	observe  func(context.Context, hallpass.Event)
}

// openOptions are what only some commands say.
type openOptions struct {
	mustExist bool // there is nothing to do without a database
	algorithm jwk.Algorithm
	rotation  time.Duration // of signing keys; 0 for none
	// observe is told what happens to users, sessions and keys; nil for nobody.
	observe func(context.Context, hallpass.Event)
	policy  password.Policy
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

// open opens the data folder and the database. On first run it makes them, with the secret and the
// first key.
func (c *commands) open(ctx context.Context, o openOptions) (*installation, error) {
	url := c.DB
	if url == "" || url == "sqlite:" {
		path := c.databasePath()
		if _, err := os.Stat(path); o.mustExist && errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf(
				"there is no installation in %s: run hallpass serve first, or name its folder with --data",
				c.Data,
			)
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
	in := &installation{db: db, observe: c.listener(o.observe)}
	in.keys, err = keyring.Open(ctx, keyring.Config{
		DB: db, SecretFile: c.secretPath(), Algorithm: o.algorithm, Rotation: o.rotation, Changed: in.keyChanged,
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if in.store, err = sessiondb.New(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	governor, err := password.NewGovernor(password.GovernorConfig{})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if in.accounts, err = account.New(ctx, account.Config{DB: db, Passwords: governor, Policy: o.policy}); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return in, nil
}

// users changes users and their sessions as the server does. A server that is running follows
// within a second.
func (in *installation) users() (*users.Service, error) {
	issuer, err := in.issuer()
	return users.New(users.Config{Accounts: in.accounts, Issuer: issuer}), err
}

// issuer ends sessions. It makes no tokens: see tokenMintCommand.
func (in *installation) issuer() (*users.Issuer, error) {
	return hallpass.NewIssuer(hallpass.IssuerConfig[struct{}]{
		Issuer: "hallpass", Audience: "hallpass", Keys: in.keys, Store: in.store,
		Authorize: users.Authorize(in.accounts),
		Observe:   in.observe,
	})
}

// findUser returns the user that an argument names, by ID when it has the shape of one and by name
// otherwise.
func (in *installation) findUser(ctx context.Context, text string) (account.User, error) {
	user, err := in.accounts.Find(ctx, text)
	if errors.Is(err, account.ErrNotFound) {
		return account.User{}, fmt.Errorf("there is no user %q: hallpass user list shows those there are", text)
	}
	return user, err
}

// keyChanged tells that a key is in another state.
func (in *installation) keyChanged(ctx context.Context, key keyring.KeyInfo) {
	in.observe(ctx, hallpass.Event{Name: server.EventKeyChanged, KeyID: key.ID, Reason: string(key.State)})
}

// listener is o or, for a command beside the server, one that writes to standard error when that is
// asked for with --verbose.
func (c *commands) listener(o func(context.Context, hallpass.Event)) func(context.Context, hallpass.Event) {
	switch {
	case o != nil:
		return o
	case c.Verbose:
		return server.LogEvents(slog.New(slog.NewTextHandler(c.errors, nil)))
	}
	return func(context.Context, hallpass.Event) {}
}

func (in *installation) Close() error { return in.db.Close() }

// makeDataFolder makes the folder, and mends or refuses one that others can look into: what it
// holds makes whoever reads it anybody.
func makeDataFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	if err := private.Keep(path); err != nil {
		return fmt.Errorf("opening the data folder: %w", err)
	}
	return nil
}
