//go:build unix

package keyring

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkPrivate refuses a file that others can access or that belongs to another user.
func checkPrivate(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s has mode %04o, so others can reach the secret: run `chmod 600 %s`", path, mode, path)
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if known && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d and this program runs as %d: run it as the owner, or `chown %d %s`",
			path, owner.Uid, os.Geteuid(), os.Geteuid(), path)
	}
	return nil
}

// syncDir makes a new file name survive a power loss.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
