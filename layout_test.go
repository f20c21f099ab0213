package hallpass_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const module = "github.com/hallpass-go/hallpass"

// layout is who imports whom: package → what it imports of this module and of others, beside the
// standard library. docs/layout.md explains it. Test files are free, as long as the result
// compiles.
var layout = map[string][]string{
	"jwk": {"internal/jose"},
	"jwt": {"jwk", "internal/jose"},
	"password": {
		"internal/asker", "internal/gcra", "golang.org/x/crypto/bcrypt", "golang.org/x/crypto/blake2b",
		"golang.org/x/sys/cpu",
		"golang.org/x/text/secure/precis",
	},
	".": {
		"jwk",
		"jwt",
		"internal/jose",
		"internal/uid",
		"internal/page",
		"internal/query",
		"internal/limit",
		"internal/remembered",
		"ratelimit",
		"sessions",
	},
	"ratelimit":            {"internal/gcra"},
	"httpcache":            {"github.com/maypok86/otter/v2"},
	"sessions":             {},
	"sqlstore":             {"sessions", "internal/sessiondb"},
	"internal/sessiondb":   {"sessions", "internal/sqldb"},
	"storetest":            {"sessions"},
	"issuers":              {".", "jwk", "jwt"},
	"hallpasstest":         {".", "jwk", "jwt"},
	"internal/attack":      {"jwk"},
	"internal/foreign":     {},
	"internal/userfile":    {"internal/jose"},
	"internal/shapes":      {".", "issuers", "jwk"},
	"internal/remembered":  {},
	"internal/jose":        {},
	"internal/uid":         {},
	"internal/page":        {"internal/uid"},
	"internal/query":       {},
	"internal/sqldb":       {"internal/private"},
	"internal/testservers": {"github.com/jackc/pgx/v5/stdlib"},
	"internal/private":     {},
	"internal/limit":       {"internal/asker", "ratelimit"},
	"internal/asker":       {},
	"internal/gcra":        {},
	"internal/conns":       {},
	"internal/account": {"password", "internal/sqldb", "internal/uid",
		"golang.org/x/text/secure/precis", "golang.org/x/text/cases", "golang.org/x/text/unicode/norm"},
	"internal/keyring": {"jwk", "internal/sqldb", "golang.org/x/crypto/chacha20poly1305"},
	"internal/users":   {".", "password", "internal/account", "internal/limit", "ratelimit"},
	"internal/audit":   {"internal/sqldb"},
	"internal/clients": {".", "internal/sqldb", "internal/uid", "ratelimit"},
	"internal/openapi": {"."},
	"internal/traffic": {},
	"internal/tracing": {
		"go.opentelemetry.io/otel", "go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/codes",
		"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp", "go.opentelemetry.io/otel/propagation",
		"go.opentelemetry.io/otel/sdk/resource", "go.opentelemetry.io/otel/sdk/trace", "go.opentelemetry.io/otel/trace",
	},
	"internal/metrics": {
		".", "github.com/prometheus/client_golang/prometheus", "github.com/prometheus/common/expfmt",
		"github.com/prometheus/client_golang/prometheus/collectors",
	},
	"internal/server": {".", "sessions", "internal/audit", "internal/clients", "internal/keyring", "internal/metrics",
		"internal/openapi", "internal/page", "internal/users", "ratelimit", "httpcache"},
	"cmd/hallpass": {"*"},

	"compat/flask":              {},
	"compat/flaskjwt":           {"jwk", "compat/flask", "compat/internal/pyjwt", "internal/limit"},
	"compat/flaskjwtextended":   {"jwk", "compat/flask", "compat/internal/pyjwt"},
	"compat/internal/pyjwt":     {"jwk", "internal/jose"},
	"compat/internal/pyjwttest": {},
	"compat/contract":           {"jwk", "internal/jose"},
	"compat/contract/check":     {"compat/contract"},

	"examples/anyissuer":            {".", "issuers"},
	"examples/offlineservice":       {".", "jwk"},
	"examples/internal/exampletest": {".", "jwk", "compat/contract", "internal/attack"},
	"examples/internal/refusals":    {".", "internal/limit"},
	"examples/flaskjwt-posts":       {"compat/flask", "compat/flaskjwt", "password", "ratelimit", "modernc.org/sqlite"},
	"examples/flaskjwt-users":       {".", "compat/flask", "compat/flaskjwt", "password", "modernc.org/sqlite"},
	"examples/posts":                {".", "httpcache", "jwk", "ratelimit", "modernc.org/sqlite"},
	"examples/replicas": {
		".",
		"jwk",
		"password",
		"sqlstore",
		"examples/internal/refusals",
		"modernc.org/sqlite",
	},
	"examples/gettoken": {
		".",
		"compat/flask",
		"jwk",
		"password",
		"examples/internal/refusals",
		"modernc.org/sqlite",
	},
	"examples/querytoken": {
		".",
		"compat/flask",
		"jwk",
		"password",
		"examples/internal/refusals",
	},
	"examples/roles": {
		".",
		"compat/flask",
		"jwk",
		"password",
		"sqlstore",
		"examples/internal/refusals",
		"modernc.org/sqlite",
	},
	"examples/upload": {
		".",
		"compat/flask",
		"jwk",
		"password",
		"examples/internal/refusals",
		"modernc.org/sqlite",
	},
}

