package sqlstore_test

import (
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/hallpass-go/hallpass/internal/testservers"
	"github.com/hallpass-go/hallpass/sessions"
	"github.com/hallpass-go/hallpass/sqlstore"
	"github.com/hallpass-go/hallpass/storetest"
)

func TestMain(m *testing.M) { os.Exit(testservers.Run(m)) }

// databases return the URL of an empty one of each kind.
var databases = map[string]func(testing.TB) string{
	"sqlite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "sessions.db") },
	"postgres": testservers.Postgres,
}

func TestStore(t *testing.T) {
	for name, fresh := range databases {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) sessions.Store {
				store, err := sqlstore.Open(t.Context(), fresh(t))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := store.Close(); err != nil {
						t.Error(err)
					}
				})
				return store
			})
		})
	}
}
