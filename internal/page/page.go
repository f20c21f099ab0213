// Package page defines the format of lists on the wire: {"items": […], "next_cursor": "…"|null},
// with ?limit= and ?cursor=.
package page

import (
	"net/url"
	"strconv"

	"github.com/hallpass-go/hallpass/internal/uid"
)

// The number of items on a page.
const (
	DefaultLimit = 50
	MaxLimit     = 200
)

// Parameters are the query parameters of a list.
var Parameters = []string{"limit", "cursor"}

// Error says which parameter is wrong.
type Error struct {
	Parameter string
	must      string
}

// Error implements error.
func (e *Error) Error() string { return e.Parameter + " must be " + e.must }

// Errors of [Parse].
var (
	ErrLimit  = &Error{"limit", "a number from 1 to 200"}
	ErrCursor = &Error{"cursor", "the next_cursor of an earlier page"}
)

// Request asks for at most Limit items after the one with the ID After ("" for the first page).
type Request struct {
	Limit int
	After string
}

// Parse reads the parameters of a page. A cursor must be an identifier, so nothing else reaches a
// database query.
func Parse(q url.Values) (Request, error) {
	p, err := parse(q)
	if err == nil && p.After != "" {
		if _, wrong := uid.Bytes(p.After); wrong != nil {
			return Request{}, ErrCursor
		}
	}
	return p, err
}

// ParseNumbered is [Parse] for a list whose identifiers are numbers. It also returns that of the
// cursor, or 0 for the first page.
func ParseNumbered(q url.Values) (Request, int64, error) {
	p, err := parse(q)
	if err != nil || p.After == "" {
		return p, 0, err
	}
	n, err := strconv.ParseInt(p.After, 10, 64)
	if err != nil || n < 1 {
		return Request{}, 0, ErrCursor
	}
	return p, n, nil
}

// parse leaves the cursor to its caller.
func parse(q url.Values) (Request, error) {
	p := Request{Limit: DefaultLimit, After: q.Get("cursor")}
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n < 1 || n > MaxLimit {
			return Request{}, ErrLimit
		}
		p.Limit = n
	}
	return p, nil
}

// List is a page in its JSON form.
type List[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// NewList builds the page that p asked for from at most p.Limit+1 items. The extra item shows that
// there is a next page.
func NewList[T any](p Request, items []T, id func(T) string) List[T] {
	if items == nil {
		items = []T{}
	}
	if len(items) <= p.Limit {
		return List[T]{Items: items}
	}
	items = items[:p.Limit]
	cursor := id(items[len(items)-1])
	return List[T]{Items: items, NextCursor: &cursor}
}