// databaseSQL are the packages that hold rows, and know sql.ErrNoRows.
var databaseSQL = []string{
	"internal/sqldb", "internal/testservers",
	"internal/account",
	"internal/userfile",
	"examples/gettoken",
	"examples/roles",
	"examples/flaskjwt-users",
	"examples/flaskjwt-posts",
	"examples/posts",
	"examples/upload",
}

// netHTTP are the packages that may speak HTTP; jwk does for its remote sets.
var netHTTP = []string{".", "jwk", "ratelimit", "httpcache", "hallpasstest", "internal/server", "internal/openapi",
	"internal/traffic", "internal/tracing", "internal/conns", "cmd/hallpass",
	"compat/contract", "compat/flask", "compat/flaskjwt", "compat/flaskjwtextended",
	"examples/internal/exampletest", "examples/internal/refusals",
	"examples/anyissuer", "examples/offlineservice", "examples/replicas", "examples/gettoken", "examples/querytoken",
	"examples/roles", "examples/flaskjwt-users", "examples/flaskjwt-posts",
	"examples/posts", "examples/upload"}

func TestLayout_importsAreThoseOfTheMap(t *testing.T) {
	seen, used := map[string]bool{}, map[[2]string]bool{}
	for file, imports := range importsOf(t) {
		dir := filepath.ToSlash(filepath.Dir(file))
		allowed, listed := layout[dir]
		if !listed {
			t.Errorf("%s: package %s is not in the map of the layout", file, dir)
			continue
		}
		seen[dir] = true
		for _, path := range imports {
			used[[2]string{dir, path}] = true
			if path == "net/http" && !slices.Contains(netHTTP, dir) {
				t.Errorf("%s imports net/http, which %s may not", file, dir)
			}
			if path == "database/sql" && !slices.Contains(databaseSQL, dir) {
				t.Errorf("%s imports database/sql: only internal/sqldb and what holds rows may", file)
			}
			if standard(path) || slices.Contains(allowed, path) || slices.Contains(allowed, "*") {
				continue
			}
			t.Errorf("%s imports %s, which %s may not", file, path, dir)
		}
	}
	for dir, allowed := range layout {
		if !seen[dir] {
			t.Errorf("the map of the layout lists %s, which has no files", dir)
		}
		for _, path := range allowed {
			if path != "*" && !used[[2]string{dir, path}] {
				t.Errorf("the map of the layout lets %s import %s, which it does not", dir, path)
			}
		}
	}
}

// isModule reports whether a folder is a module of its own, which does not come with this one.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// importsOf returns file → imports of every Go file that is not a test, with this module's packages
// as folders.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." &&
			(strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || isModule(path)) {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		imports := map[string]bool{}
		for _, spec := range f.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			switch {
			case name == module:
				name = "."
			case strings.HasPrefix(name, module+"/"):
				name = strings.TrimPrefix(name, module+"/")
			}
			imports[name] = true
		}
		found[path] = slices.Sorted(maps.Keys(imports))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// standard reports whether an import path is of the standard library: its first element has no dot,
// and it is none of this module's folders.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	if _, ours := layout[path]; ours || path == "." {
		return false
	}
	return !strings.Contains(first, ".")
}

// What docs/layout.md names is there, and neither walk is long nor comes by a file twice.
func TestLayout_documentNamesWhatIsThere(t *testing.T) {
	text, err := os.ReadFile("docs/layout.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z_./0-9]+\\.go)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 30 {
		t.Fatalf("only %d files are named", len(named))
	}
	for _, name := range named {
		if _, err := os.Stat(name[1]); err != nil {
			t.Error(err)
		}
	}
	walks := strings.Split(string(text), "\n**A ")[1:]
	for _, walk := range walks {
		seen := map[string]bool{}
		stops := regexp.MustCompile("(?m)^\\d\\. `([^`]+)`").FindAllStringSubmatch(strings.Split(walk, "\n## ")[0], -1)
		for _, stop := range stops {
			if seen[stop[1]] {
				t.Errorf("a walk comes by %s twice", stop[1])
			}
			seen[stop[1]] = true
		}
		if len(stops) < 7 || len(stops) > 8 {
			t.Errorf("a walk has %d stops:\n%s", len(stops), walk)
		}
	}
}

// Lines of code, comments and raw strings are at most 120 columns wide, with four columns to a tab,
// and functions are at most 90 lines long. Generated files are exempt.
func TestLayout_linesAndFunctionsAreShort(t *testing.T) {
	const maxColumns, maxLines = 120, 90
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		files++
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil || ast.IsGenerated(f) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			if n := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    ")); n > maxColumns {
				t.Errorf("%s:%d: %d columns", path, i+1, n)
			}
		}
		if strings.HasSuffix(path, "_test.go") {
			return nil
		}
		for _, declared := range f.Decls {
			function, ok := declared.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := set.Position(function.End()).Line - set.Position(function.Pos()).Line + 1; n > maxLines {
				t.Errorf("%s: %s has %d lines", path, function.Name.Name, n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 200 {
		t.Errorf("only %d files", files)
	}
}
