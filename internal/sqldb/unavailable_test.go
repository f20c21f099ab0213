package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
)

func TestOpen_url(t *testing.T) {
	dir := t.TempDir()
	for _, url := range []string{
		"sqlite:" + dir + "/plain.db", "sqlite://" + dir + "/slashes.db", "sqlite:" + dir + "/a ?b=%41#c&d.db",
	} {
		db := reopen(t, url)
		if err := db.Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if got := db.Dialect(); got != "sqlite" {
			t.Errorf("%s: dialect %q", url, got)
		}
	}
	for _, name := range []string{"plain.db", "slashes.db", "a ?b=%41#c&d.db"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	for url, says := range map[string]string{
		"mysql://localhost/hallpass": "not supported yet",
		"sqlite:":                    "path of a file",
		"sqlite::memory:":            "path of a file",
		"hallpass.db":                "starts with",
	} {
		_, err := sqldb.Open(t.Context(), url)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want one that says %q", url, err, says)
		}
	}
}

func TestOpen_fileThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"no folder": filepath.Join(dir, "none", "test.db"), "a folder": dir, "not a database": text,
	} {
		start := time.Now()
		_, err := sqldb.Open(t.Context(), "sqlite:"+path)
		if !errors.Is(err, sqldb.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
	}
}

func TestOpen_settings(t *testing.T) {
	db, _ := open(t)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		var got string
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error { return tx.QueryRow("PRAGMA " + pragma).Scan(&got) })
		if err != nil || got != want {
			t.Errorf("%s of the writer: %q, %v; want %q", pragma, got, err, want)
		}
	}
}

// unavailableEverywhere checks that every call returns ErrUnavailable within a second.
func unavailableEverywhere(t *testing.T, ctx context.Context, db *sqldb.DB) {
	t.Helper()
	start := time.Now()
	var n int
	_, queryErr := db.Query(ctx, "SELECT id FROM counters")
	for call, err := range map[string]error{
		"Ping":     db.Ping(ctx),
		"Write":    add(ctx, db, 1),
		"Query":    queryErr,
		"QueryRow": db.QueryRow(ctx, "SELECT n FROM counters WHERE id = 1").Scan(&n),
	} {
		if !errors.Is(err, sqldb.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", call, err)
		}
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestDB_closed(t *testing.T) {
	db, _ := open(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	unavailableEverywhere(t, t.Context(), db)
}

func TestDB_contextThatHasEnded(t *testing.T) {
	db, _ := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	unavailableEverywhere(t, ctx, db)
}

func TestDB_damagedFile(t *testing.T) {
	db, url := open(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(url, "sqlite:")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 100; i < len(content); i++ {
		content[i] = 0xff
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqldb.Open(t.Context(), url); !errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("opening: %v, want ErrUnavailable", err)
	}
}

// TestDB_deletedFile deletes the file under an open database. The system lets SQLite continue to
// write, but nothing is kept.
func TestDB_deletedFile(t *testing.T) {
	for name, replace := range map[string]bool{"deleted": false, "replaced": true} {
		t.Run(name, func(t *testing.T) {
			db, url := open(t)
			path := strings.TrimPrefix(url, "sqlite:")
			if err := os.Rename(path, path+".old"); err != nil {
				t.Skip("this system does not rename an open file:", err)
			}
			if replace {
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := add(t.Context(), db, 1); !errors.Is(err, sqldb.ErrUnavailable) {
				t.Errorf("Write: %v, want ErrUnavailable", err)
			}
			if err := db.Ping(t.Context()); !errors.Is(err, sqldb.ErrUnavailable) {
				t.Errorf("Ping: %v, want ErrUnavailable", err)
			}
			readEverywhere(t, db)
			if _, err := os.Stat(path); !replace && err == nil {
				t.Error("reading made a new file")
			}
			if err := os.Rename(path+".old", path); err != nil {
				t.Fatal(err)
			}
			if err := add(t.Context(), db, 1); err != nil {
				t.Errorf("once the file is back: %v", err)
			}
		})
	}
}

// readEverywhere tries to open all connections of the read pool at the same time. Failures are
// ignored.
func readEverywhere(t *testing.T, db *sqldb.DB) {
	for range 4 {
		rows, err := db.Query(t.Context(), "SELECT id FROM counters")
		if err == nil {
			defer rows.Close()
		}
	}
}

// lock holds the write lock of the database at url, as another program would.
func lock(t *testing.T, url string) (unlock func()) {
	t.Helper()
	other, err := sql.Open("sqlite", strings.TrimPrefix(url, "sqlite:")+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = tx.Rollback() }
}

func TestWrite_waitsForAnotherProgram(t *testing.T) {
	db, url := open(t)
	time.AfterFunc(300*time.Millisecond, lock(t, url))
	if err := add(t.Context(), db, 1); err != nil {
		t.Error(err)
	}
}

func TestWrite_contextThatEndsBeforeTheLockIsFree(t *testing.T) {
	db, url := open(t)
	defer lock(t, url)()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := add(ctx, db, 1)
	if !errors.Is(err, sqldb.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) ||
		time.Since(start) > time.Second {
		t.Errorf("after %v: %v, want ErrUnavailable at the deadline", time.Since(start), err)
	}
}

// TestWrite_lockThatIsNeverFree checks that callers wait for the lock together, not one after the
// other.
func TestWrite_lockThatIsNeverFree(t *testing.T) {
	t.Parallel()
	db, url := open(t)
	unlock := lock(t, url)
	start := time.Now()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if err := add(context.Background(), db, i); !errors.Is(err, sqldb.ErrUnavailable) {
				t.Errorf("error %v, want ErrUnavailable", err)
			}
		})
	}
	group.Wait()
	if took := time.Since(start); took < 4*time.Second || took > 8*time.Second {
		t.Errorf("it took %v, want 5 s", took)
	}
	unlock()
	if err := add(t.Context(), db, 1); err != nil {
		t.Errorf("once the lock is free: %v", err)
	}
}

func TestErrors_aboutTheStatementAreNotUnavailable(t *testing.T) {
	db, _ := open(t)
	write(t, db, "UPDATE counters SET name = 'taken' WHERE id = 1")
	for name, c := range map[string]struct {
		statement string
		unique    bool
	}{
		"primary key": {"INSERT INTO counters (id, n) VALUES (1, 0)", true},
		"unique":      {"INSERT INTO counters (id, n, name) VALUES (999, 0, 'taken')", true},
		"not null":    {"INSERT INTO counters (id) VALUES (999)", false},
		"syntax":      {"INSERT counters", false},
		"no table":    {"INSERT INTO nowhere (id) VALUES (1)", false},
	} {
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(c.statement)
			return err
		})
		if err == nil || errors.Is(err, sqldb.ErrUnavailable) || sqldb.IsUnique(err) != c.unique {
			t.Errorf("%s: %v, IsUnique %t; want %t", name, err, sqldb.IsUnique(err), c.unique)
		}
	}
	var n int
	err := db.QueryRow(t.Context(), "SELECT n FROM counters WHERE id = 12345").Scan(&n)
	if !errors.Is(err, sql.ErrNoRows) || errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("no row: %v, want sql.ErrNoRows alone", err)
	}
	if sqldb.IsUnique(nil) || sqldb.IsUnique(sqldb.ErrUnavailable) {
		t.Error("IsUnique of something else")
	}
}

