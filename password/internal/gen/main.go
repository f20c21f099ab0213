// Command gen writes password/argon2_avx2_amd64.s, the compression of Argon2id for CPUs with AVX2,
// and its declaration. It is a module of its own, so that those who use the library do not get avo.
// To run it: go generate ./password
//
// A register of AVX2 is four words. RFC 9106 §3.6 permutes 16 words, as a matrix of four rows a, b,
// c, d; both passes of §3.5 keep two such matrices in eight registers, so that one works while the
// other waits for its multiplications.
//
//   - A row of the block is 16 words in sequence: each row of its matrix is one register.
//   - A column of the block is two words of each of its eight rows. A register is loaded from one row of the block, so
//     it holds two words of one column and two of the next, and a row of the matrix is two registers, one beside the
//     other.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	blockSize    = 1024 // bytes
	rowSize      = 128
	registerSize = 32
)

// matrix is two registers for each of the rows a, b, c and d.
type matrix struct{ a, b, c, d [2]reg.VecVirtual }

func newMatrix() *matrix {
	m := new(matrix)
	for i := range 2 {
		m.a[i], m.b[i], m.c[i], m.d[i] = YMM(), YMM(), YMM(), YMM()
	}
	return m
}

// rotations holds the byte orders that turn each word to the right by 24 and by 16 bits.
type rotations struct{ by24, by16 Mem }

func main() {
	ConstraintExpr("!purego")
	rotate := rotations{
		by24: byteOrder("rotate24", 3),
		by16: byteOrder("rotate16", 2),
	}

	TEXT("compressAVX2", 0, "func(out, x, y *[128]uint64, addTo bool)")
	Pragma("noescape")
	Doc("compressAVX2 is compress for a CPU that has AVX2.")
	out := Load(Param("out"), GP64())
	x := Load(Param("x"), GP64())
	y := Load(Param("y"), GP64())
	addTo := Load(Param("addTo"), GP8())

	// A stack need not be aligned to what a register holds.
	between := GP64()
	LEAQ(AllocLocal(blockSize+registerSize), between)
	ADDQ(U32(registerSize-1), between)
	ANDQ(I32(-registerSize), between)

	rows(between, x, y, rotate)
	columns(out, x, y, between, addTo, rotate)
	VZEROUPPER()
	RET()
	Generate()
}

// byteOrder is an operand for VPSHUFB by which each word is turned by so many bytes.
func byteOrder(name string, by int) Mem {
	order := GLOBL(name, RODATA|NOPTR)
	for word := 0; word < registerSize; word += 8 {
		var from uint64 // for each byte of the word, in the half of the register that it is in
		for i := range 8 {
			from |= uint64(word%16+(i+by)%8) << (8 * i)
		}
		DATA(word, U64(from))
	}
	return order
}

// rows permutes x ^ y row by row, two rows a turn, and leaves the result in between.
func rows(between, x, y reg.Register, rotate rotations) {
	offset := GP64()
	XORQ(offset, offset)
	Label("rows")
	m := newMatrix()
	at := func(block reg.Register, row, register int) Mem {
		return Mem{Base: block, Index: offset, Scale: 1, Disp: row*rowSize + register*registerSize}
	}
	for i := range 2 {
		for j, r := range []reg.VecVirtual{m.a[i], m.b[i], m.c[i], m.d[i]} {
			VMOVDQU(at(x, i, j), r)
			VPXOR(at(y, i, j), r, r)
		}
	}
	m.mix(rotate)
	for i := range 2 {
		VPERMQ(Imm(0b00_11_10_01), m.b[i], m.b[i]) // to the left by one
		VPERMQ(Imm(0b01_00_11_10), m.c[i], m.c[i]) // by two
		VPERMQ(Imm(0b10_01_00_11), m.d[i], m.d[i]) // by three
	}
	m.mix(rotate)
	for i := range 2 {
		VPERMQ(Imm(0b10_01_00_11), m.b[i], m.b[i])
		VPERMQ(Imm(0b01_00_11_10), m.c[i], m.c[i])
		VPERMQ(Imm(0b00_11_10_01), m.d[i], m.d[i])
	}
	for i := range 2 {
		for j, r := range []reg.VecVirtual{m.a[i], m.b[i], m.c[i], m.d[i]} {
			VMOVDQA(r, at(between, i, j))
		}
	}
	ADDQ(U32(2*rowSize), offset)
	CMPQ(offset, U32(blockSize))
	JNE(LabelRef("rows"))
}

