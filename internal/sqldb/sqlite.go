package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallpass-go/hallpass/internal/private"
)

const (
	sqliteScheme = "sqlite:"
	sqliteDriver = "sqlite" // its name in database/sql

	// lockWait is how long a transaction waits for another process to finish its transaction.
	lockWait = 5 * time.Second
	// readers is how many queries can run at the same time outside transactions; others wait.
	readers = 4
)

// sqlite is the engine for SQLite. A file has one writer at a time. So each process has one
// connection that writes, and its callers share transactions (sqlite_commit.go).
type sqlite struct {
	location string      // the file
	opened   os.FileInfo // the file at location when it was opened
	reads    *sql.DB
	writes   *sql.DB // one connection
	queue    queue
	writer   writer

	unwritable atomic.Bool // the last transaction could not be written
}

// openSQLite opens the file at path.
func openSQLite(ctx context.Context, path string) (engine, error) {
	e := &sqlite{location: path}
	if err := e.open(ctx); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func (e *sqlite) open(ctx context.Context) (err error) {
	if e.location, err = filepath.Abs(e.location); err != nil {
		return err
	}
	if e.opened, err = createFile(e.location); err != nil {
		return unavailable(err)
	}
	if err := keepPrivate(e.location); err != nil {
		return err
	}
	if e.writes, err = sql.Open(sqliteDriver, sqliteWriterDSN(e.location)); err != nil {
		return err
	}
	e.writes.SetMaxOpenConns(1)
	if e.reads, err = sql.Open(sqliteDriver, sqliteReaderDSN(e.location)); err != nil {
		return err
	}
	e.reads.SetMaxOpenConns(readers)
	e.reads.SetMaxIdleConns(readers)
	return e.failure(sqliteUseWAL(ctx, e.writes))
}

func (e *sqlite) close() error {
	e.queue.close()
	var errs []error
	if e.reads != nil {
		errs = append(errs, e.reads.Close())
	}
	if e.writes != nil {
		errs = append(errs, e.writer.close(), e.writes.Close())
	}
	return errors.Join(errs...)
}

func (e *sqlite) dialect() string             { return "sqlite" }
func (e *sqlite) ping() string                { return "SELECT count(*) FROM sqlite_schema" }
func (e *sqlite) rewrite(query string) string { return query }
func (e *sqlite) arguments(args []any) []any  { return args }
func (e *sqlite) reader() *sql.DB             { return e.reads }
func (e *sqlite) lastWriteFailed() bool       { return e.unwritable.Load() }

func (e *sqlite) join(column, separator string) string {
	return "group_concat(" + column + ", '" + separator + "')"
}

// oneRow returns a context that does not end. To watch one that may end, the driver and
// database/sql start a goroutine each, which takes longer than to read a row from a file.
func (e *sqlite) oneRow(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithoutCancel(ctx), func() {}
}

func (e *sqlite) failure(err error) error {
	if err == nil || errors.Is(err, ErrNoRows) || isUnavailable(err) {
		return err
	}
	if e.queue.isClosed() || sqliteIsUnavailable(err) {
		return unavailable(err)
	}
	return err
}

// unmoved returns an error if the file is no longer the one that was opened. Data written to a
// deleted file is lost when the process ends, although SQLite reports no failure.
func (e *sqlite) unmoved() error {
	info, err := os.Stat(e.location)
	if err != nil {
		return unavailable(err)
	}
	if !os.SameFile(e.opened, info) {
		return unavailable(errors.New("the database file was replaced; restart to use the new one"))
	}
	return nil
}

// creating is held while a database file is open through a descriptor that is not SQLite's own.
// Closing such a descriptor releases all locks that the process holds on the file, even those of
// another DB.
var creating sync.Mutex

// createFile creates the file at path, accessible only to its owner, unless it exists. It returns
// the file's info.
func createFile(path string) (os.FileInfo, error) {
	creating.Lock()
	defer creating.Unlock()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err == nil {
		err = f.Close()
		syncDir(filepath.Dir(path))
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return os.Stat(path)
}

// MakeFolder creates the folder of a database, accessible only to its owner, unless it exists. If
// others can access an existing one, MakeFolder corrects its mode and logs a warning, or fails if the
// folder belongs to another user: what a program keeps beside its database is as secret.
func MakeFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return private.Keep(path)
}

// keepPrivate corrects the modes of database files that others can read or write, or fails. SQLite
// gives the files that it creates beside the database the mode of the database.
func keepPrivate(path string) error {
	path, err := filepath.EvalSymlinks(path) // the other files are beside the real one
	if err != nil {
		return unavailable(err)
	}
	return errors.Join(private.Keep(path), private.Keep(path+"-wal"), private.Keep(path+"-shm"))
}

// syncDir makes the name of a new file survive a power loss, if the system can sync a folder.
func syncDir(path string) {
	if dir, err := os.Open(path); err == nil {
		_ = dir.Sync()
		_ = dir.Close()
	}
}

// A writer waits for the lock in its own loop (see batch.begin), so its connection does not wait.
// SQLite retries only every 100 ms, too rarely to find the gaps that a process which writes without
// a pause leaves.
func sqliteWriterDSN(path string) string {
	return sqliteDSN(path, "busy_timeout(0)", "journal_size_limit(67108864)")
}

func sqliteReaderDSN(path string) string {
	return sqliteDSN(path, fmt.Sprintf("busy_timeout(%d)", lockWait.Milliseconds()), "query_only(1)")
}

func sqliteDSN(path string, pragmas ...string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	query := url.Values{
		"mode":    {"rw"}, // never creates a file: SQLite would make it readable by everyone
		"_pragma": append(pragmas, "synchronous(FULL)", "foreign_keys(1)"),
		"_txlock": {"immediate"},
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}).String()
}

