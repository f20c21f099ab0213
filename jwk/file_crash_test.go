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

// crashPath names the environment variable with the file that [TestCreateFile_isWholeOrNotAtAll] is
// writing when it crashes, after it has run itself again as another process.
const crashPath = "HALLPASS_TEST_CRASH_PATH"

// If a program dies while it writes the file, here because of a limit on file sizes, it leaves no
// partial file. The next start makes a complete one.
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
