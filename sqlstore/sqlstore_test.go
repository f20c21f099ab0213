package sqlstore_test

import (
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/hallpass-go/hallpass/sessions"
	"github.com/hallpass-go/hallpass/sqlstore"
	"github.com/hallpass-go/hallpass/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) sessions.Store {
		store, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "sessions.db"))
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
}
