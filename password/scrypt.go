package password

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
)

// Scrypt of RFC 7914, on the calling goroutine alone and in memory that the caller brings.
//
// golang.org/x/crypto/scrypt computes the same function, and the tests hold this one to it. It takes
// its memory from the heap anew for each hash, up to 256 MiB here, and cannot give way to others in
// the middle; the [Governor] counts memory and has its jobs give way.

// Ceilings of scrypt.
const (
	maxScryptMemory = maxMemoryKiB << 10 // bytes: 128·N·r
	maxScryptFill   = 512 << 20          // bytes: 128·N·r·p, a second and a half of work
	maxScryptBlocks = 64                 // r
	maxScryptLanes  = 64                 // p
)

// scryptCosts are the costs of scrypt, RFC 7914 §2.
type scryptCosts struct{ n, r, p uint32 }

// scryptHash is a hash of scrypt in any spelling.
type scryptHash struct {
	foreign
	costs     scryptCosts
	salt, tag []byte
}

// newScrypt checks the lengths and the costs.
func newScrypt(c scryptCosts, salt, tag []byte) (*scryptHash, error) {
	if err := c.withinCeilings(); err != nil {
		return nil, err
	}
	if len(salt) > maxSalt || len(tag) < minTag || len(tag) > maxTag {
		return nil, malformed("length out of range")
	}
	return &scryptHash{costs: c, salt: salt, tag: tag}, nil
}

func (c scryptCosts) withinCeilings() error {
	switch {
	case c.n < 2 || bits.OnesCount32(c.n) != 1:
		return malformed("N is no power of two")
	case c.r < 1 || c.r > maxScryptBlocks || c.p < 1 || c.p > maxScryptLanes:
		return malformed("r or p out of range")
	case uint64(c.n)*uint64(c.r)*128 > maxScryptMemory:
		return malformed("memory out of range")
	case uint64(c.n)*uint64(c.r)*uint64(c.p)*128 > maxScryptFill:
		return malformed("memory times p out of range")
	}
	return nil
}

// parseScrypt reads "$scrypt$ln=16,r=8,p=1$salt$tag", which passlib and others write.
func parseScrypt(encoded string) (stored, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 5 {
		return nil, malformed("not four parts")
	}
	values, err := numbers(parts[2], ",", "ln=", "r=", "p=")
	if err != nil {
		return nil, err
	}
	if values[0] > 30 {
		return nil, malformed("memory out of range")
	}
	salt, err := decodeBase64(parts[3], 0, maxSalt)
	if err != nil {
		return nil, fmt.Errorf("%w (salt)", err)
	}
	tag, err := decodeBase64(parts[4], minTag, maxTag)
	if err != nil {
		return nil, fmt.Errorf("%w (tag)", err)
	}
	return newScrypt(scryptCosts{1 << values[0], values[1], values[2]}, salt, tag)
}

func (h *scryptHash) matches(password string, m *memory) bool {
	tag, err := h.costs.derive(password, h.salt, len(h.tag), m)
	return err == nil && equal(h.tag, tag) && !isAmbiguous(password)
}

// decodePadded takes base64 with padding, in the one spelling that a sequence of bytes has.
func decodePadded(text string, shortest, longest int) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(b) != text {
		return nil, malformed("not base64")
	}
	if len(b) < shortest || len(b) > longest {
		return nil, malformed("length out of range")
	}
	return b, nil
}

// derive is scrypt, RFC 7914 §6. There is an error only in a program that allows no other algorithms
// than those of FIPS 140.
func (c scryptCosts) derive(password string, salt []byte, length int, m *memory) ([]byte, error) {
	size := 128 * int(c.r)
	mixed, err := pbkdf2.Key(sha256.New, password, salt, 1, size*int(c.p))
	if err != nil {
		return nil, err
	}
	rows := m.take((c.n*c.r + 7) / 8)
	for lane := range int(c.p) {
		c.mix(mixed[lane*size:][:size], rows, m.pause)
	}
	return pbkdf2.Key(sha256.New, password, mixed, 1, length)
}

