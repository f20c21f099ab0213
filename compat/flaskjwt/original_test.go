package flaskjwt_test

import (
	"bufio"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/compat/contract"
)

// TestContract_isTheOriginals checks that the original library passes the cases, except those
// marked as unsafe.
func TestContract_isTheOriginals(t *testing.T) {
	if exec.Command("python3", "testdata/original.py").Run() != nil {
		const name = "flask-jwt"
		if slices.Contains(strings.Split(os.Getenv("HALLPASS_TEST_REQUIRE"), ","), name) {
			t.Fatal(name + " is required and not there")
		}
		t.Skip(name + " is not there")
	}
	c := config()
	c.Secret = []byte(hex.EncodeToString(c.Secret))
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, c.Secret, 0o600); err != nil {
		t.Fatal(err)
	}
	original := exec.CommandContext(t.Context(), "python3", "testdata/original.py", file, "joe", "pass")
	output, err := original.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := original.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = original.Wait() }) // it is killed when the test's context ends
	lines := bufio.NewScanner(output)
	if !lines.Scan() {
		t.Fatal("it does not listen")
	}
	keepsContract(t, contract.Options{
		URL: "http://127.0.0.1:" + lines.Text(), Original: true, Key: serverKey(t, c),
	})
}
