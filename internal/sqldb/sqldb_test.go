package sqldb_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	_ "modernc.org/sqlite"
)

// open opens a fresh database with a table of counters.
func open(t testing.TB) (*sqldb.DB, string) {
	t.Helper()
	url := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	db := reopen(t, url)
	write(t, db, "CREATE TABLE counters (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, name TEXT UNIQUE)")
	for i := range 64 {
		write(t, db, "INSERT INTO counters (id, n) VALUES (?, 0)", i)
	}
	return db, url
}

func reopen(t testing.TB, url string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func write(t testing.TB, db *sqldb.DB, statement string, args ...any) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(statement, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func add(ctx context.Context, db *sqldb.DB, id int) error {
	return db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec("UPDATE counters SET n = n + 1 WHERE id = ?", id)
		return err
	})
}

func count(t testing.TB, db *sqldb.DB, query string, args ...any) int {
	t.Helper()
	var n int
	if err := db.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWrite_isDurableAndVisible(t *testing.T) {
	db, url := open(t)
	if err := add(t.Context(), db, 7); err != nil {
		t.Fatal(err)
	}
	if got := count(t, db, "SELECT n FROM counters WHERE id = ?", 7); got != 1 {
		t.Errorf("n = %d, want 1", got)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got := count(t, reopen(t, url), "SELECT n FROM counters WHERE id = ?", 7); got != 1 {
		t.Errorf("after reopening: n = %d, want 1", got)
	}
}
