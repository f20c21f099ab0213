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
	"github.com/hallpass-go/hallpass/internal/audit"
	"github.com/hallpass-go/hallpass/internal/clients"
	"github.com/hallpass-go/hallpass/internal/keyring"
	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/sessiondb"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/users"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/password"
)

// installation is the content of a data folder and a database.
type installation struct {
	db       *sqldb.DB
	keys     *keyring.Ring
	store    *sessiondb.Store
	accounts *users.Accounts
	clients  *clients.Registry
	governor *password.Governor
	audit    *audit.Log
	record   func(context.Context, hallpass.Event) error
	observe  func(context.Context, hallpass.Event)
}

// openOptions are options that only some commands set.
type openOptions struct {
	mustExist bool // fail if there is no database
	algorithm jwk.Algorithm
	rotation  time.Duration // of signing keys; 0 for none
	// observe is called for events about users, sessions and keys; it may be nil.
	observe func(context.Context, hallpass.Event)
	policy  password.Policy
}

// databasePath returns the default path of the database.
func (c *commands) databasePath() string { return filepath.Join(c.Data, "hallpass.db") }

// secretPath returns the path of the secret that encrypts the keys.
func (c *commands) secretPath() string {
	if c.SecretFile != "" {
		return c.SecretFile
	}
	return filepath.Join(c.Data, "secret")
}

// open opens the data folder and the database. On the first run it creates them, with the secret
// and the first key.
func (c *commands) open(ctx context.Context, o openOptions) (*installation, error) {
	url := c.DB
	if url == "" || url == "sqlite:" {
		url = "sqlite:" + c.databasePath()
	}
	if path, err := sqldb.File(url); err == nil && o.mustExist {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf(
				"there is no installation in %s, as %s does not exist: run hallpass serve first, "+
					"or name its folder with --data", c.Data, path)
		}
	}
	if err := sqldb.MakeFolder(c.Data); err != nil {
		return nil, fmt.Errorf("opening the data folder: %w", err)
	}
	db, err := sqldb.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	in := &installation{db: db, observe: c.listener(o.observe)}
	if in.audit, err = audit.Open(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	in.record = server.RecordEvents(in.audit, time.Now)
	in.keys, err = keyring.Open(ctx, keyring.Config{
		DB: db, SecretFile: c.secretPath(), Algorithm: o.algorithm, Rotation: o.rotation, Changed: in.keyChanged,
		Record: func(ctx context.Context, key keyring.KeyInfo) error {
			return in.record(ctx, server.KeyEvent(ctx, key))
		},
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if in.store, err = sessiondb.New(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if in.governor, err = password.NewGovernor(password.GovernorConfig{}); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	in.accounts, err = users.OpenAccounts(ctx, users.AccountsConfig{DB: db, Passwords: in.governor, Policy: o.policy})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if in.clients, err = clients.Open(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return in, nil
}

// users returns a service that changes users and their sessions like the server. A running server
// sees the changes within a second.
func (in *installation) users() (*users.Service, error) {
	issuer, err := in.issuer()
	return users.New(users.Config{Accounts: in.accounts, Issuer: issuer}), err
}

// issuer returns an issuer for ending sessions. It does not create tokens; see tokenMintCommand.
func (in *installation) issuer() (*users.Issuer, error) {
	return hallpass.NewIssuer(hallpass.IssuerConfig[struct{}]{
		Issuer: "hallpass", Audience: "hallpass", Keys: in.keys, Store: in.store,
		Authorize: users.Authorize(in.accounts),
		Record:    in.record, Observe: in.observe,
	})
}

// findUser returns the user that text names. If text has the shape of an ID, it is read as an ID,
// otherwise as a name.
func (in *installation) findUser(ctx context.Context, text string) (users.User, error) {
	user, err := in.accounts.Find(ctx, text)
	if errors.Is(err, users.ErrNotFound) {
		return users.User{}, fmt.Errorf("there is no user %q: hallpass user list shows those there are", text)
	}
	return user, err
}

// keyChanged reports that a key is in a new state.
func (in *installation) keyChanged(ctx context.Context, key keyring.KeyInfo) {
	in.observe(ctx, server.KeyEvent(ctx, key))
}

// listener returns o if it is set, as by the server. Otherwise it returns a function that writes
// events to standard error if --verbose is set.
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
