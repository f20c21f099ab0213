//go:build !race

package sessiondb_test

import (
	"flag"
	"runtime"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/sessiondb"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/uid"
)

var revocations = flag.Int("revocations", 60_000, "live revocations of TestStart_withManyRevocations")

// A start with many live revocations takes about as long as reading them row by row without keeping
// them, or less, and little memory, which is freed when they expire. (The race detector slows the one
// down more than the other.) For a million:
//
//	go test ./internal/sessiondb -run TestStart_withManyRevocations -v -revocations 1000000
func TestStart_withManyRevocations(t *testing.T) {
	url := freshURL(t)
	db, err := sqldb.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store, err := sessiondb.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	err = db.Write(t.Context(), func(tx *sqldb.Tx) error {
		for i := range *revocations {
			_, err := tx.Exec(
				`INSERT INTO revocations (sequence, kind, revoked_id, before, expires_at) VALUES `+
					`(?, 'session', ?, 0, ?)`,
				i+1,
				uid.New(now),
				now.Add(time.Hour).UnixMicro(),
			)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var list *hallpass.Revocations
	before, took, rowByRow := heap(), time.Hour, time.Hour
	slow := func() bool { return 4*took > 5*rowByRow }
	for round := 0; round < 10 || round < 100 && slow(); round++ { // the machine may be busy
		list = hallpass.NewRevocations()
		begun := time.Now()
		if err := list.Update(t.Context(), store, now); err != nil {
			t.Fatal(err)
		}
		took = min(took, time.Since(begun))
		rowByRow = min(rowByRow, readRowByRow(t, db))
	}
	held := heap() - before
	if err := list.Update(t.Context(), store, now.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	kept := heap() - before
	runtime.KeepAlive(list)
	n := int64(*revocations)
	t.Logf("%d revocations: read in %v (row by row %v), %d bytes each; %d KB stay when they have expired",
		n, took, rowByRow, held/n, kept>>10)
	if slow() || held/n > 45 || kept > 1<<20 {
		t.Errorf("read in %v (row by row %v), %d bytes a revocation, and %d KB afterwards",
			took, rowByRow, held/n, kept>>10)
	}
}

// readRowByRow returns how long it takes to read all revocations as one usually reads rows.
func readRowByRow(t *testing.T, db *sqldb.DB) time.Duration {
	begun := time.Now()
	rows, err := db.Query(t.Context(), "SELECT sequence, kind, revoked_id, before, expires_at FROM revocations")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var sequence, before, expiresAt int64
		var kind, id string
		if err := rows.Scan(&sequence, &kind, &id, &before, &expiresAt); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return time.Since(begun)
}

// heap returns the live heap memory of the program, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
