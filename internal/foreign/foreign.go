// Package foreign has password hashes that other libraries make, for the tests: Werkzeug, Django,
// passlib, bcrypt and argon2-cffi of Python run at test time.
package foreign

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

//go:embed hashes.py
var script string

// packages are Debian's names of what the script imports, by the modules' names.
var packages = map[string]string{
	"argon2": "python3-argon2", "bcrypt": "python3-bcrypt", "django": "python3-django",
	"passlib": "python3-passlib", "werkzeug": "python3-werkzeug",
}

// Hash is a hash that a library made.
type Hash struct {
	Format   string // as password.Format names it
	Spelling string // tells formats of the same name apart
	Password string
	Encoded  string
}

// Hashes returns each password in each format, with a fresh salt. If one of the libraries is
// missing, it skips the test with the name of Debian's package, or fails it if
// HALLPASS_TEST_REQUIRE lists that name.
func Hashes(t testing.TB, passwords ...string) []Hash {
	t.Helper()
	asked, err := json.Marshal(passwords)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(python(t), "-W", "ignore", "-c", script)
	var out, complaint bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(asked), &out, &complaint
	if err := command.Run(); err != nil {
		t.Fatalf("making hashes: %v\n%s", err, complaint.Bytes())
	}
	var made [][3]string
	if err := json.Unmarshal(out.Bytes(), &made); err != nil {
		t.Fatalf("reading hashes: %v", err)
	}
	var hashes []Hash
	for _, m := range made {
		name, _, _ := strings.Cut(m[0], " (")
		hashes = append(hashes, Hash{Format: name, Spelling: m[0], Password: m[1], Encoded: m[2]})
	}
	return hashes
}

// python returns an interpreter that has all libraries.
func python(t testing.TB) string {
	t.Helper()
	var missing []string
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		missing = missing[:0]
		for module, name := range packages {
			if exec.Command(python, "-c", "import "+module).Run() != nil {
				missing = append(missing, name)
			}
		}
		if len(missing) == 0 {
			return python
		}
	}
	slices.Sort(missing)
	required := strings.Split(os.Getenv("HALLPASS_TEST_REQUIRE"), ",")
	for _, name := range missing {
		if slices.Contains(required, name) {
			t.Fatal(name + " is required and not there")
		}
	}
	t.Skip(strings.Join(missing, ", ") + " not there")
	return ""
}
