package hallpass_test

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
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

// exampleBody returns the statements of a function as gofmt prints them, with their comments, indented as at the top of a file.
func exampleBody(t *testing.T, file, function string) string {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Name.Name != function {
			continue
		}
		var b strings.Builder
		if err := printer.Fprint(&b, fset, &printer.CommentedNode{Node: fn.Body, Comments: f.Comments}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.Trim(b.String(), "{}\n"), "\n")
		for i := range lines {
			lines[i] = strings.TrimPrefix(lines[i], "\t")
		}
		return strings.TrimSpace(strings.Join(lines, "\n"))
	}
	t.Fatalf("%s has no %s", file, function)
	return ""
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
