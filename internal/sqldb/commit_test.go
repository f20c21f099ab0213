package sqldb_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
)

// hold starts a transaction and returns once its caller leads. Other writers wait until release is
// called.
func hold(t *testing.T, db *sqldb.DB, inside func(tx *sqldb.Tx) error) (release func() error) {
	t.Helper()
	begun, resume, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		result <- db.Write(context.Background(), func(tx *sqldb.Tx) error {
			close(begun)
			<-resume
			return inside(tx)
		})
	}()
	<-begun
	return sync.OnceValue(func() error {
		close(resume)
		return <-result
	})
}

func nothing(*sqldb.Tx) error { return nil }

func awaitWaiting(t *testing.T, db *sqldb.DB, n int) {
	t.Helper()
	for start := time.Now(); db.Waiting() != n; time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("%d callers wait, want %d", db.Waiting(), n)
		}
	}
}

// commits counts the transactions in the write-ahead log of the database at url.
// https://www.sqlite.org/fileformat.html#the_write_ahead_log
func commits(t *testing.T, url string) int {
	t.Helper()
	log, err := os.ReadFile(strings.TrimPrefix(url, "sqlite:") + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	const header, frameHeader = 32, 24
	page := int(binary.BigEndian.Uint32(log[8:]))
	n := 0
	for frame := header; frame+frameHeader+page <= len(log); frame += frameHeader + page {
		if binary.BigEndian.Uint32(log[frame+4:]) != 0 {
			n++
		}
	}
	return n
}

func TestWrite_callersThatWaitShareACommit(t *testing.T) {
	db, url := open(t)
	before := commits(t, url)
	release := hold(t, db, nothing)
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			if err := add(t.Context(), db, i); err != nil {
				t.Error(err)
			}
		})
	}
	awaitWaiting(t, db, 40)
	if err := release(); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	if got := commits(t, url) - before; got != 1 {
		t.Errorf("%d commits, want 1", got)
	}
	if got := count(t, db, "SELECT sum(n) FROM counters"); got != 40 {
		t.Errorf("%d rows updated, want 40", got)
	}
}

func TestWrite_noCallerLeadsForever(t *testing.T) {
	db, url := open(t)
	before := commits(t, url)
	release := hold(t, db, nothing)
	var group sync.WaitGroup
	for i := range sqldb.BatchLimit + 1 {
		group.Go(func() {
			if err := add(t.Context(), db, i%64); err != nil {
				t.Error(err)
			}
		})
	}
	awaitWaiting(t, db, sqldb.BatchLimit+1)
	if err := release(); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	if got := commits(t, url) - before; got != 2 {
		t.Errorf("%d commits, want 2", got)
	}
}

var errRefused = errors.New("refused")

func insert(tx *sqldb.Tx, id int) error {
	_, err := tx.Exec("INSERT INTO counters (id, n) VALUES (?, 0)", id)
	return err
}

// TestWrite_ledger mixes callers that fail, panic, end their goroutine or are cancelled at random
// moments with ordinary callers, which must all succeed. A row must exist exactly if its caller was
// told that it succeeded.
func TestWrite_ledger(t *testing.T) {
	db, _ := open(t)
	const callers, each = 32, 40
	told := make([]bool, 1000+callers*each)
	var group sync.WaitGroup
	for caller := range callers {
		for i := range each {
			group.Go(func() {
				id := 1000 + caller*each + i
				defer func() { _ = recover() }()
				deadline := time.Duration(rand.IntN(20_000)) * time.Microsecond
				if id%8 == 7 {
					deadline = time.Minute
				}
				ctx, cancel := context.WithTimeout(context.Background(), deadline)
				defer cancel()
				err := db.Write(ctx, func(tx *sqldb.Tx) error {
					if err := insert(tx, id); err != nil {
						return err
					}
					switch id % 8 {
					case 0:
						return errRefused
					case 1:
						panic("at the caller")
					case 2:
						runtime.Goexit()
					case 3:
						cancel()
					}
					return nil
				})
				told[id] = err == nil
			})
		}
	}
	group.Wait()

	there := make([]bool, len(told))
	rows, err := db.Query(t.Context(), "SELECT id FROM counters WHERE id >= 1000")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		there[id] = true
	}
	for id := range told {
		if told[id] != there[id] {
			t.Errorf("caller %d was told success=%t, and the row is there=%t", id, told[id], there[id])
		}
		if id >= 1000 && id%8 == 7 && !told[id] {
			t.Errorf("caller %d, who did nothing wrong and had time, failed", id)
		}
	}
}

