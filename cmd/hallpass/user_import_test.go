package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/internal/foreign"
	"github.com/hallpass-go/hallpass/internal/users"
	"github.com/hallpass-go/hallpass/password"
)

// imported is the user of a foreign hash.
type imported struct {
	name string
	hash foreign.Hash
}

// runImport runs the command with --json and returns its last line and what it printed before.
func runImport(t *testing.T, data string, args ...string) (sums map[string]any, problems string, code int) {
	t.Helper()
	var out, complaints bytes.Buffer
	args = append([]string{"user", "import", "--json", "--data", data}, args...)
	code = run(t.Context(), func() {}, args, streams{strings.NewReader(""), &out, &complaints})
	text := strings.TrimSpace(out.String())
	problems, last := "", text
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		problems, last = text[:i], text[i+1:]
	}
	if err := json.Unmarshal([]byte(last), &sums); err != nil {
		t.Fatalf("%v: %s%s", err, text, complaints.Bytes())
	}
	return sums, problems, code
}

// A thousand users with hashes of all formats, from a file of each kind. A dry run and the import
// agree. Everybody logs in, with hashes of ours from then on, and nobody does with another password.
func TestUserImport_everybodyLogsIn(t *testing.T) {
	var passwords []string
	for i := range 40 {
		passwords = append(passwords, fmt.Sprintf("correct horse %d cafe\u0301", i))
	}
	var list []imported
	formats := map[string]float64{}
	for i, h := range foreign.Hashes(t, passwords...) {
		list = append(list, imported{fmt.Sprintf("user%d", i), h})
		formats[h.Format]++
	}
	if len(list) < 1000 || len(formats) < 12 {
		t.Fatalf("%d users with hashes of %d formats", len(list), len(formats))
	}
	data, dir := filepath.Join(t.TempDir(), "data"), t.TempDir()
	third := len(list) / 3
	files := [][]string{
		writeJSONLines(t, dir, list[:third]), writeCSV(t, dir, list[third:2*third]), writeTable(t, dir, list[2*third:]),
	}
	c := commands{Data: data}
	in, err := c.open(t.Context(), openOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	found := map[string]float64{}
	for _, file := range files {
		tried, _, triedCode := runImport(t, data, append(file, "--dry-run")...)
		done, problems, code := runImport(t, data, file...)
		if triedCode != 0 || code != 0 || problems != "" {
			t.Errorf("%s: exits with %d and %d: %s", file[0], triedCode, code, problems)
		}
		if tried["dry_run"] != true || done["dry_run"] != false {
			t.Errorf("%s: the dry run is not told from the import", file[0])
		}
		tried["dry_run"] = false
		if fmt.Sprint(tried) != fmt.Sprint(done) {
			t.Errorf("%s: the dry run says %v, the import %v", file[0], tried, done)
		}
		for format, n := range done["formats"].(map[string]any) {
			found[format] += n.(float64)
		}
	}
	if fmt.Sprint(found) != fmt.Sprint(formats) {
		t.Errorf("the formats are %v, want %v", found, formats)
	}
	logInAll(t, in, list)
}

// logInAll logs everybody in at cheap costs, and looks at what is stored then.
func logInAll(t *testing.T, in *installation, list []imported) {
	costs := password.Params{MemoryKiB: 64, Passes: 1, AllowWeak: true}
	governor, err := password.NewGovernor(password.GovernorConfig{Params: costs})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := users.OpenAccounts(t.Context(), users.AccountsConfig{DB: in.db, Passwords: governor})
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range list {
		who, err := accounts.Claimant(t.Context(), strings.ToUpper(user.name))
		if err != nil {
			t.Fatal(err)
		}
		_, err = accounts.Authenticate(t.Context(), who, user.hash.Password+"x")
		if !errors.Is(err, users.ErrCredentials) {
			t.Errorf("%s: %v for a wrong password", user.hash.Spelling, err)
		}
		if stored := storedHash(t, in, user.name); stored != user.hash.Encoded {
			t.Errorf("%s: the hash is another before anybody logged in", user.hash.Spelling)
		}
		for _, login := range []string{"first", "second"} {
			if who, err = accounts.Claimant(t.Context(), user.name); err != nil {
				t.Fatal(err)
			}
			if _, err := accounts.Authenticate(t.Context(), who, user.hash.Password); err != nil {
				t.Errorf("%s: the %s login: %v", user.hash.Spelling, login, err)
			}
			if password.NeedsRehash(storedHash(t, in, user.name), costs) {
				t.Errorf("%s: the hash is not one of ours after the %s login", user.hash.Spelling, login)
			}
		}
	}
}

func storedHash(t *testing.T, in *installation, name string) (hash string) {
	t.Helper()
	row := in.db.QueryRow(t.Context(), "SELECT password_hash FROM users WHERE username_key = ?", name)
	if err := row.Scan(&hash); err != nil {
		t.Fatal(err)
	}
	return hash
}

func writeJSONLines(t *testing.T, dir string, list []imported) []string {
	t.Helper()
	var b bytes.Buffer
	for _, user := range list {
		line := map[string]any{"username": user.name, "password": user.hash.Encoded, "roles": []string{"user"}}
		if err := json.NewEncoder(&b).Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	return []string{writeFile(t, dir, "users.jsonl", b.Bytes())}
}

func writeCSV(t *testing.T, dir string, list []imported) []string {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("\uFEFF")
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	rows := [][]string{{"id", "mail", "password_hash"}}
	for i, user := range list {
		rows = append(rows, []string{fmt.Sprint(i), user.name, user.hash.Encoded})
	}
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	return []string{writeFile(t, dir, "users.csv", b.Bytes()), "--map", "username=mail,password=password_hash"}
}

func writeTable(t *testing.T, dir string, list []imported) []string {
	t.Helper()
	path := filepath.Join(dir, "app.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec("CREATE TABLE auth_user (username TEXT, password TEXT, is_active BOOLEAN, date_joined DATETIME)")
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range list {
		const insert = "INSERT INTO auth_user VALUES (?, ?, 1, '2021-02-03 04:05:06.789')"
		_, err := db.Exec(insert, user.name, user.hash.Encoded)
		if err != nil {
			t.Fatal(err)
		}
	}
	return []string{path, "--table", "auth_user", "--map", "active=is_active,created_at=date_joined"}
}

func writeFile(t *testing.T, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const oneHash = "pbkdf2:sha256:1000$saltsalt$5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"

// The rows that are refused, each with its line and its reason, and no row says anything of a hash.
func TestUserImport_refusesRows(t *testing.T) {
	data, dir := filepath.Join(t.TempDir(), "data"), t.TempDir()
	in, err := (&commands{Data: data}).open(t.Context(), openOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var gone users.User
	for _, name := range []string{"Straße", "gone"} {
		n := users.NewUser{Username: name, Password: "seven green herons wade"}
		if gone, err = in.accounts.Create(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	if _, err = in.accounts.Update(t.Context(), gone.ID, users.Changes{Username: new("other")}); err != nil {
		t.Fatal(err)
	}
	row := func(name, hash, rest string) string {
		return `{"username":"` + name + `","password":"` + hash + `"` + rest + "}\n"
	}
	path := writeFile(t, dir, "users.jsonl", []byte(
		row("alice", oneHash, "")+ // 1
			row("ALICE", oneHash, "")+
			row("strasse", oneHash, "")+
			row("gone", oneHash, "")+
			row("two words", oneHash, "")+ // 5
			row("06h0co5862doud16l5g4egmsfg", oneHash, "")+
			row("b", oneHash, `,"email":"b"`)+
			row("c", "5f4dcc3b5aa765d61d8327deb882cf99", "")+
			row("d", "pbkdf2:sha256:999999999$saltsalt$5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e", "")+
			row("e", "!unusable", "")+ // 10
			row("f", oneHash, `,"roles":["admin","user"]`)+
			row("g", oneHash, `,"roles":["Not A Role!"]`)+
			row("h", oneHash, `,"created_at":"2999-01-01T00:00:00Z"`)+
			"garbage\n"+
			row("b", oneHash, `,"email":"b@example.org","disabled":true`))) // 15: the first was refused
	for _, args := range [][]string{{path, "--dry-run"}, {path}, {path, "--dry-run"}, {path}} {
		sums, problems, code := runImport(t, data, args...)
		taken := sums["imported"].(float64) + sums["already_imported"].(float64)
		if code != exitFailed || sums["refused"] != 13.0 || taken != 2 {
			t.Errorf("%v: exits with %d: %v\n%s", args, code, sums, problems)
		}
		for i, want := range []string{
			`"row":2,"field":"username","code":"duplicate"`, `"row":3,"field":"username","code":"taken"`,
			`"row":4,"field":"username","code":"taken"`, `"row":5,"field":"username","code":"invalid"`,
			`"row":6,"field":"username","code":"looks_like_id"`, `"row":7,"field":"email","code":"invalid"`,
			`"row":8,"field":"password","code":"unknown_format"`, `"row":9,"field":"password","code":"malformed"`,
			`"row":10,"field":"password","code":"missing"`, `"row":11,"field":"roles","code":"admin"`,
			`"row":12,"field":"roles","code":"invalid"`, `"row":13,"field":"created_at","code":"invalid"`,
			`"row":14,"code":"unreadable"`,
		} {
			lines := strings.Split(problems, "\n")
			if i >= len(lines) || !strings.Contains(lines[i], want) {
				t.Errorf("%v: %s is not among\n%s", args, want, problems)
			}
		}
		for _, secret := range []string{"saltsalt", "5e5e", "5f4d", "unusable"} {
			if strings.Contains(problems, secret) {
				t.Errorf("%v: a problem holds a part of a hash:\n%s", args, problems)
			}
		}
	}
	if b, err := in.accounts.UserByUsername(t.Context(), "b"); err != nil || !b.Disabled || b.Email != "b@example.org" {
		t.Errorf("the user of the last row is %+v (%v)", b, err)
	}
	if has, err := in.hasAdmin(t.Context()); err != nil || has {
		t.Errorf("an administrator was imported without --allow-admins (%v)", err)
	}
	if sums, _, _ := runImport(t, data, path, "--allow-admins"); sums["imported"] != 1.0 {
		t.Errorf("with --allow-admins: %v", sums)
	}
	if has, err := in.hasAdmin(t.Context()); err != nil || !has {
		t.Errorf("no administrator with --allow-admins (%v)", err)
	}
}

// Who was imported stays as they are when the import is run again, whatever they have changed since.
func TestUserImport_again(t *testing.T) {
	data, dir := filepath.Join(t.TempDir(), "data"), t.TempDir()
	line := func(name, more string) string {
		return `{"username":"` + name + `","password":"` + oneHash + `"` + more + "}\n"
	}
	path := writeFile(t, dir, "users.jsonl", []byte(line("alice", "")+line("bob", "")+line("carol", "")))
	if sums, problems, code := runImport(t, data, path); code != 0 || sums["imported"] != 3.0 {
		t.Fatalf("exits with %d: %v\n%s", code, sums, problems)
	}
	in, err := (&commands{Data: data}).open(t.Context(), openOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	alice, err := in.accounts.UserByUsername(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	change := users.Changes{
		Username: new("alicia"), Password: new("seven green herons wade"), Email: new("a@example.org"),
	}
	if _, err := in.accounts.Update(t.Context(), alice.ID, change); err != nil {
		t.Fatal(err)
	}
	path = writeFile(t, dir, "users.jsonl", []byte(line("alice", "")+line("bob", `,"email":"bob@example.org"`)+
		line("carol", "")+line("dave", "")))
	sums, problems, code := runImport(t, data, path)
	if code != exitFailed || sums["imported"] != 1.0 || sums["already_imported"] != 2.0 || sums["refused"] != 1.0 {
		t.Errorf("exits with %d: %v\n%s", code, sums, problems)
	}
	if !strings.Contains(problems, `"row":2,"field":"username","code":"taken"`) {
		t.Errorf("bob, who is another in the file now, is no conflict:\n%s", problems)
	}
	again, err := in.accounts.User(t.Context(), alice.ID)
	if err != nil || again.Username != "alicia" || again.Email != "a@example.org" {
		t.Errorf("alice is %+v (%v)", again, err)
	}
}

// A user is told of as one who signs up.
func TestUserImport_tellsOfEachUser(t *testing.T) {
	data, dir := filepath.Join(t.TempDir(), "data"), t.TempDir()
	path := writeFile(t, dir, "users.jsonl", []byte(
		`{"username":"alice","password":"`+oneHash+`"}`+"\n"+`{"username":"bob","password":"`+oneHash+`"}`+"\n"))
	var out, complaints bytes.Buffer
	in, err := (&commands{Data: data}).open(t.Context(), openOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for _, args := range [][]string{{"--dry-run"}, {}, {}} {
		all := append([]string{"user", "import", path, "--verbose", "--data", data}, args...)
		if code := run(t.Context(), func() {}, all, streams{strings.NewReader(""), &out, &complaints}); code != 0 {
			t.Fatalf("exits with %d: %s", code, complaints.Bytes())
		}
	}
	if n := strings.Count(complaints.String(), "msg=user_created"); n != 2 {
		t.Errorf("%d events, want 2: none of the dry run, and none of the second import:\n%s", n, &complaints)
	}
}

// An interrupted import keeps what it has, and goes on when it is run again.
func TestUserImport_interrupted(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	path := writeFile(t, t.TempDir(), "users.jsonl", manyRows(5000))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, complaints bytes.Buffer
	in := &interrupter{text: manyRows(5000), cancel: cancel}
	args := []string{"user", "import", "-", "--format", "jsonl", "--data", data}
	code := run(ctx, func() {}, args, streams{in, &out, &complaints})
	if code != exitFailed || !strings.Contains(complaints.String(), "run the same command again to go on") {
		t.Errorf("exits with %d: %s", code, &complaints)
	}
	var before int
	if _, err := fmt.Sscanf(out.String(), "%d rows", &before); err != nil || before < 1000 || before >= 5000 {
		t.Errorf("says %q of a half (%v)", &out, err)
	}
	sums, problems, code := runImport(t, data, path)
	if code != 0 || sums["already_imported"] != float64(before) || sums["imported"] != float64(5000-before) {
		t.Errorf("exits with %d: %v\n%s", code, sums, problems)
	}
}

// interrupter interrupts a program that has read half of a text.
type interrupter struct {
	text   []byte
	read   int
	cancel context.CancelFunc
}

func (i *interrupter) Read(b []byte) (int, error) {
	n := copy(b, i.text[i.read:])
	if i.read += n; i.read >= len(i.text)/2 {
		i.cancel()
	}
	return n, nil
}

func manyRows(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"username":"user%d","email":"user%d@example.org","password":"%s"}`+"\n", i, i, oneHash)
	}
	return b.Bytes()
}
