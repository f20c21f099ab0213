package password

import (
	"encoding/binary"

	"golang.org/x/crypto/blake2b"
)

// Argon2id and Argon2i of RFC 9106, version 0x13, on the calling goroutine alone and in memory that
// the caller brings.
//
// golang.org/x/crypto/argon2 computes the same functions, and the tests hold this one to it. It
// starts goroutines for the filling, also with one lane, which leaves a worker's low-priority
// thread (see governor.go) for threads of normal priority; and it allocates its memory anew for
// each hash. Both are what the [Governor] must not have. Nearly all the time goes into compressing
// blocks. On amd64 that is assembly for AVX2, which internal/gen writes, so that an honest log-in
// costs no more here than there; elsewhere it is Go, as it is there.
//
// Names are those of RFC 9106 §3.1 and §3.2: the memory is a matrix of lanes, each cut into four
// slices; where a lane and a slice meet is a segment.

const (
	argon2Version = 0x13
	argon2iType   = 1
	argon2idType  = 2
	sliceCount    = 4
	blockWords    = 128
)

// block is 1 KiB: a matrix of 8 rows of 16 words, one row after the other (RFC 9106 §3.5, where a
// register is two of them).
type block [blockWords]uint64

// derivation is the input of Argon2, RFC 9106 §3.1.
type derivation struct {
	kind                         uint32 // argon2iType or argon2idType
	password, salt, secret, data []byte

	passes, memoryKiB, lanes, tagLength uint32

	pause func() // called now and then, where the work can stop for a while; or nil
}

// blockCount is m' of RFC 9106 §3.2: the memory rounded down to whole segments, and not less than
// two blocks each.
func (d *derivation) blockCount() uint32 {
	unit := sliceCount * d.lanes
	return max(d.memoryKiB/unit, 2) * unit
}

// tag returns the tag of d, computed in the first blockCount blocks of memory. What they held does
// not matter; they hold traces of the password afterwards.
func (d *derivation) tag(memory []block) []byte {
	m := matrix{
		kind:    d.kind,
		blocks:  memory[:d.blockCount()],
		lanes:   d.lanes,
		passes:  d.passes,
		laneLen: d.blockCount() / d.lanes,
		pause:   d.pause,
	}
	m.segmentLen = m.laneLen / sliceCount
	m.start(d.seed())
	for pass := range d.passes {
		for slice := range uint32(sliceCount) {
			for lane := range d.lanes {
				m.fill(segment{pass, slice, lane})
			}
		}
	}
	return m.finish(d.tagLength)
}

// seed is H_0 of RFC 9106 §3.2, step 1.
func (d *derivation) seed() [blake2b.Size]byte {
	var b []byte
	for _, n := range []uint32{d.lanes, d.tagLength, d.memoryKiB, d.passes, argon2Version, d.kind} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	for _, field := range [][]byte{d.password, d.salt, d.secret, d.data} {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(field)))
		b = append(b, field...)
	}
	defer clear(b)
	return blake2b.Sum512(b)
}

// matrix is the memory of one derivation.
type matrix struct {
	kind                               uint32
	blocks                             []block // lane after lane
	lanes, passes, laneLen, segmentLen uint32
	pause                              func()
}

// segment is where the filling stands.
type segment struct{ pass, slice, lane uint32 }

// start writes the first two blocks of each lane: RFC 9106 §3.2, steps 3 and 4.
func (m *matrix) start(seed [blake2b.Size]byte) {
	var bytes [8 * blockWords]byte
	for lane := range m.lanes {
		for column := range uint32(2) {
			input := binary.LittleEndian.AppendUint32(seed[:], column)
			input = binary.LittleEndian.AppendUint32(input, lane)
			variableHash(bytes[:], input)
			b := &m.blocks[lane*m.laneLen+column]
			for i := range b {
				b[i] = binary.LittleEndian.Uint64(bytes[8*i:])
			}
		}
	}
}

