package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// missing skips a test that needs something which is not here, or fails it where it is required.
func missing(t *testing.T, name string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("HALLPASS_TEST_REQUIRE"), ","), name) {
		t.Fatal(name + " is required and not there")
	}
	t.Skip(name + " is not there")
}

// A client that openapi-typescript generates from the document of a running server compiles, and
// walks from sign-up to logout. HALLPASS_TEST_NPM is the folder that it is installed in.
func TestDocument_generatedClientWalks(t *testing.T) {
	npm := filepath.Join(os.Getenv("HALLPASS_TEST_NPM"), "node_modules")
	for _, name := range []string{"openapi-typescript", "openapi-fetch", "typescript"} {
		if _, err := os.Stat(filepath.Join(npm, name)); os.Getenv("HALLPASS_TEST_NPM") == "" || err != nil {
			missing(t, "npm-openapi-typescript")
		}
	}
	s := serve(t)
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.ReadFile("testdata/client/walk.ts")
	if err != nil {
		t.Fatal(err)
	}
	write("walk.mts", string(program))
	write("openapi.json", s.do(request{Do: "GET /openapi.json"}).want(200, "").Text)
	if err := os.Symlink(npm, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	node := func(args ...string) string {
		command := exec.Command("node", args...)
		command.Dir = dir
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("node %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	node("node_modules/openapi-typescript/bin/cli.js", "openapi.json", "-o", "api.d.ts")
	node("node_modules/typescript/bin/tsc", "--strict", "--noUncheckedIndexedAccess", "--skipLibCheck",
		"--target", "es2022", "--lib", "es2022,dom", "--module", "preserve", "walk.mts")
	if out := node("walk.mjs", s.URL); !strings.HasSuffix(out, "logout 204\ndone\n") {
		t.Errorf("the client says:\n%s", out)
	}
}
