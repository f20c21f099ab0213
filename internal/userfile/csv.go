package userfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// csvFile reads CSV with a row of headers, RFC 4180.
type csvFile struct {
	*file
	plan    plan
	columns map[string]int
}

// CSV returns a reader of CSV whose first row names the columns. It closes r, also if it returns an
// error; size is the length of the text, or 0. The error says what is wrong with the mapping or the
// first row.
func CSV(r io.ReadCloser, size int64, m Mapping) (Reader, error) {
	c := &csvFile{file: newFile(r, size, true), columns: map[string]int{}}
	if err := c.readHeader(m); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return c, nil
}

func (c *csvFile) readHeader(m Mapping) error {
	var err error
	if c.plan, err = newPlan(m); err != nil {
		return err
	}
	record, _, err := c.next()
	if errors.Is(err, io.EOF) {
		return errors.New("the file is empty: its first row names the columns")
	}
	if err != nil {
		return err
	}
	header, err := cells(record)
	if err != nil || !utf8.Valid(record) {
		return errors.New("the first row is not CSV in UTF-8")
	}
	for i, name := range header {
		if slices.Contains(header[:i], name) {
			return fmt.Errorf("two columns are named %q", name)
		}
		c.columns[name] = i
	}
	return c.plan.check(m, header)
}

func cells(record []byte) ([]string, error) {
	return csv.NewReader(bytes.NewReader(record)).Read()
}

func (c *csvFile) Next() (Row, error) {
	record, line, err := c.next()
	switch {
	case errors.Is(err, errTooLong):
		return Row{Number: line, Problem: err.Error() + ", or has a quote that is never closed"}, nil
	case err != nil:
		return Row{}, err
	}
	values, err := cells(record)
	if err != nil {
		return Row{Number: line, Problem: "the row is not CSV: a quote is in the wrong place"}, nil
	}
	if len(values) != len(c.columns) {
		return Row{Number: line, Problem: fmt.Sprintf("the row has %d cells, and there are %d columns",
			len(values), len(c.columns))}, nil
	}
	return c.plan.row(line, func(column string) (string, bool) {
		i, ok := c.columns[column]
		if !ok {
			return "", false
		}
		return values[i], true
	}), nil
}
