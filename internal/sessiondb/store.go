// Package sessiondb keeps sessions and revocations in a SQL database. Package sqlstore exports it.
// The server uses it with the database of its users.
package sessiondb

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/sessions"
)

//go:embed migrations
var migrations embed.FS

// Store is a [sessions.Store] in a SQL database. It is safe for concurrent use, also by several
// programs.
type Store struct {
	db    *sqldb.DB
	owned bool // Close closes db

	selectPage string // see there
}

var _ sessions.Transactor = (*Store)(nil)

// Open opens the database at url, which is "sqlite:" followed by a file path, and updates its
// schema. If the file does not exist, Open creates it with mode 0600; its folder must exist. If
// others can access the file, Open corrects its mode and logs a warning to slog.Default, or fails
// if the file belongs to another user. The caller must close the store. An error that wraps
// [sessions.ErrUnavailable] says that the database could not be reached.
func Open(ctx context.Context, url string) (*Store, error) {
	db, err := sqldb.Open(ctx, url)
	if err != nil {
		return nil, wrap("opening store", err)
	}
	s, err := New(ctx, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.owned = true
	return s, nil
}

// New returns a store in db and updates the schema of its tables. The caller must close db.
func New(ctx context.Context, db *sqldb.DB) (*Store, error) {
	files, err := fs.Sub(migrations, "migrations/"+db.Dialect())
	if err != nil {
		return nil, wrap("opening store", err)
	}
	if err := db.Migrate(ctx, "sqlstore", files); err != nil {
		return nil, wrap("opening store", err)
	}
	return &Store{db: db, selectPage: selectPage(db)}, nil
}

// Close closes the database if [Open] opened it. It waits for calls in progress. Later calls fail
// with [sessions.ErrUnavailable].
func (s *Store) Close() error {
	if !s.owned {
		return nil
	}
	return s.db.Close()
}

// Transaction implements [sessions.Transactor].
func (s *Store) Transaction(ctx context.Context, f func(context.Context) error) error {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error { return f(sqldb.WithTx(ctx, tx)) })
	if errors.Is(err, sqldb.ErrUnavailable) && !errors.Is(err, sessions.ErrUnavailable) {
		return wrap("writing", err)
	}
	return err
}

// wrap adds what failed and converts the error to one of package sessions.
func wrap(doing string, err error) error {
	switch {
	case err == nil, errors.Is(err, sessions.ErrNotFound), errors.Is(err, sessions.ErrSubjectChanged):
		return err
	case errors.Is(err, sqldb.ErrUnavailable):
		return fmt.Errorf("%s: %w: %w", doing, sessions.ErrUnavailable, err)
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}
