//go:build !unix

package jwk

import "io/fs"

// checkPrivate checks nothing: permission bits mean nothing here, and the folder's access list
// decides.
func checkPrivate(string, fs.FileInfo) error { return nil }

// checkUnwritable checks nothing, like checkPrivate.
func checkUnwritable(string, fs.FileInfo) error { return nil }

// syncDir does nothing, since a folder cannot be synced here.
func syncDir(string) error { return nil }
