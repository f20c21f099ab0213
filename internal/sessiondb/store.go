// Package sessiondb keeps sessions and revocations in a SQL database. Package sqlstore gives it to
// everybody; the server puts it into the database of its users.
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

// Store is a [sessions.Store] in a SQL database. It is safe for concurrent use, by several programs
// too.
type Store struct {
	db    *sqldb.DB
	owned bool // Close closes db
}

var _ sessions.Store = (*Store)(nil)

// Open opens the database at url, "sqlite:" and the path of a file, and brings its tables up to
// date. The file is made with mode 0600 when it does not exist; its folder must. One of ours that
// others can reach is mended, with a warning in the log of slog.Default; somebody else's is
// refused. The caller closes the store. An error that wraps [sessions.ErrUnavailable] says that the
// database could not be asked.
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

// New returns a store in db, whose tables it brings up to date. Closing db is the caller's.
func New(ctx context.Context, db *sqldb.DB) (*Store, error) {
	files, err := fs.Sub(migrations, "migrations/"+db.Dialect())
	if err != nil {
		return nil, wrap("opening store", err)
	}
	if err := db.Migrate(ctx, "sqlstore", files); err != nil {
		return nil, wrap("opening store", err)
	}
	return &Store{db: db}, nil
}

// Close closes the database if [Open] opened it. Calls that have begun are waited for; later ones
// fail with [sessions.ErrUnavailable].
func (s *Store) Close() error {
	if !s.owned {
		return nil
	}
	return s.db.Close()
}

// wrap says what failed, and makes the error one of package hallpass.
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
