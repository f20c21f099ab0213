//go:build unix

package conns

import "syscall"

// reserve is the number of file descriptors kept for other uses: the database, certificates, the
// log.
const reserve = 64

// Limit returns how many connections the process's limit of file descriptors allows, but at most
// wanted.
func Limit(wanted int) int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return wanted
	}
	descriptors := uint64(r.Cur) // signed on some systems
	allowed := descriptors - min(reserve, descriptors/2)
	return int(min(allowed, uint64(wanted)))
}
