//go:build unix

package sqldb_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/hallpass-go/hallpass/internal/sqldb"
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

func TestOpen_mendsFilesThatOthersCanReach(t *testing.T) {
	db, url := open(t)
	path := strings.TrimPrefix(url, "sqlite:")
	for _, suffix := range []string{"", "-wal", "-shm"} { // while they are in use, as after a crash
		if err := os.Chmod(path+suffix, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_ = reopen(t, url)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("mode of the file%s: %o, want 600", suffix, got)
		}
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpen_refusesSomebodyElsesFileThatOthersCanReach(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("root: only root can give a file away")
	}
	path := t.TempDir() + "/db"
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 12345, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := sqldb.Open(t.Context(), "sqlite:"+path); err == nil ||
		!strings.Contains(err.Error(), "chmod 600 "+path) {
		t.Errorf("err = %v, want one that says chmod 600", err)
	}
}
