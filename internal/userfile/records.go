package userfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxRecord is how long a row may be. It is far more than a user needs.
const maxRecord = 1 << 20

// records cuts text into records: lines, or what CSV takes for a row, in which a quoted field may
// hold line breaks. It keeps at most maxRecord bytes of one.
type records struct {
	r      *bufio.Reader
	quotes bool // quoted fields may hold line breaks
	line   int  // lines that were read
}

func newRecords(r io.Reader, quotes bool) *records {
	b := bufio.NewReaderSize(r, 64<<10)
	if mark, err := b.Peek(3); err == nil && bytes.Equal(mark, []byte("\uFEFF")) {
		_, _ = b.Discard(3) // what was peeked can be discarded
	}
	return &records{r: b, quotes: quotes}
}

// errTooLong says that a record is over maxRecord.
var errTooLong = errors.New("the row is longer than 1 MiB")

// next returns the next record that is not blank, without its line end, and the line where it
// starts. After errTooLong the next line is a new record: a quote that nobody closes costs no more
// than that. At the end the error is [io.EOF].
func (s *records) next() (record []byte, line int, err error) {
	for {
		record, line, err = s.read()
		if err != nil || len(bytes.TrimSpace(record)) > 0 {
			return record, line, err
		}
	}
}

func (s *records) read() (record []byte, line int, err error) {
	line = s.line + 1
	state := quoting{atStart: true}
	tooLong := false
	for {
		piece, err := s.r.ReadSlice('\n')
		ended := err == nil
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return nil, line, err
		}
		if errors.Is(err, io.EOF) && len(piece) == 0 && record == nil && !tooLong {
			return nil, line, io.EOF
		}
		if s.quotes {
			state.read(piece)
		}
		if tooLong = tooLong || len(record)+len(piece) > maxRecord; !tooLong {
			record = append(record, piece...)
		}
		if ended || errors.Is(err, io.EOF) {
			s.line++
		}
		switch {
		case errors.Is(err, io.EOF), ended && (tooLong || !state.inside):
			if tooLong {
				return nil, line, errTooLong
			}
			return bytes.TrimRight(record, "\r\n"), line, nil
		}
	}
}

// quoting follows the quotes of CSV, RFC 4180 §2: a field is quoted if a quote is its first
// character, and two quotes in it are one that stands for itself.
type quoting struct{ atStart, inside, closed bool }

func (q *quoting) read(text []byte) {
	for _, c := range text {
		switch {
		case q.inside:
			q.closed = c == '"'
			q.inside = !q.closed
		case c == '"' && (q.atStart || q.closed):
			q.inside = true
			q.closed = false
		default:
			q.closed = false
		}
		q.atStart = !q.inside && (c == ',' || c == '\n')
	}
}
