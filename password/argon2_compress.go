package password

import "math/bits"

// compress is G of RFC 9106 §3.5: out becomes the compression of x and y, added to what out was when addTo is set
// (from the second pass on, §3.2 step 6). out may be x or y.
func compress(out, x, y *block, addTo bool) {
	var q block
	for i := range q {
		for j := range q[i] {
			q[i][j] = x[i][j] ^ y[i][j]
		}
		permute(&q[i])
	}
	var v [16]uint64
	for j := 0; j < 16; j += 2 {
		for i := range q {
			v[2*i], v[2*i+1] = q[i][j], q[i][j+1]
		}
		permute(&v)
		for i := range q {
			q[i][j], q[i][j+1] = v[2*i], v[2*i+1]
		}
	}
	for i := range q {
		for j := range q[i] {
			sum := x[i][j] ^ y[i][j] ^ q[i][j]
			if addTo {
				sum ^= out[i][j]
			}
			out[i][j] = sum
		}
	}
}

// permute is P of RFC 9106 §3.6.
func permute(v *[16]uint64) {
	v0, v1, v2, v3 := v[0], v[1], v[2], v[3]
	v4, v5, v6, v7 := v[4], v[5], v[6], v[7]
	v8, v9, v10, v11 := v[8], v[9], v[10], v[11]
	v12, v13, v14, v15 := v[12], v[13], v[14], v[15]

	v0, v4, v8, v12 = mixFirst(v0, v4, v8, v12)
	v0, v4, v8, v12 = mixSecond(v0, v4, v8, v12)
	v1, v5, v9, v13 = mixFirst(v1, v5, v9, v13)
	v1, v5, v9, v13 = mixSecond(v1, v5, v9, v13)
	v2, v6, v10, v14 = mixFirst(v2, v6, v10, v14)
	v2, v6, v10, v14 = mixSecond(v2, v6, v10, v14)
	v3, v7, v11, v15 = mixFirst(v3, v7, v11, v15)
	v3, v7, v11, v15 = mixSecond(v3, v7, v11, v15)

	v0, v5, v10, v15 = mixFirst(v0, v5, v10, v15)
	v0, v5, v10, v15 = mixSecond(v0, v5, v10, v15)
	v1, v6, v11, v12 = mixFirst(v1, v6, v11, v12)
	v1, v6, v11, v12 = mixSecond(v1, v6, v11, v12)
	v2, v7, v8, v13 = mixFirst(v2, v7, v8, v13)
	v2, v7, v8, v13 = mixSecond(v2, v7, v8, v13)
	v3, v4, v9, v14 = mixFirst(v3, v4, v9, v14)
	v3, v4, v9, v14 = mixSecond(v3, v4, v9, v14)

	v[0], v[1], v[2], v[3] = v0, v1, v2, v3
	v[4], v[5], v[6], v[7] = v4, v5, v6, v7
	v[8], v[9], v[10], v[11] = v8, v9, v10, v11
	v[12], v[13], v[14], v[15] = v12, v13, v14, v15
}

// mixFirst and mixSecond are the halves of GB of RFC 9106 §3.6; whole, it is too large for the compiler to inline.
func mixFirst(a, b, c, d uint64) (uint64, uint64, uint64, uint64) {
	a += b + 2*uint64(uint32(a))*uint64(uint32(b))
	d = bits.RotateLeft64(d^a, -32)
	c += d + 2*uint64(uint32(c))*uint64(uint32(d))
	b = bits.RotateLeft64(b^c, -24)
	return a, b, c, d
}

func mixSecond(a, b, c, d uint64) (uint64, uint64, uint64, uint64) {
	a += b + 2*uint64(uint32(a))*uint64(uint32(b))
	d = bits.RotateLeft64(d^a, -16)
	c += d + 2*uint64(uint32(c))*uint64(uint32(d))
	b = bits.RotateLeft64(b^c, -63)
	return a, b, c, d
}