func TestWrite_panicIsItsOwnCallers(t *testing.T) {
	db, _ := open(t)
	for _, role := range []string{"leader", "follower"} {
		t.Run(role, func(t *testing.T) {
			release := func() error { return nil }
			if role == "follower" {
				release = hold(t, db, nothing)
			}
			caught := make(chan any)
			go func() {
				defer func() { caught <- recover() }()
				_ = db.Write(context.Background(), func(tx *sqldb.Tx) error { panic("mine") })
			}()
			if role == "follower" {
				awaitWaiting(t, db, 1)
			}
			if err := release(); err != nil {
				t.Errorf("the other caller: %v", err)
			}
			if got := <-caught; got != "mine" {
				t.Errorf("recovered %v, want the panic of the function", got)
			}
			if err := add(t.Context(), db, 1); err != nil {
				t.Errorf("writing afterwards: %v", err)
			}
		})
	}
}

func TestWrite_failureUndoesItsPartAlone(t *testing.T) {
	db, _ := open(t)
	release := hold(t, db, func(tx *sqldb.Tx) error { return insert(tx, 100) })
	result := make(chan error)
	go func() {
		result <- db.Write(t.Context(), func(tx *sqldb.Tx) error {
			return errors.Join(insert(tx, 101), errRefused)
		})
	}()
	awaitWaiting(t, db, 1)
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; !errors.Is(err, errRefused) {
		t.Errorf("error %v, want the function's", err)
	}
	if got := count(t, db, "SELECT sum(id) FROM counters WHERE id >= 100"); got != 100 {
		t.Errorf("rows that add up to %d, want 100 alone", got)
	}
}

// Callers that wait are served by another transaction if the leader's function fails.
func TestWrite_leaderThatFails(t *testing.T) {
	db, _ := open(t)
	release := hold(t, db, func(tx *sqldb.Tx) error { return errors.Join(insert(tx, 100), errRefused) })
	var group sync.WaitGroup
	for id := 101; id < 104; id++ {
		group.Go(func() {
			if err := db.Write(t.Context(), func(tx *sqldb.Tx) error { return insert(tx, id) }); err != nil {
				t.Errorf("a caller that waited: %v", err)
			}
		})
	}
	awaitWaiting(t, db, 3)
	if err := release(); !errors.Is(err, errRefused) {
		t.Errorf("error %v, want the function's", err)
	}
	group.Wait()
	if got := count(t, db, "SELECT sum(id) FROM counters WHERE id >= 100"); got != 101+102+103 {
		t.Errorf("rows that add up to %d, want 101, 102 and 103", got)
	}
}

