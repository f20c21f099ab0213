// Package sqlstore keeps sessions and revocations in a SQL database: a [sessions.Store] that
// survives the program and that several programs share.
//
// The program imports the driver, modernc.org/sqlite for SQLite:
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

// Store is a [sessions.Store] in a SQL database. It is safe for concurrent use, by several programs
// too.
type Store struct {
	sessions.Store
	close func() error
}

// Open opens the database at url, "sqlite:" and the path of a file, and brings its tables up to
// date. The file is made with mode 0600 when it does not exist; its folder must. One of ours that
// others can reach is mended, with a warning in the log of slog.Default; somebody else's is
// refused. The caller closes the store. An error that wraps [sessions.ErrUnavailable] says that the
// database could not be asked.
func Open(ctx context.Context, url string) (*Store, error) {
	store, err := sessiondb.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	return &Store{store, store.Close}, nil
}

// Close closes the database. Calls that have begun are waited for; later ones fail with
// [sessions.ErrUnavailable].
func (s *Store) Close() error { return s.close() }
