package sqldb_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/hallpass-go/hallpass/internal/sqldb"
)

func scripts(texts map[string]string) fs.FS {
	files := fstest.MapFS{"README.md": {Data: []byte("no migration")}}
	for name, text := range texts {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

var two = map[string]string{
	"0001_books.sql": "CREATE TABLE books (id INTEGER PRIMARY KEY);\nINSERT INTO books (id) VALUES (1);",
	"0002_title.sql": "ALTER TABLE books ADD COLUMN title TEXT;\n-- the last line is a comment",
}

func empty(t *testing.T) *sqldb.DB {
	t.Helper()
	return reopen(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
}

func TestMigrate_runsEachFileOnce(t *testing.T) {
	db := empty(t)
	for range 2 {
		if err := db.Migrate(t.Context(), "library", scripts(two)); err != nil {
			t.Fatal(err)
		}
	}
	if got := count(t, db, "SELECT count(id) FROM books WHERE title IS NULL"); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
	other := map[string]string{"0001_films.sql": "CREATE TABLE films (id INTEGER)"}
	if err := db.Migrate(t.Context(), "cinema", scripts(other)); err != nil {
		t.Errorf("another set: %v", err)
	}
	if got := count(t, db, "SELECT count(*) FROM schema_migrations"); got != 3 {
		t.Errorf("%d migrations recorded, want 3", got)
	}
}

func TestMigrate_severalProgramsAtOnce(t *testing.T) {
	for range 5 {
		url := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
		var group sync.WaitGroup
		for range 6 {
			group.Go(func() {
				db, err := sqldb.Open(t.Context(), url)
				if err != nil {
					t.Error(err)
					return
				}
				defer db.Close()
				if err := db.Migrate(t.Context(), "library", scripts(two)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got := count(t, reopen(t, url), "SELECT count(*) FROM books"); got != 1 {
			t.Errorf("%d rows, want 1", got)
		}
	}
}

func TestMigrate_refuses(t *testing.T) {
	first := two["0001_books.sql"]
	for name, c := range map[string]struct {
		files map[string]string
		says  string
	}{
		"a changed file": {map[string]string{"0001_books.sql": first + " ",
			"0002_title.sql": two["0002_title.sql"]}, "0001_books.sql is not what was run"},
		"an older program": {map[string]string{"0001_books.sql": first},
			"0002_title, which this program does not know"},
		"a gap": {map[string]string{"0001_books.sql": first, "0003_title.sql": ""},
			"expected number 0002"},
		"two of one number": {map[string]string{"0001_books.sql": first, "0001_films.sql": ""},
			"expected number 0002"},
		"a name out of shape": {map[string]string{"1_books.sql": first}, "not NNNN_name.sql"},
		"no file":             {nil, "there are none"},
	} {
		t.Run(name, func(t *testing.T) {
			db := empty(t)
			if err := db.Migrate(t.Context(), "library", scripts(two)); err != nil {
				t.Fatal(err)
			}
			err := db.Migrate(t.Context(), "library", scripts(c.files))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
		})
	}
}

func TestMigrate_failingFileLeavesNothing(t *testing.T) {
	db := empty(t)
	broken := map[string]string{
		"0001_books.sql": two["0001_books.sql"],
		"0002_title.sql": "CREATE TABLE films (id INTEGER); INSERT INTO nowhere (id) VALUES (1);",
	}
	err := db.Migrate(t.Context(), "library", scripts(broken))
	if err == nil || !strings.Contains(err.Error(), "0002_title.sql") {
		t.Fatalf("error %v, want one that names the file", err)
	}
	if got := count(t, db, "SELECT count(*) FROM sqlite_schema WHERE name = 'films'"); got != 0 {
		t.Error("the table of the failing file is there")
	}
	if got := count(t, db, "SELECT count(*) FROM schema_migrations"); got != 1 {
		t.Errorf("%d migrations recorded, want the first", got)
	}
	if err := db.Migrate(t.Context(), "library", scripts(two)); err != nil {
		t.Errorf("once the file is right: %v", err)
	}
}