func TestWrite_aloneNeedsNoSavepoint(t *testing.T) {
	db, _ := open(t)
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		if _, err := tx.Exec("RELEASE part"); err == nil {
			t.Error("there is a savepoint")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWrite_contextThatEndsInTheQueue(t *testing.T) {
	db, _ := open(t)
	release := hold(t, db, nothing)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		result <- db.Write(ctx, func(tx *sqldb.Tx) error {
			t.Error("the function ran")
			return nil
		})
	}()
	awaitWaiting(t, db, 1)
	cancel()
	err := <-result // while the leader still holds the transaction
	if !errors.Is(err, sqldb.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want ErrUnavailable and context.Canceled", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

func TestWrite_contextThatHasEnded(t *testing.T) {
	db, _ := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := add(ctx, db, 1)
	if !errors.Is(err, sqldb.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want ErrUnavailable and context.Canceled", err)
	}
	if got := count(t, db, "SELECT n FROM counters WHERE id = 1"); got != 0 {
		t.Errorf("n = %d, want 0", got)
	}
}

// TestWrite_databaseThatFillsUp fills the database during a shared transaction. SQLite may then
// roll back the whole transaction by itself. One caller hides the failure and continues to write.
func TestWrite_databaseThatFillsUp(t *testing.T) {
	db, _ := open(t)
	release := hold(t, db, func(tx *sqldb.Tx) error {
		var pages int
		if err := tx.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
			return err
		}
		var limit int
		return errors.Join(
			tx.QueryRow(fmt.Sprintf("PRAGMA max_page_count = %d", pages+2)).Scan(&limit),
			insert(tx, 99),
		)
	})
	fill := func(tx *sqldb.Tx) error {
		_, err := tx.Exec("INSERT INTO counters (id, n, name) VALUES (200, 0, hex(zeroblob(1000000)))")
		return err
	}
	parts := []func(tx *sqldb.Tx) error{
		func(tx *sqldb.Tx) error { return insert(tx, 100) },
		func(tx *sqldb.Tx) error {
			if err := fill(tx); !errors.Is(err, sqldb.ErrUnavailable) {
				t.Errorf("filling the database: %v, want ErrUnavailable", err)
			}
			_ = insert(tx, 101)
			return nil
		},
		func(tx *sqldb.Tx) error { return insert(tx, 102) },
	}
	errs := make([]error, len(parts))
	var group sync.WaitGroup
	for i, part := range parts {
		group.Go(func() { errs[i] = db.Write(t.Context(), part) })
		awaitWaiting(t, db, i+1)
	}
	first := release()
	group.Wait()

	for i, err := range append([]error{first}, errs...) {
		there := count(t, db, "SELECT count(*) FROM counters WHERE id = ?", 99+i) == 1
		if (err == nil) != there {
			t.Errorf("caller %d got %v, and the row is there=%t", i, err, there)
		}
		if err != nil && !errors.Is(err, sqldb.ErrUnavailable) {
			t.Errorf("caller %d got %v, want ErrUnavailable", i, err)
		}
	}
	if errs[1] == nil {
		t.Error("the caller that filled the database was told success")
	}
	if err := add(t.Context(), db, 1); err != nil {
		t.Errorf("writing afterwards: %v", err)
	}
}

func TestWrite_commitThatFailsFailsAll(t *testing.T) {
	db, _ := open(t)
	write(t, db, "CREATE TABLE children (parent INTEGER REFERENCES counters (id) DEFERRABLE INITIALLY DEFERRED)")
	release := hold(t, db, func(tx *sqldb.Tx) error { return insert(tx, 100) })
	result := make(chan error)
	go func() {
		result <- db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec("INSERT INTO children (parent) VALUES (12345)")
			return err
		})
	}()
	awaitWaiting(t, db, 1)
	for _, err := range []error{release(), <-result} {
		if !errors.Is(err, sqldb.ErrUnavailable) {
			t.Errorf("error %v, want ErrUnavailable", err)
		}
	}
	if got := count(t, db, "SELECT count(*) FROM counters WHERE id = 100"); got != 0 {
		t.Error("the row of a transaction that failed is there")
	}
	if err := add(t.Context(), db, 1); err != nil {
		t.Errorf("writing afterwards: %v", err)
	}
}

func TestWrite_transactionHasALimit(t *testing.T) {
	db, _ := open(t)
	start := time.Now()
	err := db.WriteWithin(context.Background(), 100*time.Millisecond, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(
			"WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) UPDATE counters " +
				"SET n = (SELECT count(*) FROM r)",
		)
		return err
	})
	if !errors.Is(err, sqldb.ErrUnavailable) || time.Since(start) > 5*time.Second {
		t.Errorf("after %v: %v, want ErrUnavailable after 100 ms", time.Since(start), err)
	}
	if err := add(t.Context(), db, 1); err != nil {
		t.Errorf("writing afterwards: %v", err)
	}
}

