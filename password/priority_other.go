//go:build !linux

package password

// lowerPriority does nothing: only Linux has priorities of single threads that anybody may lower.
// The default number of workers leaves a core to the rest of the program.
func lowerPriority() {}

func isMainThread() bool { return false }
