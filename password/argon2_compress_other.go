//go:build !amd64 || purego

package password

// compress is G of RFC 9106 §3.5: out becomes the compression of x and y, added to what out was
// when addTo is set (from the second pass on, §3.2 step 6). out may be x or y.
func compress(out, x, y *block, addTo bool) { compressGeneric(out, x, y, addTo) }
