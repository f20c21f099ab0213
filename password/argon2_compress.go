package password

import "math/bits"

// compressGeneric is compress in Go, for any CPU.
func compressGeneric(out, x, y *block, addTo bool) {
	var q block
	for i := range q {
		q[i] = x[i] ^ y[i]
	}
	for row := range uint(8) {
		permute(&q, 16*row, 2)
	}
	for column := range uint(8) {
		permute(&q, 2*column, 16)
	}
	if addTo {
		for i := range q {
			out[i] ^= x[i] ^ y[i] ^ q[i]
		}
		return
	}
	for i := range q {
		out[i] = x[i] ^ y[i] ^ q[i]
	}
}

// permute is P of RFC 9106 §3.6, on the eight pairs of words of q that start at a word and are a
// step apart. The remainders change nothing: they tell the compiler that it need not check the
// bounds.
func permute(q *block, at, step uint) {
	v0, v1 := q[at%blockWords], q[(at+1)%blockWords]
	v2, v3 := q[(at+step)%blockWords], q[(at+step+1)%blockWords]
	v4, v5 := q[(at+2*step)%blockWords], q[(at+2*step+1)%blockWords]
	v6, v7 := q[(at+3*step)%blockWords], q[(at+3*step+1)%blockWords]
	v8, v9 := q[(at+4*step)%blockWords], q[(at+4*step+1)%blockWords]
	v10, v11 := q[(at+5*step)%blockWords], q[(at+5*step+1)%blockWords]
	v12, v13 := q[(at+6*step)%blockWords], q[(at+6*step+1)%blockWords]
	v14, v15 := q[(at+7*step)%blockWords], q[(at+7*step+1)%blockWords]

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

	q[at%blockWords], q[(at+1)%blockWords] = v0, v1
	q[(at+step)%blockWords], q[(at+step+1)%blockWords] = v2, v3
	q[(at+2*step)%blockWords], q[(at+2*step+1)%blockWords] = v4, v5
	q[(at+3*step)%blockWords], q[(at+3*step+1)%blockWords] = v6, v7
	q[(at+4*step)%blockWords], q[(at+4*step+1)%blockWords] = v8, v9
	q[(at+5*step)%blockWords], q[(at+5*step+1)%blockWords] = v10, v11
	q[(at+6*step)%blockWords], q[(at+6*step+1)%blockWords] = v12, v13
	q[(at+7*step)%blockWords], q[(at+7*step+1)%blockWords] = v14, v15
}

// mixFirst and mixSecond are the halves of GB of RFC 9106 §3.6; whole, it is too large for the
// compiler to inline.
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
