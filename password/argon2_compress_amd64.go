//go:build !purego

package password

import "golang.org/x/sys/cpu"

//go:generate go -C internal/gen run . -out ../../argon2_avx2_amd64.s -stubs ../../argon2_avx2_amd64.go -pkg password

// compress is G of RFC 9106 §3.5: out becomes the compression of x and y, added to what out was
// when addTo is set (from the second pass on, §3.2 step 6). out may be x or y.
func compress(out, x, y *block, addTo bool) {
	if cpu.X86.HasAVX2 {
		compressAVX2((*[128]uint64)(out), (*[128]uint64)(x), (*[128]uint64)(y), addTo)
		return
	}
	compressGeneric(out, x, y, addTo)
}
