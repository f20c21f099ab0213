//go:build !unix

package private

import "io/fs"

// hasModes is false where permission bits say nothing: the folder's access list rules.
const hasModes = false

func owned(fs.FileInfo) bool { return false }
