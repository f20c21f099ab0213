//go:build unix

package testservers

import (
	"os"
	"syscall"
)

// unprivileged gives the folder to nobody and returns how to start a program as nobody, if this one is
// run by root: PostgreSQL refuses to run as root.
func unprivileged(dir string) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() != 0 {
		return attr
	}
	const nobody = 65534
	_ = os.Chown(dir, nobody, nobody)
	attr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	return attr
}