// TestTx_isRefusedAfterItsFunctionReturned uses the leader's Tx after its function has returned,
// while the transaction continues.
func TestTx_isRefusedAfterItsFunctionReturned(t *testing.T) {
	db, _ := open(t)
	var kept *sqldb.Tx
	release := hold(t, db, func(tx *sqldb.Tx) error {
		kept = tx
		return nil
	})
	result := make(chan error)
	go func() {
		result <- db.Write(t.Context(), func(*sqldb.Tx) error {
			if err := insert(kept, 100); err == nil {
				t.Error("Exec succeeded")
			}
			if rows, err := kept.Query("SELECT 1"); err == nil {
				_ = rows.Close()
				t.Error("Query succeeded")
			}
			var n int
			if err := kept.QueryRow("SELECT 1").Scan(&n); err == nil {
				t.Error("QueryRow succeeded")
			}
			return nil
		})
	}()
	awaitWaiting(t, db, 1)
	if err := errors.Join(release(), <-result); err != nil {
		t.Error(err)
	}
}

func TestWrite_contextThatEndsAsTheTurnComes(t *testing.T) {
	db, _ := open(t)
	for range 50 {
		release := hold(t, db, nothing)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			err := db.Write(t.Context(), func(*sqldb.Tx) error {
				cancel()
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		awaitWaiting(t, db, 1)
		group.Go(func() {
			err := db.Write(ctx, func(*sqldb.Tx) error {
				t.Error("the function ran")
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want context.Canceled", err)
			}
		})
		awaitWaiting(t, db, 2)
		if err := release(); err != nil {
			t.Error(err)
		}
		group.Wait()
	}
}

func TestClose_waitsForWritesThatHaveBegun(t *testing.T) {
	db, url := open(t)
	release := hold(t, db, func(tx *sqldb.Tx) error { return insert(tx, 100) })
	closed := make(chan error)
	go func() { closed <- db.Close() }()
	select {
	case <-closed:
		t.Error("Close returned in the midst of a write")
	case <-time.After(50 * time.Millisecond):
	}
	if err := release(); err != nil {
		t.Errorf("the write: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	if got := count(t, reopen(t, url), "SELECT count(*) FROM counters WHERE id = 100"); got != 1 {
		t.Error("the row is not there")
	}
}

func TestWrite_rowsLeftOpen(t *testing.T) {
	db, _ := open(t)
	begun := time.Now()
	for _, result := range []error{nil, errRefused, sqldb.ErrUnavailable} {
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			rows, err := tx.Query("SELECT id FROM counters")
			if err != nil || !rows.Next() {
				t.Fatal("no rows", err)
			}
			if result == sqldb.ErrUnavailable {
				_, _ = tx.Exec("ROLLBACK")
			}
			return result
		})
		if (err == nil) != (result == nil) {
			t.Errorf("error %v, want like %v", err, result)
		}
		if err := add(t.Context(), db, 1); err != nil {
			t.Errorf("writing afterwards: %v", err)
		}
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// If a transaction could not be written, the next ping tries to write as well.
func TestPing_triesToWriteAfterAFailure(t *testing.T) {
	db, url := open(t)
	if err := db.Migrate(t.Context(), "test", fstest.MapFS{"0001_none.sql": {Data: []byte("SELECT 1")}}); err != nil {
		t.Fatal(err)
	}
	write(t, db, "CREATE TABLE children (parent INTEGER REFERENCES counters (id) DEFERRABLE INITIALLY DEFERRED)")
	failing := func() error {
		return db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec("INSERT INTO children (parent) VALUES (12345)")
			return err
		})
	}
	if err := failing(); err == nil {
		t.Fatal("the commit did not fail")
	}
	before := commits(t, url)
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	tried := commits(t, url)
	if tried == before {
		t.Error("nothing was written")
	}
	if err := db.Ping(t.Context()); err != nil || commits(t, url) != tried {
		t.Errorf("written again after it had worked: %v", err)
	}
	if n := count(t, db, "SELECT count(*) FROM schema_migrations"); n != 1 {
		t.Errorf("%d migrations, want 1", n)
	}
}
