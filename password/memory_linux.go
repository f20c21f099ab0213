package password

import (
	"syscall"
	"unsafe"
)

// mapBlocks returns so many blocks and how to unmap them, or nil where the system gives none.
func mapBlocks(blocks uint32) ([]block, func()) {
	size := int(blocks) * int(unsafe.Sizeof(block{}))
	bytes, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil, nil
	}
	// A derivation jumps about in its memory. Huge pages are faster for that, and first used
	// faster; small ones do, too.
	_ = syscall.Madvise(bytes, syscall.MADV_HUGEPAGE)
	unmap := func() { _ = syscall.Munmap(bytes) }
	return unsafe.Slice((*block)(unsafe.Pointer(unsafe.SliceData(bytes))), blocks), unmap
}
