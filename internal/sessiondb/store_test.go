package sessiondb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/sessiondb"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/testservers"
	"github.com/hallpass-go/hallpass/sessions"
	"github.com/hallpass-go/hallpass/storetest"
	_ "modernc.org/sqlite"
)

func freshURL(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") }

func open(t testing.TB, url string) *sessiondb.Store {
	t.Helper()
	store, err := sessiondb.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func TestMain(m *testing.M) { os.Exit(testservers.Run(m)) }

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) sessions.Store { return open(t, freshURL(t)) })
}

// TestStore_reopened opens the file again for each call, so that everything is read from the disk.
func TestStore_reopened(t *testing.T) {
	storetest.Run(t, func(t *testing.T) sessions.Store { return reopened{url: freshURL(t)} })
}

func TestStore_postgres(t *testing.T) {
	storetest.Run(t, func(t *testing.T) sessions.Store { return open(t, testservers.Postgres(t)) })
}

// TestStore_replicas sends calls in turn to several replicas that share a file, or a database.
func TestStore_replicas(t *testing.T) {
	for name, fresh := range map[string]func(testing.TB) string{"sqlite": freshURL, "postgres": testservers.Postgres} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) sessions.Store {
				url := fresh(t)
				r := &replicas{}
				for i := range r.stores {
					r.stores[i] = open(t, url)
				}
				return r
			})
		})
	}
}

func TestOpen_storeThatCannotBeOpened(t *testing.T) {
	for name, url := range map[string]string{
		"no folder": "sqlite:" + filepath.Join(t.TempDir(), "none", "test.db"), "a folder": "sqlite:" + t.TempDir(),
	} {
		if _, err := sessiondb.Open(t.Context(), url); !errors.Is(err, sessions.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
	_, err := sessiondb.Open(t.Context(), "mysql://localhost/hallpass")
	if err == nil || !strings.Contains(err.Error(), "not supported yet") {
		t.Errorf("another database: %v, want an error that says so", err)
	}
}

func TestOpen_databaseOfANewerProgram(t *testing.T) {
	url := freshURL(t)
	if err := open(t, url).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", strings.TrimPrefix(url, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec(`INSERT INTO schema_migrations (set_name, version, name, sha256, applied_at)
		VALUES ('sqlstore', 99, 'later', '', 0)`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sessiondb.Open(t.Context(), url); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("error %v, want one that says that the database is newer", err)
	}
}

func TestNew_leavesTheDatabaseOpen(t *testing.T) {
	db, err := sqldb.Open(t.Context(), freshURL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for range 2 {
		store, err := sessiondb.New(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("the database: %v", err)
	}
}

// calls calls all methods of a store and returns their errors.
func calls(ctx context.Context, s sessions.Store) map[string]error {
	now := time.Unix(1_800_000_000, 0)
	errs := map[string]error{}
	errs["CreateSession"] = s.CreateSession(ctx, sessions.Session{ID: "b"}, 0)
	_, errs["Session"] = s.Session(ctx, "a")
	_, errs["Sessions"] = s.Sessions(ctx, "ada", now, "", 1)
	_, _, errs["Rotate"] = s.Rotate(ctx, sessions.Rotation{SessionID: "a", Generation: 1, Now: now})
	_, errs["StepUp"] = s.StepUp(ctx, sessions.StepUp{SessionID: "a", Now: now})
	_, errs["Sequence"] = s.Sequence(ctx)
	_, errs["Sweep"] = s.Sweep(ctx, now, 1)
	_, errs["EndSessions"] = s.EndSessions(ctx, sessions.Ending{Subject: "ada", Now: now})
	_, errs["Revoke"] = s.Revoke(ctx, sessions.Revocation{Kind: sessions.RevokedToken, ID: "jti", ExpiresAt: now})
	_, errs["Revocations"] = s.Revocations(ctx, 0, now, 1)
	return errs
}

func TestStore_unavailable(t *testing.T) {
	t.Run("closed", func(t *testing.T) {
		store := open(t, freshURL(t))
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		for call, err := range calls(t.Context(), store) {
			if !errors.Is(err, sessions.ErrUnavailable) {
				t.Errorf("%s: %v, want ErrUnavailable", call, err)
			}
		}
	})
	t.Run("deleted", func(t *testing.T) {
		url := freshURL(t)
		store := open(t, url)
		if err := os.Remove(strings.TrimPrefix(url, "sqlite:")); err != nil {
			t.Skip("this system does not delete an open file:", err)
		}
		for _, call := range []string{"CreateSession", "Rotate", "StepUp", "Sweep", "EndSessions", "Revoke"} {
			if err := calls(t.Context(), store)[call]; !errors.Is(err, sessions.ErrUnavailable) {
				t.Errorf("%s: %v, want ErrUnavailable", call, err)
			}
		}
	})
}

// TestStatements_useAnIndex asks SQLite for the query plan of each statement.
func TestStatements_useAnIndex(t *testing.T) {
	url := freshURL(t)
	open(t, url)
	db, err := sql.Open("sqlite", strings.TrimPrefix(url, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, statement := range sessiondb.Statements {
		rows, err := db.Query("EXPLAIN QUERY PLAN "+statement, make([]any, strings.Count(statement, "?"))...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer rows.Close()
		steps := 0
		for ; rows.Next(); steps++ {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(step, "SCAN") || strings.Contains(step, "TEMP") {
				t.Errorf("%s: %s", name, step)
			}
		}
		if steps == 0 {
			t.Errorf("%s: no plan", name)
		}
	}
}

func TestSweep_deletesMoreThanOneBatch(t *testing.T) {
	store := open(t, freshURL(t))
	const n = sessiondb.SweepBatch + 10
	var group errorGroup
	for i := range n {
		group.run(func() error {
			return store.CreateSession(t.Context(), sessions.Session{ID: fmt.Sprint(i), Expiry: time.Unix(1, 0)}, 0)
		})
	}
	if err := group.wait(); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Sweep(t.Context(), time.Unix(2, 0), n-1); got != n-1 || err != nil {
		t.Errorf("swept %d, %v; want %d", got, err, n-1)
	}
	if got, err := store.Sweep(t.Context(), time.Unix(2, 0), 10*n); got != 1 || err != nil {
		t.Errorf("swept %d, %v; want the last", got, err)
	}
}

// BenchmarkRotate rotates one session per caller, with up to 64 concurrent callers.
func BenchmarkRotate(b *testing.B) {
	for name, parallelism := range map[string]int{"alone": 0, "parallel": 32} {
		b.Run(name, func(b *testing.B) {
			store := open(b, freshURL(b))
			var caller atomic.Int64
			now := time.Now()
			rotate := func(next func() bool) {
				id := fmt.Sprint(caller.Add(1))
				s := sessions.Session{ID: id, Generation: 1, IdleExpiry: now.Add(time.Hour), Expiry: now.Add(time.Hour)}
				if err := store.CreateSession(b.Context(), s, 0); err != nil {
					b.Error(err)
				}
				for generation := uint32(1); next(); generation++ {
					_, outcome, err := store.Rotate(b.Context(), sessions.Rotation{
						SessionID: id, Generation: generation, Now: now, IdleExpiry: now.Add(time.Hour),
					})
					if err != nil || outcome != sessions.Rotated {
						b.Errorf("outcome %d, %v", outcome, err)
						return
					}
				}
			}
			if parallelism == 0 {
				rotate(b.Loop)
				return
			}
			b.SetParallelism(parallelism)
			b.RunParallel(func(pb *testing.PB) { rotate(pb.Next) })
		})
	}
}