// columns permutes between column by column, two columns a turn, and writes out: what is between, x
// and y added up, and what out was if addTo is set. out may be x or y: a place is read before it is
// written, and not again.
func columns(out, x, y, between reg.Register, addTo reg.Register, rotate rotations) {
	offset := GP64()
	XORQ(offset, offset)
	Label("columns")
	m := newMatrix()
	registers := []reg.VecVirtual{m.a[0], m.a[1], m.b[0], m.b[1], m.c[0], m.c[1], m.d[0], m.d[1]}
	at := func(block reg.Register, row int) Mem {
		return Mem{Base: block, Index: offset, Scale: 1, Disp: row * rowSize}
	}
	for row, r := range registers {
		VMOVDQA(at(between, row), r)
	}
	m.mix(rotate)
	rotateLeft(&m.b)
	m.c[0], m.c[1] = m.c[1], m.c[0]
	rotateRight(&m.d)
	m.mix(rotate)
	rotateRight(&m.b)
	m.c[0], m.c[1] = m.c[1], m.c[0]
	rotateLeft(&m.d)

	registers = []reg.VecVirtual{m.a[0], m.a[1], m.b[0], m.b[1], m.c[0], m.c[1], m.d[0], m.d[1]}
	for row, r := range registers {
		VPXOR(at(x, row), r, r)
		VPXOR(at(y, row), r, r)
	}
	TESTB(addTo, addTo)
	JZ(LabelRef("write"))
	for row, r := range registers {
		VPXOR(at(out, row), r, r)
	}
	Label("write")
	for row, r := range registers {
		VMOVDQU(r, at(out, row))
	}
	ADDQ(U32(registerSize), offset)
	CMPQ(offset, U32(rowSize))
	JNE(LabelRef("columns"))
}

// rotateLeft turns a row of four words, in the same half of two registers, by one word; rotateRight
// turns it back.
func rotateLeft(row *[2]reg.VecVirtual) {
	first, second := YMM(), YMM()
	VPALIGNR(Imm(8), row[0], row[1], first)
	VPALIGNR(Imm(8), row[1], row[0], second)
	row[0], row[1] = first, second
}

func rotateRight(row *[2]reg.VecVirtual) {
	first, second := YMM(), YMM()
	VPALIGNR(Imm(8), row[1], row[0], first)
	VPALIGNR(Imm(8), row[0], row[1], second)
	row[0], row[1] = first, second
}

// mix is GB of RFC 9106 §3.6 on each column of the matrix.
func (m *matrix) mix(rotate rotations) {
	multiplyAdd(&m.a, &m.b)
	each(func(i int) { VPXOR(m.a[i], m.d[i], m.d[i]) })
	each(func(i int) { VPSHUFD(Imm(0b10_11_00_01), m.d[i], m.d[i]) }) // by 32 bits
	multiplyAdd(&m.c, &m.d)
	each(func(i int) { VPXOR(m.c[i], m.b[i], m.b[i]) })
	each(func(i int) { VPSHUFB(rotate.by24, m.b[i], m.b[i]) })
	multiplyAdd(&m.a, &m.b)
	each(func(i int) { VPXOR(m.a[i], m.d[i], m.d[i]) })
	each(func(i int) { VPSHUFB(rotate.by16, m.d[i], m.d[i]) })
	multiplyAdd(&m.c, &m.d)
	each(func(i int) { VPXOR(m.c[i], m.b[i], m.b[i]) })
	// To the right by 63 bits is to the left by one.
	carry := [2]reg.VecVirtual{YMM(), YMM()}
	each(func(i int) { VPSRLQ(Imm(63), m.b[i], carry[i]) })
	each(func(i int) { VPADDQ(m.b[i], m.b[i], m.b[i]) })
	each(func(i int) { VPXOR(carry[i], m.b[i], m.b[i]) })
}

// multiplyAdd makes u the sum of u, v and twice the product of their lower halves.
func multiplyAdd(u, v *[2]reg.VecVirtual) {
	product := [2]reg.VecVirtual{YMM(), YMM()}
	each(func(i int) { VPMULUDQ(u[i], v[i], product[i]) })
	each(func(i int) { VPADDQ(v[i], u[i], u[i]) })
	each(func(i int) { VPADDQ(product[i], product[i], product[i]) })
	each(func(i int) { VPADDQ(product[i], u[i], u[i]) })
}

func each(step func(i int)) {
	step(0)
	step(1)
}
