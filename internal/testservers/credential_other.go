//go:build !unix

package testservers

import "syscall"

// unprivileged returns how to start a program.
func unprivileged(string) *syscall.SysProcAttr { return nil }
