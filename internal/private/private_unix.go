//go:build unix

package private

import (
	"io/fs"
	"os"
	"syscall"
)

const hasModes = true

func owned(info fs.FileInfo) bool {
	owner, known := info.Sys().(*syscall.Stat_t)
	return known && int(owner.Uid) == os.Geteuid()
}
