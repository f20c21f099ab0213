package sqldb_test

import (
	"context"
	"database/sql"
	"strings"
	"sync/atomic"
	"testing"
)

// BenchmarkWrite compares one-row transactions from 64 concurrent callers with the same
// transactions in sequence on a connection with the same settings.
func BenchmarkWrite(b *testing.B) {
	b.Run("parallel", func(b *testing.B) {
		db, _ := open(b)
		var caller atomic.Int64
		b.SetParallelism(32) // times GOMAXPROCS
		b.RunParallel(func(pb *testing.PB) {
			id := int(caller.Add(1)) % 64
			for pb.Next() {
				if err := add(context.Background(), db, id); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	b.Run("alone", func(b *testing.B) {
		db, _ := open(b)
		for b.Loop() {
			if err := add(context.Background(), db, 1); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		_, url := open(b)
		path := strings.TrimPrefix(url, "sqlite:")
		bare, err := sql.Open("sqlite",
			"file:"+path+"?_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_txlock=immediate")
		if err != nil {
			b.Fatal(err)
		}
		defer bare.Close()
		bare.SetMaxOpenConns(1)
		for b.Loop() {
			tx, err := bare.Begin()
			if err != nil {
				b.Fatal(err)
			}
			if _, err := tx.Exec("UPDATE counters SET n = n + 1 WHERE id = ?", 1); err != nil {
				b.Fatal(err)
			}
			if err := tx.Commit(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
