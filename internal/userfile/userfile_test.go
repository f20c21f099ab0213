package userfile_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/userfile"
	_ "modernc.org/sqlite"
)

func reader(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }

// read returns all rows of a file that can be opened.
func read(t *testing.T, r userfile.Reader, err error) []userfile.Row {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var rows []userfile.Row
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
}

func jsonLines(t *testing.T, text string, m userfile.Mapping) []userfile.Row {
	t.Helper()
	r, err := userfile.JSONLines(reader(text), int64(len(text)), m)
	return read(t, r, err)
}

func csvRows(t *testing.T, text string, m userfile.Mapping) []userfile.Row {
	t.Helper()
	r, err := userfile.CSV(reader(text), int64(len(text)), m)
	return read(t, r, err)
}

func expect(t *testing.T, got, want []userfile.Row) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("row %+v is missing", want[i])
		case i >= len(want):
			t.Errorf("row %+v is too much", got[i])
		case !reflect.DeepEqual(got[i], want[i]):
			t.Errorf("row %d is\n%+v, want\n%+v", i, got[i], want[i])
		}
	}
}

// The same users in three formats, with names of columns that are theirs.
func TestReaders_agree(t *testing.T) {
	m := userfile.Mapping{
		"username": "login", "password": "password_hash", "active": "is_active", "created_at": "joined",
	}
	want := []userfile.Row{
		{Number: 1, Username: "alice", Email: "alice@example.org", PasswordHash: "pbkdf2:x$y$z",
			Roles: []string{"user", "editor"}, CreatedAt: time.Date(2020, 1, 2, 3, 4, 5, 250e6, time.UTC)},
		{Number: 2, Username: "böb", PasswordHash: "$2b$x", Roles: []string{}, Disabled: true},
	}
	expect(t, jsonLines(t,
		`{"login":"alice","email":"alice@example.org","password_hash":"pbkdf2:x$y$z","roles":["user","editor"],`+
			`"is_active":true,"joined":"2020-01-02T03:04:05.25Z","other":{"a":[1,{}]}}`+"\n"+
			`{"login":"b\u00f6b","email":null,"password_hash":"$2b$x","roles":"","is_active":0}`, m), want)

	inCSV := csvRows(t, "login,email,password_hash,roles,is_active,joined\r\n"+
		"alice,alice@example.org,pbkdf2:x$y$z,\"user,editor\",1,2020-01-02 03:04:05.250\r\n"+
		"böb,,$2b$x,,false,\r\n", m)
	for i := range want {
		want[i].Number++ // the first line has the names
	}
	expect(t, inCSV, want)
	for i := range want {
		want[i].Number--
	}
	path := filepath.Join(t.TempDir(), "their 100% users?.db")
	makeSQLite(t, path)
	r, err := userfile.SQLite(t.Context(), path, `user "table"`, m)
	expect(t, read(t, r, err), want)
}

