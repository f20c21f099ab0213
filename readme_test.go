package hallpass_test

import (
	"os"
	"strings"
	"testing"
)

// The README's quick start is the body of Example, which the compiler reads.
func TestReadme_quickStartIsTheExample(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(readme), "```go\n")
	block, _, closed := strings.Cut(after, "```")
	if !found || !closed {
		t.Fatal("README.md has no block of Go")
	}
	if got, want := strings.TrimSpace(block), exampleBody(t, "example_test.go", "Example"); got != want {
		t.Errorf("README.md has\n%s\nand the example is\n%s", got, want)
	}
}

// exampleBody returns the statements of a function as they stand in its file, indented as at the
// top of one.
func exampleBody(t *testing.T, file, function string) string {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(source), "func "+function+"() {\n")
	body, _, closed := strings.Cut(after, "\n}\n")
	if !found || !closed {
		t.Fatalf("%s has no %s", file, function)
	}
	return strings.TrimSpace(strings.ReplaceAll("\n"+body, "\n\t", "\n"))
}

// A newcomer types these two.
func TestReadme_showsTheTwoCommands(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"\ngo run ./cmd/hallpass serve\n", "\ngo test ./...\n"} {
		if !strings.Contains(string(readme), command) {
			t.Errorf("README.md does not show %q on a line of its own", strings.TrimSpace(command))
		}
	}
}
