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

var revocations = flag.Int("revocations", 20_000, "live revocations of TestStart_withManyRevocations")

// A start with many live revocations is fast and takes little memory, which is freed when they
// expire.
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
	before := heap()
	list := hallpass.NewRevocations()
	begun := time.Now()
	if err := list.Update(t.Context(), store, now); err != nil {
		t.Fatal(err)
	}
	took, held := time.Since(begun), heap()-before
	if err := list.Update(t.Context(), store, now.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	kept := heap() - before
	runtime.KeepAlive(list)
	n := int64(*revocations)
	t.Logf("%d revocations: read in %v (%v each), %d bytes each; %d KB stay when they have expired",
		n, took, took/time.Duration(n), held/n, kept>>10)
	if held/n > 100 || kept > 1<<20 {
		t.Errorf("%d bytes a revocation, and %d KB afterwards", held/n, kept>>10)
	}
}

// heap returns the live heap memory of the program, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
