package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/audit"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/testservers"
)

// On PostgreSQL an entry appears when its transaction ends, so perhaps after one with a higher ID. It
// is printed all the same, and each once.
func TestFollower_entriesThatAppearLate(t *testing.T) {
	db, err := sqldb.Open(t.Context(), testservers.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	log, err := audit.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	add := func(ctx context.Context, event string) {
		t.Helper()
		if err := log.Add(ctx, audit.Entry{At: time.Now(), Event: event}); err != nil {
			t.Error(err)
		}
	}
	add(t.Context(), "before")
	added, appear, appeared := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(appeared)
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			add(sqldb.WithTx(t.Context(), tx), "late")
			close(added)
			<-appear
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}()
	<-added
	var out bytes.Buffer
	f := follower{log: log, asJSON: true, out: &out, seen: map[int64]bool{}}
	if err := f.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	add(t.Context(), "early")
	look := func() {
		ctx, cancel := context.WithTimeout(t.Context(), 3*followInterval)
		defer cancel()
		if err := f.follow(ctx); err != nil {
			t.Fatal(err)
		}
	}
	look()
	close(appear)
	<-appeared
	look()
	for event, want := range map[string]int{"before": 0, "early": 1, "late": 1} {
		if got := strings.Count(out.String(), `"`+event+`"`); got != want {
			t.Errorf("%s is printed %d times, want %d:\n%s", event, got, want, out.Bytes())
		}
	}
}