// finish is steps 7 and 8 of RFC 9106 §3.2: the last column, added up and hashed.
func (m *matrix) finish(tagLength uint32) []byte {
	var sum block
	for lane := range m.lanes {
		last := &m.blocks[(lane+1)*m.laneLen-1]
		for i := range sum {
			sum[i] ^= last[i]
		}
	}
	bytes := make([]byte, 0, 8*blockWords)
	for _, word := range sum {
		bytes = binary.LittleEndian.AppendUint64(bytes, word)
	}
	tag := make([]byte, tagLength)
	variableHash(tag, bytes)
	return tag
}

// fill computes one segment: RFC 9106 §3.2, steps 5 and 6.
func (m *matrix) fill(s segment) {
	// §3.4.1.3: Argon2id chooses its references without looking at the password in the first half of
	// the first pass, Argon2i always.
	independent := m.kind == argon2iType || s.pass == 0 && s.slice < sliceCount/2
	var addresses, counter block
	if independent {
		counter = block{
			uint64(s.pass), uint64(s.lane), uint64(s.slice),
			uint64(len(m.blocks)), uint64(m.passes), uint64(m.kind),
		}
	}
	var index uint32
	if s.pass == 0 && s.slice == 0 {
		index = 2
	}
	for ; index < m.segmentLen; index++ {
		if index%blockWords == 0 && m.pause != nil { // every 30 µs or so
			m.pause()
		}
		if independent && (index%blockWords == 0 || index == 2) {
			nextAddresses(&addresses, &counter, index)
		}
		column := s.slice*m.segmentLen + index
		lane := m.blocks[s.lane*m.laneLen:][:m.laneLen]
		previous := &lane[(column+m.laneLen-1)%m.laneLen]
		random := previous[0]
		if independent {
			random = addresses[index%blockWords]
		}
		reference := &m.blocks[m.reference(s, index, random)]
		compress(&lane[column], previous, reference, s.pass > 0)
	}
}

// nextAddresses computes the references of the next 128 blocks: RFC 9106 §3.4.1.2.
func nextAddresses(addresses, counter *block, index uint32) {
	if index == 2 && counter[6] != 0 {
		return // a later segment's third block, whose references are there
	}
	var zero block
	counter[6]++
	compress(addresses, &zero, counter, false)
	compress(addresses, &zero, addresses, false)
}

// reference returns which block the one at index of s is made from, beside its predecessor: RFC
// 9106 §3.4.2.
func (m *matrix) reference(s segment, index uint32, random uint64) uint32 {
	lane := uint32(random>>32) % m.lanes
	if s.pass == 0 && s.slice == 0 {
		lane = s.lane
	}
	start, size := uint32(0), s.slice*m.segmentLen
	if s.pass > 0 {
		start = (s.slice + 1) % sliceCount * m.segmentLen
		size = m.laneLen - m.segmentLen
	}
	switch {
	case lane == s.lane:
		size += index - 1
	case index == 0:
		size--
	}
	j := random & 0xffffffff
	x := j * j >> 32
	y := uint64(size) * x >> 32
	column := (start + size - 1 - uint32(y)) % m.laneLen
	return lane*m.laneLen + column
}

// variableHash is H' of RFC 9106 §3.3: BLAKE2b for an output of any length, which out's length
// sets.
func variableHash(out, in []byte) {
	in = append(binary.LittleEndian.AppendUint32(nil, uint32(len(out))), in...)
	if len(out) <= blake2b.Size {
		short, err := blake2b.New(len(out), nil)
		if err != nil {
			panic("password: BLAKE2b of " + err.Error()) // unreachable: 1 to 64 bytes and no key
		}
		short.Write(in)
		short.Sum(out[:0])
		return
	}
	v := blake2b.Sum512(in)
	for {
		copy(out, v[:blake2b.Size/2])
		out = out[blake2b.Size/2:]
		if len(out) <= blake2b.Size {
			break
		}
		v = blake2b.Sum512(v[:])
	}
	last, err := blake2b.New(len(out), nil)
	if err != nil {
		panic("password: BLAKE2b of " + err.Error()) // unreachable: 33 to 64 bytes and no key
	}
	last.Write(v[:])
	last.Sum(out[:0])
}
