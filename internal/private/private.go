// Package private keeps files and folders from everybody but their owner.
package private

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
)

// Keep takes from others what the mode of the file or folder at path gives them, when this program
// owns it, and warns of that in the log of [slog.Default]. Of somebody else's it returns an error
// that says what to run. One that does not exist is as it should be.
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
