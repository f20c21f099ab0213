package page_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/page"
	"github.com/hallpass-go/hallpass/internal/uid"
)

func TestParse(t *testing.T) {
	cursor := uid.New(time.Now())
	for query, want := range map[string]page.Request{
		"":                           {Limit: 50},
		"limit=1":                    {Limit: 1},
		"limit=200&cursor=" + cursor: {Limit: 200, After: cursor},
		"cursor=":                    {Limit: 50},
		"something=else&limit=7":     {Limit: 7},
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := page.Parse(q); err != nil || got != want {
			t.Errorf("Parse(%s) = %+v, %v", query, got, err)
		}
	}
	for query, want := range map[string]error{
		"limit=0": page.ErrLimit, "limit=201": page.ErrLimit, "limit=-1": page.ErrLimit,
		"limit=": page.ErrLimit, "limit=1e2": page.ErrLimit,
		"cursor=1": page.ErrCursor, "cursor=" + strings.Repeat("z", 26): page.ErrCursor,
		"cursor=%27--": page.ErrCursor,
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := page.Parse(q); !errors.Is(err, want) {
			t.Errorf("Parse(%s): %v", query, err)
		}
	}
}

func TestNewList(t *testing.T) {
	id := func(s string) string { return "id-" + s }
	for _, c := range []struct {
		items []string
		want  string
	}{
		{nil, `{"items":[],"next_cursor":null}`},
		{[]string{"a", "b"}, `{"items":["a","b"],"next_cursor":null}`},
		{[]string{"a", "b", "c"}, `{"items":["a","b"],"next_cursor":"id-b"}`},
	} {
		got, err := json.Marshal(page.NewList(page.Request{Limit: 2}, c.items, id))
		if err != nil || string(got) != c.want {
			t.Errorf("%v is written as %s, %v", c.items, got, err)
		}
	}
}
