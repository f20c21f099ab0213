//go:build linux || darwin

package jwk_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hallpass-go/hallpass/jwk"
)

// crashPath names the file that a test program, run again by [TestCreateFile_isWholeOrNotAtAll],
// dies over.
const crashPath = "HALLPASS_TEST_CRASH_PATH"

// A program that dies while it writes, as this one does by a limit on the length of its files,
// leaves no half of a file: the next start makes a whole one.
func TestCreateFile_isWholeOrNotAtAll(t *testing.T) {
	if path := os.Getenv(crashPath); path != "" {
		limit := &syscall.Rlimit{Cur: 100, Max: 100}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, limit); err != nil {
			t.Fatal(err)
		}
		_, err := jwk.OpenFile(path)
		t.Fatalf("opened with room for 100 bytes: %v", err)
	}
	path := filepath.Join(t.TempDir(), "keys.json")
	again := exec.Command(os.Args[0], "-test.run=^TestCreateFile_isWholeOrNotAtAll$")
	again.Env = append(os.Environ(), crashPath+"="+path)
	if out, err := again.CombinedOutput(); err == nil {
		t.Fatalf("it did not die: %s", out)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		text, _ := os.ReadFile(path)
		t.Errorf("left %q, %v", text, err)
	}
	if _, err := jwk.OpenFile(path); err != nil {
		t.Errorf("the next start: %v", err)
	}
}
