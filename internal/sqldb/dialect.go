package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// dialect is all that differs between databases.
type dialect struct {
	name   string
	scheme string // of the URL, with its colon
	driver string // as registered with database/sql
	begin  string // starts a transaction that holds the write lock
	ping   string // reads one number from the database itself

	writerDSN     func(location string) string
	readerDSN     func(location string) string
	prepareFile   func(ctx context.Context, db *sql.DB) error // settings that stay with the database
	rewrite       func(query string) string                   // from "?" to the placeholders of the database
	isBusy        func(err error) bool                        // another transaction holds the lock
	isUnavailable func(err error) bool
	isUnique      func(err error) bool
}

var dialects = []*dialect{&sqlite}

var sqlite = dialect{
	name:          "sqlite",
	scheme:        "sqlite:",
	driver:        "sqlite",
	begin:         "BEGIN IMMEDIATE",
	ping:          "SELECT count(*) FROM sqlite_schema",
	writerDSN:     sqliteWriterDSN,
	readerDSN:     sqliteReaderDSN,
	prepareFile:   sqliteUseWAL,
	rewrite:       func(query string) string { return query },
	isBusy:        sqliteIsBusy,
	isUnavailable: sqliteIsUnavailable,
	isUnique:      sqliteIsUnique,
}

// parseURL returns the dialect that url names, and the rest of it.
func parseURL(url string) (*dialect, string, error) {
	for _, d := range dialects {
		location, found := strings.CutPrefix(url, d.scheme)
		if !found {
			continue
		}
		location = strings.TrimPrefix(location, "//")
		if location == "" || strings.HasPrefix(location, ":memory:") {
			return nil, "", fmt.Errorf("%s needs the path of a file", d.scheme)
		}
		return d, location, nil
	}
	scheme, _, found := strings.Cut(url, ":")
	if !found {
		return nil, "", errors.New(`the URL of a database starts with "sqlite:"`)
	}
	return nil, "", fmt.Errorf(`%q is not supported yet; use "sqlite:" and the path of a file`, scheme+":")
}

// A writer waits for the lock by itself (see writer.begin), so its connection does not: SQLite asks again only every
// 100 ms, too seldom to find the gap that a process which writes without a pause leaves.
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
		"mode":    {"rw"}, // never a new file: SQLite would make it readable by everyone
		"_pragma": append(pragmas, "synchronous(FULL)", "foreign_keys(1)"),
		"_txlock": {"immediate"},
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}).String()
}

// sqliteUseWAL sets the journal mode, which stays with the file. The change takes an exclusive lock for which
// SQLite does not wait, so of several processes that start together all but one have to ask again.
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

// retryBusy calls f again while another transaction holds the lock, for at most lockWait.
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

// sqliteCode returns the result code in err, or 0. The driver's error type is known by its method alone.
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
