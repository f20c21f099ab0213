//go:build !unix

package keyring

import "io/fs"

// checkPrivate checks nothing: permission bits mean nothing here, and the folder's access list
// decides.
func checkPrivate(string, fs.FileInfo) error { return nil }

// syncDir does nothing, since a folder cannot be synced here.
func syncDir(string) error { return nil }
