//go:build !unix

package keyring

import "io/fs"

// checkPrivate has nothing to go by: the permission bits say nothing here, and the folder's access
// list rules.
func checkPrivate(string, fs.FileInfo) error { return nil }

// syncDir has nothing to do: a folder cannot be synced here.
func syncDir(string) error { return nil }
