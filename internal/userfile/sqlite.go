package userfile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxCell is how long a value may be. It is far more than a user needs.
const maxCell = 64 << 10

// sqliteFile reads a table of a SQLite file.
type sqliteFile struct {
	db          *sql.DB
	rows        *sql.Rows
	plan        plan
	columns     map[string]int
	done, total int64
}

// SQLite returns a reader of a table or a view of a SQLite file, which is opened for reading only. The
// driver must be registered as "sqlite". The error says what is wrong with the file, the table or the
// mapping.
func SQLite(ctx context.Context, path, table string, m Mapping) (Reader, error) {
	p, err := newPlan(m)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	address := url.URL{Scheme: "file", Path: filepath.ToSlash(absolute), RawQuery: "mode=ro"}
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		return nil, err
	}
	s := &sqliteFile{db: db, plan: p, columns: map[string]int{}}
	if err := s.open(ctx, table, m); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func (s *sqliteFile) open(ctx context.Context, table string, m Mapping) error {
	tables, err := s.texts(ctx, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name")
	if err != nil {
		return fmt.Errorf("reading as SQLite: %w", err)
	}
	columns, err := s.texts(ctx, "SELECT name FROM pragma_table_info(?)", table)
	if err != nil {
		return err
	}
	if len(columns) == 0 {
		return fmt.Errorf("there is no table %q: there are %s", table, strings.Join(quoted(tables), ", "))
	}
	if err := s.plan.check(m, columns); err != nil {
		return err
	}
	quotedTable := quoteName(table)
	if err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM "+quotedTable).Scan(&s.total); err != nil {
		return err
	}
	var wanted []string
	for _, field := range fields {
		column := s.plan[field]
		if _, again := s.columns[column]; again || !slices.Contains(columns, column) {
			continue
		}
		s.columns[column] = len(wanted)
		wanted = append(wanted, fmt.Sprintf("substr(%s, 1, %d)", quoteName(column), maxCell+1))
	}
	s.rows, err = s.db.QueryContext(ctx, "SELECT "+strings.Join(wanted, ", ")+" FROM "+quotedTable)
	return err
}

// quoteName quotes an identifier of SQL.
func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// texts returns the rows of a query for one text.
func (s *sqliteFile) texts(ctx context.Context, query string, args ...any) (list []string, err error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, rows.Err()
}

func (s *sqliteFile) Next() (Row, error) {
	if !s.rows.Next() {
		if err := s.rows.Err(); err != nil {
			return Row{}, err
		}
		return Row{}, io.EOF
	}
	values := make([]any, len(s.columns))
	pointers := make([]any, len(values))
	for i := range values {
		pointers[i] = &values[i]
	}
	if err := s.rows.Scan(pointers...); err != nil {
		return Row{}, err
	}
	s.done++
	for _, value := range values {
		if len(sqliteText(value)) > maxCell {
			return Row{Number: int(s.done), Problem: "a value is longer than 64 KiB"}, nil
		}
	}
	return s.plan.row(int(s.done), func(column string) (string, bool) {
		i, ok := s.columns[column]
		if !ok {
			return "", false
		}
		return sqliteText(values[i]), true
	}), nil
}

// sqliteText returns what substr makes of a value: a text, the bytes of a blob, or NULL.
func sqliteText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

func (s *sqliteFile) Progress() (done, total int64) { return s.done, s.total }

func (s *sqliteFile) Close() error { return errors.Join(s.rows.Close(), s.db.Close()) }
