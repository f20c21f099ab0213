//go:build unix

package sqldb_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestOpen_filesAreTheirOwnersAlone(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	_, url := open(t)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(strings.TrimPrefix(url, "sqlite:") + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("mode of the file%s: %o, want 600", suffix, got)
		}
	}
}
