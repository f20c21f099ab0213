//go:build !unix

package private

import "io/fs"

// hasModes is false because permission bits mean nothing here; the folder's access list decides.
const hasModes = false

func owned(fs.FileInfo) bool { return false }
