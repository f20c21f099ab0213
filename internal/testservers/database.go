package testservers

import (
	"os"
	"sync"
	"testing"
)

// Database returns the URL of the database that a test calls by a path: always the same for a path. It
// is a SQLite file there, or, if HALLPASS_TEST_DB is postgres, a database of a real server.
func Database(t testing.TB, path string) string {
	t.Helper()
	if OnSQLite() {
		return "sqlite:" + path
	}
	named.Lock()
	defer named.Unlock()
	if named.urls[path] == "" {
		named.urls[path] = Postgres(t)
	}
	return named.urls[path]
}

var named = struct {
	sync.Mutex
	urls map[string]string // by path
}{urls: map[string]string{}}

// OnSQLite reports whether [Database] returns files of SQLite.
func OnSQLite() bool { return os.Getenv("HALLPASS_TEST_DB") != "postgres" }