// The context of a request may end at any time. To watch it would take longer than to read a row.
func TestQueryRow_doesNotWatchItsContext(t *testing.T) {
	db, _ := open(t)
	read := func(ctx context.Context) float64 {
		return testing.AllocsPerRun(100, func() {
			var n int
			if err := db.QueryRow(ctx, "SELECT n FROM counters WHERE id = 1").Scan(&n); err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if got, want := read(ctx), read(context.Background())+1; got > want {
		t.Errorf("%v allocations with a context that may end, want at most %v", got, want)
	}
}

func TestExecRow_doesNotWatchItsContext(t *testing.T) {
	db, _ := open(t)
	const update = "UPDATE counters SET n = n + 1 WHERE id = 1"
	allocations := func(exec func(*sqldb.Tx) error) (n float64) {
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			n = testing.AllocsPerRun(100, func() {
				if err := exec(tx); err != nil {
					t.Error(err)
				}
			})
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return n
	}
	watched := allocations(func(tx *sqldb.Tx) error { _, err := tx.Exec(update); return err })
	unwatched := allocations(func(tx *sqldb.Tx) error { _, err := tx.ExecRow(update); return err })
	if unwatched > watched-2 {
		t.Errorf("%v allocations, and %v if the context is watched", unwatched, watched)
	}
}

// A statement about one row is not begun when the time of its transaction is over.
func TestExecRow_transactionHasALimit(t *testing.T) {
	db, _ := open(t)
	err := db.WriteWithin(t.Context(), 10*time.Millisecond, func(tx *sqldb.Tx) error {
		time.Sleep(50 * time.Millisecond)
		_, err := tx.ExecRow("UPDATE counters SET n = n + 1 WHERE id = 1")
		return err
	})
	if !errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
}

func TestQuery_cannotWrite(t *testing.T) {
	db, _ := open(t)
	var n int
	err := db.QueryRow(t.Context(), "UPDATE counters SET n = 5 WHERE id = 1 RETURNING n").Scan(&n)
	if err == nil {
		t.Error("a query wrote")
	}
}

func TestTime_isTheInverseOfMicros(t *testing.T) {
	moment := time.Date(2026, 5, 4, 3, 2, 1, 987_654_321, time.FixedZone("", 3600))
	got := sqldb.Time(sqldb.Micros(moment))
	if want := moment.Truncate(time.Microsecond); !got.Equal(want) || got.Location() != time.UTC {
		t.Errorf("%v, want %v in UTC", got, want)
	}
	if got := sqldb.Micros(time.Time{}); got != 0 {
		t.Errorf("the zero time is %d, want 0", got)
	}
	if got := sqldb.Time(0); !got.IsZero() {
		t.Errorf("0 is %v, want the zero time", got)
	}
}
