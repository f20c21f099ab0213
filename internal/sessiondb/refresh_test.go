package sessiondb_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/sessiondb"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/sessions"
)

var refreshes = flag.Int(
	"refreshes",
	4000,
	"refreshes of the test of the file's size: go test ./sqlstore -run aMillion -timeout 0 -args -refreshes 1000000",
)

// newIssuer returns an issuer with a store in a new file.
func newIssuer(tb testing.TB, now func() time.Time) (*hallpass.Issuer[struct{}], string) {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "sessions.db")
	store, err := sessiondb.Open(context.Background(), "sqlite:"+file)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = store.Close() })
	keys, err := jwk.OpenFile(filepath.Join(tb.TempDir(), "keys.json"))
	if err != nil {
		tb.Fatal(err)
	}
	issuer, err := hallpass.NewIssuer(hallpass.IssuerConfig[struct{}]{
		Issuer: "https://issuer.example", Audience: "api", Keys: keys, Store: store,
		Revocations: hallpass.NewRevocations(), Now: now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return issuer, file
}

// refreshAll lets each client refresh its own session as fast as it gets answers, until n refreshes
// are acknowledged.
func refreshAll(tb testing.TB, issuer *hallpass.Issuer[struct{}], clients, n int) {
	tb.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var group sync.WaitGroup
	for i := range clients {
		tokens, err := issuer.StartSession(context.Background(), fmt.Sprint("user-", i), sessions.Client{})
		if err != nil {
			tb.Fatal(err)
		}
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if tokens, err = issuer.Refresh(context.Background(), tokens.RefreshToken,
					sessions.Client{}); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

// BenchmarkRefresh compares refreshes by 64 clients with a bare loop that updates and commits one
// row at a time, on a file with the same pragmas.
func BenchmarkRefresh(b *testing.B) {
	b.Run("64-clients", func(b *testing.B) {
		issuer, _ := newIssuer(b, nil)
		b.ResetTimer()
		refreshAll(b, issuer, 64, b.N)
	})
	b.Run("bare-loop", func(b *testing.B) {
		db, err := sql.Open(
			"sqlite",
			"file:"+filepath.Join(b.TempDir(), "bare.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)",
		)
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		if _, err := db.Exec("CREATE TABLE sessions (id TEXT PRIMARY KEY, generation INTEGER) " +
			"WITHOUT ROWID; INSERT INTO sessions VALUES ('a', 0)"); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := db.Exec("UPDATE sessions SET generation = generation + 1 WHERE id = ?", "a"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// A million refreshes leave one row per session, and the file does not grow.
func TestRefresh_aMillionTimesIsOneRowASession(t *testing.T) {
	const clients = 64
	issuer, file := newIssuer(t, nil)
	refreshAll(t, issuer, clients, *refreshes/4)
	before := size(t, file)
	begin := time.Now()
	refreshAll(t, issuer, clients, *refreshes/4*3)
	after := size(t, file)
	t.Logf("%d refreshes: %d bytes; %d more in %v: %d bytes", *refreshes/4, before, *refreshes/4*3,
		time.Since(begin), after)
	// The second round has started its own sessions, which add a little. The write-ahead log must
	// stay within its maximum length.
	if after > before+96<<10 {
		t.Errorf("the file grew from %d to %d bytes", before, after)
	}
	if wal := size(t, file+"-wal"); wal > 16<<20 {
		t.Errorf("the log has %d bytes", wal)
	}
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows int
	if err := db.QueryRow("SELECT count(*) FROM sessions").Scan(&rows); err != nil || rows != 2*clients {
		t.Errorf("%d rows, %v; want %d", rows, err, 2*clients)
	}
}

func size(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
