package password

import "syscall"

// niceStep is how much nicer a worker's thread is: it gets about a tenth of a core that both want.
// With more, the garbage collector would wait longer for a worker that does not get to run, and the
// whole program with it.
const niceStep = 10

// lowerPriority makes the calling thread nicer than it is. Where that is forbidden the thread stays
// as it is.
func lowerPriority() {
	nice, err := niceness()
	if err != nil {
		return
	}
	// On Linux, 0 is the calling thread and not its process.
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, min(nice+niceStep, 19))
}

func isMainThread() bool { return syscall.Gettid() == syscall.Getpid() }

// niceness is that of the calling thread, from -20 to 19.
func niceness() (int, error) {
	// The system call, unlike the C function, returns 20 minus the niceness: never a negative
	// number.
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	return 20 - raw, err
}
