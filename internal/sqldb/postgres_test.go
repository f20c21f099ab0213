package sqldb_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/testservers"
)

func openPostgres(t *testing.T) (db *sqldb.DB, url string) {
	t.Helper()
	url = testservers.Postgres(t)
	db = reopen(t, url)
	write(t, db, "CREATE TABLE counters (id BIGINT PRIMARY KEY, n BIGINT NOT NULL, name TEXT UNIQUE)")
	for i := range 4 {
		write(t, db, "INSERT INTO counters (id, n) VALUES (?, 0)", i)
	}
	return db, url
}

// Two transactions that take the same locks in another order, or change the same rows: one of them is
// tried again, and both succeed.
func TestPostgres_triesAgainWhenOthersWereInTheWay(t *testing.T) {
	db, _ := openPostgres(t)
	for name, step := range map[string]func(tx *sqldb.Tx, id int) error{
		"rows": func(tx *sqldb.Tx, id int) error {
			_, err := tx.Exec("UPDATE counters SET n = n + 1 WHERE id = ?", id)
			return err
		},
		"locks": func(tx *sqldb.Tx, id int) error {
			if err := tx.Lock([]string{"a", "b"}[id]); err != nil {
				return err
			}
			_, err := tx.Exec("UPDATE counters SET n = n + 1 WHERE id = ?", id+2)
			return err
		},
	} {
		var met, all sync.WaitGroup
		met.Add(2)
		tries := make([]int, 2)
		for first := range 2 {
			all.Go(func() {
				err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
					tries[first]++
					if err := step(tx, first); err != nil {
						return err
					}
					if tries[first] == 1 {
						met.Done()
						met.Wait()
					}
					return step(tx, 1-first)
				})
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		all.Wait()
		if tries[0]+tries[1] != 3 {
			t.Errorf("%s: %v tries, want 1 and 2", name, tries)
		}
	}
	if n := count(t, db, "SELECT SUM(n) FROM counters"); n != 8 {
		t.Errorf("the counters are at %d, want 8", n)
	}
}

// A function that finds what it read changed meanwhile is called again.
func TestPostgres_callsAgainAfterAChange(t *testing.T) {
	db, _ := openPostgres(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
					var before int
					if err := tx.QueryRow("SELECT n FROM counters WHERE id = 1").Scan(&before); err != nil {
						return err
					}
					result, err := tx.Exec("UPDATE counters SET n = ? WHERE id = 1 AND n = ?", before+1, before)
					if err != nil {
						return err
					}
					if n, err := result.RowsAffected(); err != nil || n == 0 {
						return errors.Join(sqldb.ErrChanged, err)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := count(t, db, "SELECT n FROM counters WHERE id = 1"); n != 80 {
		t.Errorf("%d of 80", n)
	}
}

// Transactions that read outside of themselves, more of them than there are connections, do not wait
// for each other.
func TestPostgres_queriesWithinManyTransactions(t *testing.T) {
	db, _ := openPostgres(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			err := db.Write(ctx, func(*sqldb.Tx) error {
				var n int
				return db.QueryRow(ctx, "SELECT count(*) FROM counters, pg_sleep(0.05)").Scan(&n)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// What fails, panics or comes too late leaves nothing.
func TestPostgres_failureLeavesNothing(t *testing.T) {
	db, _ := openPostgres(t)
	raise := func(tx *sqldb.Tx) {
		if _, err := tx.Exec("UPDATE counters SET n = n + 1"); err != nil {
			t.Error(err)
		}
	}
	mistake := errors.New("a mistake")
	if err := db.Write(t.Context(), func(tx *sqldb.Tx) error { raise(tx); return mistake }); !errors.Is(err, mistake) {
		t.Errorf("a mistake: %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = db.Write(t.Context(), func(tx *sqldb.Tx) error { raise(tx); panic("x") })
	}()
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		raise(tx)
		_, _ = tx.Exec("INSERT INTO counters (id, n) VALUES (1, 1)") // there is one
		return nil                                                   // who passes over the error
	})
	if !sqldb.IsUnique(err) {
		t.Errorf("a second row with the same key: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err = db.Write(ended, func(tx *sqldb.Tx) error { raise(tx); return nil })
	if !errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("an ended context: %v", err)
	}
	begin := time.Now()
	err = db.WriteWithin(t.Context(), 100*time.Millisecond, func(tx *sqldb.Tx) error {
		raise(tx)
		_, err := tx.Exec("SELECT pg_sleep(30)")
		return err
	})
	if !errors.Is(err, sqldb.ErrUnavailable) || time.Since(begin) > 10*time.Second {
		t.Errorf("too slow, after %v: %v", time.Since(begin), err)
	}
	if n := count(t, db, "SELECT SUM(n) FROM counters"); n != 0 {
		t.Errorf("the counters are at %d, want 0", n)
	}
}

// Once ctx has ended, what has begun is still finished.
func TestPostgres_aClientThatHangsUpInterruptsNothing(t *testing.T) {
	db, _ := openPostgres(t)
	ctx, hangUp := context.WithCancel(t.Context())
	err := db.Write(ctx, func(tx *sqldb.Tx) error {
		hangUp()
		_, err := tx.Exec("UPDATE counters SET n = 5 WHERE id = 0")
		return err
	})
	if n := count(t, db, "SELECT n FROM counters WHERE id = 0"); err != nil || n != 5 {
		t.Errorf("%v, and the counter is at %d", err, n)
	}
}

// While connections are cut, calls fail with ErrUnavailable alone, and afterwards they succeed.
func TestPostgres_connectionsThatAreCut(t *testing.T) {
	db, _ := openPostgres(t)
	stop := make(chan struct{})
	var all sync.WaitGroup
	var mu sync.Mutex
	succeeded := 0
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := add(t.Context(), db, 2)
				if err == nil {
					mu.Lock()
					succeeded++
					mu.Unlock()
				} else if !errors.Is(err, sqldb.ErrUnavailable) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	killer := reopen(t, testservers.Postgres(t))
	for range 20 {
		time.Sleep(20 * time.Millisecond)
		err := killer.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() " +
				"AND datname <> current_database() AND datname LIKE 'test%'")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	all.Wait()
	if err := db.Ping(t.Context()); err != nil {
		_ = db.Ping(t.Context()) // a connection from before
	}
	// A commit whose answer is lost may have taken effect.
	if n := count(t, db, "SELECT n FROM counters WHERE id = 2"); n < succeeded || succeeded == 0 {
		t.Errorf("the counter is at %d, and %d calls succeeded", n, succeeded)
	}
}

// A server that answers nothing keeps nobody waiting for long.
func TestPostgres_thatIsSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	begin := time.Now()
	_, err = sqldb.Open(t.Context(), "postgres://hallpass@"+l.Addr().String()+"/x?sslmode=disable")
	if took := time.Since(begin); !errors.Is(err, sqldb.ErrUnavailable) || took > 15*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
}

// A server that cannot be reached is unavailable, and the error does not show the password.
func TestPostgres_thatCannotBeReached(t *testing.T) {
	for url, reachable := range map[string]bool{
		"postgres://hallpass:" + secretWord + "@127.0.0.1:1/x?sslmode=disable&connect_timeout=2": true,
		"postgres://hallpass:" + secretWord + "@":                                                false,
		"postgres://hallpass:" + secretWord + "@127.0.0.1/x?sslmode=nonsense":                    false,
		"postgres://hallpass:" + secretWord + "@127.0.0.1:port/x":                                false,
		"postgres:" + secretWord: false,
	} {
		_, err := sqldb.Open(t.Context(), url)
		if err == nil || errors.Is(err, sqldb.ErrUnavailable) != reachable ||
			strings.Contains(err.Error(), secretWord) {
			t.Errorf("%v", err)
		}
	}
}

const secretWord = "CANARY-secret"
