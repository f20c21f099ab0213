//go:build !purego

package password

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/cpu"
)

// Both ways of computing a block give the same one, also where the result is written over what it
// is made from.
func TestCompress_assemblyAgreesWithGo(t *testing.T) {
	if !cpu.X86.HasAVX2 {
		t.Skip("this CPU has no AVX2, so the assembly is not used")
	}
	random := rand.New(rand.NewPCG(9106, 35))
	type compressor = func(out, x, y *block, addTo bool)
	assembly := func(out, x, y *block, addTo bool) {
		compressAVX2((*[128]uint64)(out), (*[128]uint64)(x), (*[128]uint64)(y), addTo)
	}
	for _, c := range []struct {
		name      string
		out, x, y int // which of three blocks
	}{
		{"out, x and y apart", 0, 1, 2}, {"out is x", 1, 1, 2}, {"out is y", 2, 1, 2}, {"x is y", 0, 1, 1},
		{"all one", 0, 0, 0},
	} {
		for _, addTo := range []bool{false, true} {
			for range 1000 {
				var before [3]block
				for b := range before {
					for i := range before[b] {
						before[b][i] = random.Uint64()
					}
				}
				var after [2][3]block
				for i, f := range []compressor{compressGeneric, assembly} {
					after[i] = before
					f(&after[i][c.out], &after[i][c.x], &after[i][c.y], addTo)
				}
				if after[0] != after[1] {
					t.Fatalf("%s, addTo %v: the assembly's blocks are not those of Go", c.name, addTo)
				}
			}
		}
	}
}

// Where there is assembly and the CPU can run it, it is what computes.
func TestCompress_usesTheAssembly(t *testing.T) {
	if !cpu.X86.HasAVX2 {
		t.Skip("this CPU has no AVX2, so the assembly is not used")
	}
	blocks := make([]block, 3)
	generic, used := fastest(1000,
		func() { compressGeneric(&blocks[0], &blocks[1], &blocks[2], true) },
		func() { compress(&blocks[0], &blocks[1], &blocks[2], true) })
	if generic < 2*used {
		t.Errorf("a block takes %v, and %v in Go: that is no assembly", used, generic)
	}
}
