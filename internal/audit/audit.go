// Package audit keeps a record of what happened to users, sessions, tokens and keys, in the database
// that has them. An entry is written in the transaction of what it tells of, so neither is there
// without the other.
package audit

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"time"
	"unicode"

	"github.com/hallpass-go/hallpass/internal/sqldb"
)

//go:embed migrations
var migrations embed.FS

// Entry is one thing that happened. It holds no token and no password.
type Entry struct {
	ID        int64 // given by [Log.Add]; a later entry has a higher one
	At        time.Time
	Event     string
	UserID    string // whom it concerns
	ActorID   string // who did it, if that is known and somebody else
	SessionID string
	TokenID   string // "jti" of an access token
	KeyID     string // "kid" of a signing key
	Reason    string // the code of a refusal
	Detail    string // more of what happened: the new roles of a user, the new state of a key
	IP        string
	RequestID string
}

// Log is the record of one database. It is safe for concurrent use, also by several processes.
type Log struct{ db *sqldb.DB }

// Open returns the record of a database, and updates the schema of its table.
func Open(ctx context.Context, db *sqldb.DB) (*Log, error) {
	files, err := fs.Sub(migrations, "migrations/"+db.Dialect())
	if err == nil {
		err = db.Migrate(ctx, "audit", files)
	}
	if err != nil {
		return nil, fmt.Errorf("opening audit: %w", err)
	}
	return &Log{db: db}, nil
}

const columns = `at, event, user_id, actor_id, session_id, token_id, key_id, reason, detail, ip, request_id`

const insertEntry = `INSERT INTO audit (` + columns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Add adds an entry, in the transaction of ctx if that has one (see [sqldb.WithTx]).
func (l *Log) Add(ctx context.Context, e Entry) error {
	err := l.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.ExecRow(insertEntry, sqldb.Micros(e.At), clean(e.Event), clean(e.UserID), clean(e.ActorID),
			clean(e.SessionID), clean(e.TokenID), clean(e.KeyID), clean(e.Reason), clean(e.Detail), clean(e.IP),
			clean(e.RequestID))
		return err
	})
	return failure("adding to audit", err)
}

// maxText is how many bytes of a field are kept.
const maxText = 256

// clean returns s without what could disturb a terminal, a log or a database.
func clean(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	s = strings.ToValidUTF8(s, "")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// Filter says which entries to list. Empty fields and zero times let all pass.
type Filter struct {
	UserID, ActorID, SessionID, Event string
	Since, Until                      time.Time // from Since on, and before Until
}

// conditions returns the filter in SQL.
func (f Filter) conditions() (conditions []string, args []any) {
	for _, c := range []struct{ column, value string }{
		{"user_id", f.UserID}, {"actor_id", f.ActorID}, {"session_id", f.SessionID}, {"event", f.Event},
	} {
		if c.value != "" {
			conditions, args = append(conditions, c.column+" = ?"), append(args, c.value)
		}
	}
	if !f.Since.IsZero() {
		conditions, args = append(conditions, "at >= ?"), append(args, sqldb.Micros(f.Since))
	}
	if !f.Until.IsZero() {
		conditions, args = append(conditions, "at < ?"), append(args, sqldb.Micros(f.Until))
	}
	return conditions, args
}

// Before returns at most limit entries that f lets pass, newest first, with IDs below id. Zero asks
// for the newest.
func (l *Log) Before(ctx context.Context, f Filter, id int64, limit int) ([]Entry, error) {
	conditions, args := f.conditions()
	if id > 0 {
		conditions, args = append(conditions, "id < ?"), append(args, id)
	}
	return l.list(ctx, conditions, args, "DESC", limit)
}

// After returns at most limit entries that f lets pass, oldest first, with IDs above id.
func (l *Log) After(ctx context.Context, f Filter, id int64, limit int) ([]Entry, error) {
	conditions, args := f.conditions()
	return l.list(ctx, append(conditions, "id > ?"), append(args, id), "ASC", limit)
}

func (l *Log) list(ctx context.Context, conditions []string, args []any, order string, limit int) ([]Entry, error) {
	query := `SELECT id, ` + columns + ` FROM audit`
	if len(conditions) > 0 {
		query += ` WHERE ` + strings.Join(conditions, ` AND `)
	}
	rows, err := l.db.Query(ctx, query+` ORDER BY id `+order+` LIMIT ?`, append(args, max(limit, 0))...)
	if err != nil {
		return nil, failure("listing audit", err)
	}
	defer rows.Close()
	var found []Entry
	for rows.Next() {
		var e Entry
		var at int64
		err := rows.Scan(&e.ID, &at, &e.Event, &e.UserID, &e.ActorID, &e.SessionID, &e.TokenID, &e.KeyID,
			&e.Reason, &e.Detail, &e.IP, &e.RequestID)
		if err != nil {
			return nil, failure("listing audit", err)
		}
		e.At = sqldb.Time(at)
		found = append(found, e)
	}
	return found, failure("listing audit", rows.Err())
}

// The inner SELECT has a name because MySQL allows LIMIT in no other form of subquery. Entries age in
// the order of their IDs, so the oldest few are all that need to be looked at.
const deleteOldest = `DELETE FROM audit WHERE at < ? AND id IN (SELECT id FROM
	(SELECT id FROM audit ORDER BY id LIMIT ?) AS oldest)`

// Sweep deletes at most limit entries that are older than before, and returns how many.
func (l *Log) Sweep(ctx context.Context, before time.Time, limit int) (int, error) {
	var n int64
	err := l.db.Write(ctx, func(tx *sqldb.Tx) error {
		result, err := tx.Exec(deleteOldest, sqldb.Micros(before), max(limit, 0))
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	return int(n), failure("sweeping audit", err)
}

func failure(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
