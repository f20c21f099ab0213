// Package userfile reads users of other systems from JSON lines, CSV and SQLite files. It reads one
// row after the other, and no row can make it take more than a few MiB of memory.
package userfile

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Row is one row of a file.
type Row struct {
	// Number is where the row is, from 1: the line where it starts, or in SQLite its place in the
	// table.
	Number       int
	Username     string
	Email        string
	PasswordHash string
	Roles        []string // nil if the row says nothing of roles
	Disabled     bool
	CreatedAt    time.Time // zero if the row does not say
	// Problem says why the row cannot be used, or is empty. It holds no value of the row. Then the
	// other fields, without Number, are empty.
	Problem string
}

// Reader reads the rows of a file. It is not safe for concurrent use.
type Reader interface {
	// Next returns the next row, or [io.EOF] after the last. Any other error ends the file.
	Next() (Row, error)
	// Progress returns how much was read and how much there is, both in the same unit. Total is 0
	// if nobody knows.
	Progress() (done, total int64)
	Close() error
}

// The fields of a user. Mapping has one of them as a key.
const (
	Username  = "username"
	Email     = "email"
	Password  = "password" // the hash
	Roles     = "roles"
	Disabled  = "disabled"
	Active    = "active" // the opposite of Disabled
	CreatedAt = "created_at"
)

var fields = []string{Username, Email, Password, Roles, Disabled, Active, CreatedAt}

// Mapping says which column, or member of a JSON object, a field is read from. A field that it does
// not have is read from the column of its own name, if there is one.
type Mapping map[string]string

// plan is where each field is read from.
type plan map[string]string

// newPlan checks m. The error says what to do.
func newPlan(m Mapping) (plan, error) {
	p := plan{}
	for _, field := range fields {
		p[field] = field
	}
	for field, column := range m {
		if !slices.Contains(fields, field) {
			return nil, fmt.Errorf("%q is no field of a user: map %s", field, strings.Join(fields, ", "))
		}
		if column == "" {
			return nil, fmt.Errorf("%s is mapped to no column", field)
		}
		p[field] = column
	}
	return p, nil
}

// check says which of the columns that p needs are missing.
func (p plan) check(m Mapping, columns []string) error {
	for _, field := range fields {
		_, asked := m[field]
		if (asked || field == Username || field == Password) && !slices.Contains(columns, p[field]) {
			return fmt.Errorf("there is no column %q for the field %s: map it to one of %s",
				p[field], field, strings.Join(quoted(columns), ", "))
		}
	}
	return nil
}

func quoted(names []string) []string {
	var list []string
	for _, name := range names {
		list = append(list, strconv.Quote(name))
	}
	return list
}

// row makes a row of what get returns for columns: text, and whether the file has it.
func (p plan) row(number int, get func(column string) (value string, ok bool)) Row {
	r := Row{Number: number}
	for _, field := range fields {
		value, ok := get(p[field])
		if !ok {
			continue
		}
		if !utf8.ValidString(value) {
			return Row{Number: number, Problem: field + ": this is not UTF-8 text"}
		}
		if problem := r.set(field, value); problem != "" {
			return Row{Number: number, Problem: field + ": " + problem}
		}
	}
	return r
}

// set sets one field and says what is wrong with the value, if anything.
func (r *Row) set(field, value string) (problem string) {
	switch field {
	case Username:
		r.Username = value
	case Email:
		r.Email = value
	case Password:
		r.PasswordHash = value
	case Roles:
		r.Roles = strings.FieldsFunc(value, func(c rune) bool { return c == ' ' || c == ',' || c == ';' })
	case Disabled, Active:
		is, known := truth(value)
		if !known {
			return "this is neither true nor false"
		}
		if value != "" {
			r.Disabled = r.Disabled || is == (field == Disabled)
		}
	case CreatedAt:
		at, known := moment(value)
		if !known {
			return "this is no time: write 2026-01-31T12:00:00Z, or seconds since 1970"
		}
		r.CreatedAt = at
	}
	return ""
}

// truth reads a Boolean; "" is false.
func truth(value string) (is, known bool) {
	switch strings.ToLower(value) {
	case "true", "t", "1", "yes", "y":
		return true, true
	case "", "false", "f", "0", "no", "n":
		return false, true
	}
	return false, false
}

// layouts are how databases write times. Those without a zone are in UTC.
var layouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999-07",
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly}

// moment reads a time; "" is none. A number is seconds since 1970, or milliseconds if it is large.
func moment(value string) (at time.Time, known bool) {
	if value == "" {
		return time.Time{}, true
	}
	if n, err := strconv.ParseFloat(value, 64); err == nil {
		const latest = 1e11 // seconds: the year 5138
		switch {
		case n >= latest && n < 1000*latest:
			return time.UnixMilli(int64(n)).UTC(), true
		case n >= 0 && n < latest:
			return time.UnixMicro(int64(n * 1e6)).UTC(), true
		}
		return time.Time{}, false
	}
	for _, layout := range layouts {
		if at, err := time.Parse(layout, value); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// file is what the readers of text have in common.
type file struct {
	io.Closer
	*records
	counted *counter
	size    int64
}

func (f *file) Progress() (done, total int64) { return f.counted.n, f.size }

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

func newFile(r io.ReadCloser, size int64, quotes bool) *file {
	c := &counter{r: r}
	return &file{Closer: r, records: newRecords(c, quotes), counted: c, size: size}
}