// sqliteUseWAL sets the journal mode, which the file keeps. The change takes an exclusive lock for
// which SQLite does not wait. So if several processes start together, all but one must retry.
func sqliteUseWAL(ctx context.Context, db *sql.DB) error {
	var mode string
	err := retryBusy(ctx, sqliteIsBusy, func() error {
		return db.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
	})
	if err == nil && mode != "wal" {
		return fmt.Errorf("the file system cannot keep a write-ahead log: journal mode is %q", mode)
	}
	return err
}

// retryBusy retries f for at most lockWait while another transaction holds the lock.
func retryBusy(ctx context.Context, isBusy func(error) bool, f func() error) error {
	for start := time.Now(); ; {
		err := f()
		if err == nil || !isBusy(err) || time.Since(start) > lockWait {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond + rand.N(4*time.Millisecond)):
		}
	}
}

// Result codes of SQLite, https://www.sqlite.org/rescode.html.
const (
	sqlitePerm     = 3
	sqliteAbort    = 4
	sqliteBusy     = 5
	sqliteLocked   = 6
	sqliteNoMem    = 7
	sqliteReadOnly = 8
	sqliteInterr   = 9
	sqliteIOErr    = 10
	sqliteCorrupt  = 11
	sqliteFull     = 13
	sqliteCantOpen = 14
	sqliteProtocol = 15
	sqliteNoLFS    = 22
	sqliteNotADB   = 26

	sqliteConstraintPrimaryKey = 1555
	sqliteConstraintUnique     = 2067
	sqliteConstraintRowID      = 2579
)

// sqliteCode returns the result code in err, or 0. It knows the driver's error type only by its
// method.
func sqliteCode(err error) int {
	var coded interface {
		error
		Code() int
	}
	if errors.As(err, &coded) {
		return coded.Code()
	}
	return 0
}

func sqliteIsBusy(err error) bool { return sqliteCode(err)&0xff == sqliteBusy }

func sqliteIsUnavailable(err error) bool {
	switch sqliteCode(err) & 0xff {
	case sqlitePerm, sqliteAbort, sqliteBusy, sqliteLocked, sqliteNoMem, sqliteReadOnly, sqliteInterr, sqliteIOErr,
		sqliteCorrupt, sqliteFull, sqliteCantOpen, sqliteProtocol, sqliteNoLFS, sqliteNotADB:
		return true
	}
	return isDisconnected(err)
}

func sqliteIsUnique(err error) bool {
	switch sqliteCode(err) {
	case sqliteConstraintPrimaryKey, sqliteConstraintUnique, sqliteConstraintRowID:
		return true
	}
	return false
}
