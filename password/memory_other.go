//go:build !linux

package password

// mapBlocks maps none: memory comes from the heap of Go.
func mapBlocks(uint32) ([]block, func()) { return nil, nil }
