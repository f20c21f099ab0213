// Package sqlstore keeps sessions and revocations in a SQL database. It provides a [sessions.Store]
// that survives restarts and that several programs can share: SQLite or PostgreSQL.
//
// The program must import the driver, modernc.org/sqlite or github.com/jackc/pgx/v5/stdlib:
//
//	import _ "modernc.org/sqlite"
//
//	store, err := sqlstore.Open(ctx, "sqlite:/var/lib/api/sessions.db")
package sqlstore

import (
	"context"

	"github.com/hallpass-go/hallpass/internal/sessiondb"
	"github.com/hallpass-go/hallpass/sessions"
)

// Store is a [sessions.Store] in a SQL database. It is safe for concurrent use, also by several
// programs.
type Store struct {
	sessions.Store
	close func() error
}

// Open opens the database at url and updates its schema. For SQLite that is "sqlite:" followed by a
// file path, for PostgreSQL 13 or newer "postgres://user:password@host/database", with the parameters
// of libpq such as sslmode=verify-full. The caller must close the store. An error that wraps
// [sessions.ErrUnavailable] says that the database could not be reached. No error has the password.
//
// If a file does not exist, Open creates it with mode 0600; its folder must exist. If others can access
// the file, Open corrects its mode and logs a warning to slog.Default, or fails if the file belongs to
// another user.
func Open(ctx context.Context, url string) (*Store, error) {
	store, err := sessiondb.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	return &Store{store, store.Close}, nil
}

// Close closes the database. It waits for calls in progress. Later calls fail with
// [sessions.ErrUnavailable].
func (s *Store) Close() error { return s.close() }
