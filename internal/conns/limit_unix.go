//go:build unix

package conns

import "syscall"

// reserve is how many descriptors are kept for what is not a connection: the database,
// certificates, the log.
const reserve = 64

// Limit returns how many connections the process can have with its limit of descriptors, and at
// most wanted.
func Limit(wanted int) int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return wanted
	}
	descriptors := uint64(r.Cur) // signed on some systems
	allowed := descriptors - min(reserve, descriptors/2)
	return int(min(allowed, uint64(wanted)))
}