// mix is scryptROMix, RFC 7914 §5. Row i of the memory is what x was after i steps: 2·r chunks of 64
// bytes.
func (c scryptCosts) mix(b []byte, rows []block, pause func()) {
	x := make([]salsaBlock, 2*c.r)
	y := make([]salsaBlock, 2*c.r)
	for i := range x {
		for j := range x[i] {
			x[i][j] = binary.LittleEndian.Uint32(b[64*i+4*j:])
		}
	}
	for i := range c.n {
		giveWay(pause, i*c.r)
		for chunk := range x {
			x[chunk].store(rowChunk(rows, i*2*c.r+uint32(chunk)))
		}
		x, y = blockMix(x, y)
	}
	for i := range c.n {
		giveWay(pause, i*c.r)
		row := x[2*c.r-1][0] & (c.n - 1)
		for chunk := range x {
			x[chunk].xorStored(rowChunk(rows, row*2*c.r+uint32(chunk)))
		}
		x, y = blockMix(x, y)
	}
	for i := range x {
		for j, word := range x[i] {
			binary.LittleEndian.PutUint32(b[64*i+4*j:], word)
		}
	}
}

// giveWay calls pause every 256 blocks or so: 100 µs.
func giveWay(pause func(), done uint32) {
	if pause != nil && done%256 == 0 {
		pause()
	}
}

// rowChunk returns the chunk of 64 bytes with that number.
func rowChunk(rows []block, number uint32) *[8]uint64 {
	return (*[8]uint64)(rows[number/16][number%16*8:])
}

// salsaBlock is 64 bytes, as the function of Salsa20 sees them.
type salsaBlock [16]uint32

func (b *salsaBlock) store(chunk *[8]uint64) {
	for i := range chunk {
		chunk[i] = uint64(b[2*i]) | uint64(b[2*i+1])<<32
	}
}

func (b *salsaBlock) xorStored(chunk *[8]uint64) {
	for i, word := range chunk {
		b[2*i] ^= uint32(word)
		b[2*i+1] ^= uint32(word >> 32)
	}
}

// blockMix is scryptBlockMix, RFC 7914 §4. It returns the result, which is in y, and x for the next
// time.
func blockMix(x, y []salsaBlock) (mixed, free []salsaBlock) {
	half := len(x) / 2
	sum := x[len(x)-1]
	for i := range x {
		for j := range sum {
			sum[j] ^= x[i][j]
		}
		sum.salsa()
		y[i/2+i%2*half] = sum
	}
	return y, x
}

// salsa is Salsa20/8, RFC 7914 §3. Its words are variables, since Go keeps no array in registers.
func (b *salsaBlock) salsa() {
	x0, x1, x2, x3, x4, x5, x6, x7 := b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]
	x8, x9, x10, x11, x12, x13, x14, x15 := b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]
	for range 4 {
		x0, x4, x8, x12 = quarter(x0, x4, x8, x12)
		x5, x9, x13, x1 = quarter(x5, x9, x13, x1)
		x10, x14, x2, x6 = quarter(x10, x14, x2, x6)
		x15, x3, x7, x11 = quarter(x15, x3, x7, x11)

		x0, x1, x2, x3 = quarter(x0, x1, x2, x3)
		x5, x6, x7, x4 = quarter(x5, x6, x7, x4)
		x10, x11, x8, x9 = quarter(x10, x11, x8, x9)
		x15, x12, x13, x14 = quarter(x15, x12, x13, x14)
	}
	for i, x := range [...]uint32{x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15} {
		b[i] += x
	}
}

func quarter(a, b, c, d uint32) (_, _, _, _ uint32) {
	b ^= bits.RotateLeft32(a+d, 7)
	c ^= bits.RotateLeft32(b+a, 9)
	d ^= bits.RotateLeft32(c+b, 13)
	a ^= bits.RotateLeft32(d+c, 18)
	return a, b, c, d
}