func makeSQLite(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path[:strings.LastIndex(path, "/")]+"/plain.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		`CREATE TABLE "user ""table""" (id INTEGER PRIMARY KEY, login TEXT, email TEXT, password_hash BLOB, roles TEXT,
			is_active BOOLEAN, joined DATETIME)`,
		`INSERT INTO "user ""table""" VALUES (7, 'alice', 'alice@example.org', 'pbkdf2:x$y$z', 'user editor', 1,
			'2020-01-02 03:04:05.250000'), (9, 'böb', NULL, x'24326224' || 'x', '', 0, NULL)`,
		"VACUUM INTO '" + path + "'",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// A file with everything that goes wrong in files: each row is used or refused, by its line.
func TestJSONLines_refusesRowsByTheirLines(t *testing.T) {
	long := strings.Repeat("x", 10<<20)
	rows := jsonLines(t, "\uFEFF"+`{"username":"a","password":"h"}`+"\r\n"+
		"\n"+
		"not json\n"+
		`{"username":"b","username":"c","password":"h"}`+"\n"+
		`{"username":"`+long+`"}`+"\n"+
		`["d"]`+"\n"+
		`{"username":"e","roles":[1]}`+"\n"+
		"{\"username\":\"\xff\"}\n"+
		`{"username":"f","disabled":"perhaps"}`+"\n"+
		`{"username":"g","created_at":"yesterday"}`+"\n"+
		`{"username":"h"} {"username":"i"}`+"\n"+
		`{"username":"j"},"p":{}`+"\n"+
		`{"username":"k","password":"h"}`+"\n"+
		`{"username":12345678901234567890}`+"\n"+
		`{"username":1234567890123}`, nil)
	want := map[int]bool{1: false, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true, 10: true, 11: true,
		12: true, 13: false, 14: true, 15: false}
	if len(rows) != len(want) {
		t.Errorf("%d rows, want %d", len(rows), len(want))
	}
	for _, row := range rows {
		if refused, listed := want[row.Number]; !listed || refused != (row.Problem != "") {
			t.Errorf("line %d: %q", row.Number, row.Problem)
		}
		if strings.Contains(row.Problem, "perhaps") || strings.Contains(row.Problem, "yesterday") {
			t.Errorf("the problem holds a value: %q", row.Problem)
		}
	}
}

func TestCSV_refusesRowsByTheirLines(t *testing.T) {
	long := strings.Repeat("x", 10<<20)
	rows := csvRows(t, "\uFEFFusername,password,email\r\n"+
		"a,h,\"\"\r\n"+
		"\r\n"+
		"b,h\r\n"+
		"c,h,e,too many\r\n"+
		"\"d\nover two lines\",\"h \"\"quoted\"\"\",\r\n"+
		"e,5\" disk,\r\n"+
		long+",h,\r\n"+
		"\xff\xfe,h,\r\n"+
		"f,h,\r\n"+
		"g,\"never closed,\r\n"+
		"h,h,\r\n"+
		strings.Repeat("filler,h,\r\n", 200_000)+
		"last,h,\r\n", nil)
	want := map[int]string{2: "a", 6: "d\nover two lines", 11: "f"}
	refused := map[int]bool{4: true, 5: true, 8: true, 9: true, 10: true, 12: true}
	for _, row := range rows[:9] {
		name, used := want[row.Number]
		if used == (row.Problem != "") || used && row.Username != name || !used && !refused[row.Number] {
			t.Errorf("line %d: %q, %q", row.Number, row.Username, row.Problem)
		}
	}
	if last := rows[len(rows)-1]; last.Username != "last" || last.Number != 200_014 {
		t.Errorf("after a quote that is never closed the last row is %+v", last)
	}
	if len(rows) < 100_000 {
		t.Errorf("a quote that is never closed cost all but %d rows", len(rows))
	}
}

// Reading takes the memory of a row, however long rows are.
func TestReaders_needLittleMemory(t *testing.T) {
	for name, open := range map[string]func(io.ReadCloser) (userfile.Reader, error){
		"JSON lines": func(r io.ReadCloser) (userfile.Reader, error) { return userfile.JSONLines(r, 0, nil) },
		"CSV":        func(r io.ReadCloser) (userfile.Reader, error) { return userfile.CSV(r, 0, nil) },
	} {
		endless := io.MultiReader(strings.NewReader("username,password\n\""), io.LimitReader(letters{}, 200<<20))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := open(io.NopCloser(endless))
		rows := read(t, r, err)
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 20<<20 {
			t.Errorf("%s: %d MiB for a line of 200 MiB", name, grown>>20)
		}
		if last := rows[len(rows)-1]; last.Problem == "" || last.Number != 2 {
			t.Errorf("%s: %+v", name, last)
		}
	}
}

type letters struct{}

func (letters) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

func TestOpen_saysWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.db")
	makeSQLite(t, path)
	inSQLite := func(table string, m userfile.Mapping) error {
		_, err := userfile.SQLite(context.Background(), path, table, m)
		return err
	}
	inCSV := func(text string, m userfile.Mapping) error {
		_, err := userfile.CSV(reader(text), 0, m)
		return err
	}
	_, list := func() (userfile.Row, error) {
		r, err := userfile.JSONLines(reader(`[{"username":"a"}]`), 0, nil)
		if err != nil {
			return userfile.Row{}, err
		}
		return r.Next()
	}()
	_, absent := userfile.SQLite(t.Context(), path+".absent", "users", nil)
	for _, test := range []struct {
		err  error
		says string
	}{
		{inSQLite("users", nil), `there are "user \"table\""`},
		{inSQLite(`user "table"`, nil), `no column "username" for the field username: map it to one of "id", "login"`},
		{inSQLite(`user "table"`, userfile.Mapping{"name": "login"}), `"name" is no field of a user: map username, `},
		{absent, "no such file"},
		{inCSV("", nil), "its first row names the columns"},
		{inCSV("username,hash\n", nil), `no column "password"`},
		{inCSV("username,password,password\n", nil), `two columns are named "password"`},
		{inCSV("username,password\n", userfile.Mapping{"email": "mail"}), `no column "mail"`},
		{inCSV("username,password\n", userfile.Mapping{"email": ""}), "mapped to no column"},
		{list, "jq -c '.[]'"},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.says) {
			t.Errorf("%v, want %s", test.err, test.says)
		}
	}
}

// FuzzReaders reads anything. Rows have rising numbers, and one with a problem has nothing else.
func FuzzReaders(f *testing.F) {
	f.Add("username,password\na,b\n\"c\nd\",e\n")
	f.Add("{\"username\":\"a\"}\n[]\n{}\n\n{\"roles\":[\"a\",\"b\"],\"created_at\":1e300}")
	f.Add("\uFEFFusername,password,created_at\r\na,b,-1\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, open := range []func(io.ReadCloser, int64, userfile.Mapping) (userfile.Reader, error){
			userfile.CSV, userfile.JSONLines,
		} {
			r, err := open(reader(text), 0, nil)
			if err != nil {
				continue
			}
			before := 0
			for {
				row, err := r.Next()
				if err != nil {
					break
				}
				if row.Number <= before || row.Number > strings.Count(text, "\n")+1 {
					t.Fatalf("row %d comes after row %d", row.Number, before)
				}
				before = row.Number
				empty := userfile.Row{Number: row.Number, Problem: row.Problem}
				if row.Problem != "" && !reflect.DeepEqual(row, empty) {
					t.Fatalf("a row with a problem: %+v", row)
				}
			}
		}
	})
}
