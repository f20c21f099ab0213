// Package private restricts files and folders to their owner.
package private

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
)

// Keep removes the permissions of group and others from the file or folder at path, if this program
// owns it, and logs a warning to [slog.Default]. If another user owns it, Keep returns an error
// that says which command to run. A path that does not exist is not an error.
func Keep(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	mode := info.Mode().Perm()
	if mode&0o077 == 0 || !hasModes {
		return nil
	}
	if owned(info) {
		err = os.Chmod(path, mode&^0o077)
	} else {
		err = errors.New("it belongs to another user")
	}
	if err != nil {
		return fmt.Errorf(
			"%s has mode %04o, so others can reach what is in it: %w; run chmod %o %s",
			path,
			mode,
			err,
			mode&^0o077,
			path,
		)
	}
	slog.Warn(
		"others could reach a file or folder; its mode is mended, but what they have read they have",
		"path",
		path,
		"was",
		fmt.Sprintf("%04o", mode),
		"is",
		fmt.Sprintf("%04o", mode&^0o077),
	)
	return nil
}
