//go:build unix

package jwk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkPrivate refuses a file that others can access or that belongs to another user.
func checkPrivate(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf(
			"its mode is %04o, so others can reach its secrets: run chmod 600 %s, and make new "+
				"keys if somebody may have read them",
			mode,
			path,
		)
	}
	return checkOwner(info)
}

// checkUnwritable refuses a file that others can write to or that belongs to another user.
func checkUnwritable(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf(
			"its mode is %04o, so others could put keys in: remove it, or run chmod 600 %s if you trust it", mode, path,
		)
	}
	return checkOwner(info)
}

func checkOwner(info fs.FileInfo) error {
	owner, known := info.Sys().(*syscall.Stat_t)
	if known && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf(
			"it belongs to user %d and this program runs as %d: run it as the owner, or chown the file",
			owner.Uid,
			os.Geteuid(),
		)
	}
	return nil
}

// syncDir makes a new file name in a folder survive a power loss.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
