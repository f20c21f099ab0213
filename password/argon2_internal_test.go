package password

import (
	"bytes"
	"encoding/hex"
	"math"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
)

func repeated(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }

func TestDerivation_rfc9106Vector(t *testing.T) {
	d := derivation{ // RFC 9106 §5.3
		kind:     argon2idType,
		password: repeated(1, 32), salt: repeated(2, 16), secret: repeated(3, 8), data: repeated(4, 12),
		passes: 3, memoryKiB: 32, lanes: 4, tagLength: 32,
	}
	got := hex.EncodeToString(d.tag(make([]block, d.blockCount())))
	if want := "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"; got != want {
		t.Errorf("tag %s, want %s", got, want)
	}
}

// An implementation by other people, with assembly where we have Go, over the corners of the costs.
func TestDerivation_agreesWithXCrypto(t *testing.T) {
	m := new(memory)
	for _, memoryKiB := range []uint32{8, 9, 31, 64, 300} {
		for _, passes := range []uint32{1, 2, 3} {
			for _, lanes := range []uint32{1, 2, 3, 4} {
				for _, tagLength := range []uint32{4, 32, 64, 65, 128} {
					d := derivation{
						kind: argon2idType, password: repeated('p', int(memoryKiB%71)),
						salt:   repeated('s', 8+int(passes)),
						passes: passes, memoryKiB: memoryKiB, lanes: lanes, tagLength: tagLength,
					}
					got := d.tag(m.take(d.blockCount()))
					want := argon2.IDKey(d.password, d.salt, passes, memoryKiB, uint8(lanes), tagLength)
					if !bytes.Equal(got, want) {
						t.Fatalf("m=%d t=%d p=%d, tag of %d: %x, want %x", memoryKiB, passes, lanes,
							tagLength, got, want)
					}
					d.kind = argon2iType
					got = d.tag(m.take(d.blockCount()))
					want = argon2.Key(d.password, d.salt, passes, memoryKiB, uint8(lanes), tagLength)
					if !bytes.Equal(got, want) {
						t.Fatalf("Argon2i: m=%d t=%d p=%d, tag of %d: %x, want %x", memoryKiB, passes, lanes,
							tagLength, got, want)
					}
				}
			}
		}
	}
}

// The same with any costs and inputs.
func FuzzDerivation(f *testing.F) {
	f.Add([]byte("password"), []byte("somesalt"), uint16(256), uint8(2), uint8(1), uint8(32))
	f.Add([]byte{}, []byte{}, uint16(8), uint8(1), uint8(4), uint8(65))
	f.Add([]byte("p"), []byte("s"), uint16(521), uint8(3), uint8(3), uint8(4))
	m := new(memory)
	f.Fuzz(func(t *testing.T, password, salt []byte, memoryKiB uint16, passes, lanes, tagLength uint8) {
		d := derivation{
			kind: argon2idType, password: password, salt: salt,
			passes: 1 + uint32(passes%4), memoryKiB: 8 + uint32(memoryKiB%256), lanes: 1 + uint32(lanes%4),
			tagLength: 4 + uint32(tagLength),
		}
		got := d.tag(m.take(d.blockCount()))
		want := argon2.IDKey(d.password, d.salt, d.passes, d.memoryKiB, uint8(d.lanes), d.tagLength)
		if !bytes.Equal(got, want) {
			t.Errorf("m=%d t=%d p=%d: %x, want %x", d.memoryKiB, d.passes, d.lanes, got, want)
		}
	})
}

// The memory of a worker is used again without being cleared.
func TestDerivation_doesNotDependOnWhatTheMemoryHeld(t *testing.T) {
	d := derivation{
		kind: argon2idType, password: []byte("p"), salt: repeated('s', 16),
		passes: 2, memoryKiB: 64, lanes: 1, tagLength: 32,
	}
	clean, dirty := make([]block, 64), make([]block, 64)
	for i := range dirty {
		dirty[i][53] = uint64(i) * 0x9e3779b97f4a7c15
	}
	if !bytes.Equal(d.tag(clean), d.tag(dirty)) {
		t.Error("the tag depends on what the memory held before")
	}
}

// A worker's memory is reused and its input is small: hashes put no load on the garbage collector.
func TestDerivation_allocatesNextToNothing(t *testing.T) {
	h := argon2Hash{kind: argon2idType, costs: Params{MemoryKiB: 1024, Passes: 1, Lanes: 1}, salt: repeated('s', 16)}
	var m memory
	h.derive("a password", tagLength, &m)
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.derive("a password", tagLength, &m)
		}
	})
	if got := result.AllocedBytesPerOp(); got > 8<<10 {
		t.Errorf("%d bytes are allocated for one hash in memory that is there", got)
	}
}

// fastest returns the least time that each of two functions took, in turns, so that whatever else
// the machine does meets both.
func fastest(rounds int, one, other func()) (ofOne, ofOther time.Duration) {
	ofOne, ofOther = math.MaxInt64, math.MaxInt64
	for range rounds {
		start := time.Now()
		one()
		between := time.Now()
		other()
		ofOne, ofOther = min(ofOne, between.Sub(start)), min(ofOther, time.Since(between))
	}
	return ofOne, ofOther
}

// bySelf and byXCrypto compute one hash at the default costs in new memory, as a program's first
// log-in does.
func bySelf() {
	d := derivation{
		kind: argon2idType, password: []byte("p"), salt: repeated('s', 16),
		passes: 2, memoryKiB: 19456, lanes: 1, tagLength: 32,
	}
	d.tag(make([]block, d.blockCount()))
}

func byXCrypto() { argon2.IDKey([]byte("p"), repeated('s', 16), 2, 19456, 1, 32) }

func TestDerivation_isAtLeastNineTenthsAsFastAsXCrypto(t *testing.T) {
	own, xcrypto := fastest(25, bySelf, byXCrypto)
	ratio := float64(xcrypto) / float64(own)
	t.Logf("own %v, x/crypto %v: %.2f times as fast", own, xcrypto, ratio)
	if ratio < 0.9 {
		t.Errorf("a hash takes %v and one of x/crypto's %v: only %.2f times as fast", own, xcrypto, ratio)
	}
}

// BenchmarkHash compares with x/crypto's Argon2id in one run, in turns: the last figure is how many
// times as fast this one is, each side at its best.
func BenchmarkHash(b *testing.B) {
	own, xcrypto := fastest(b.N, bySelf, byXCrypto)
	b.ReportMetric(float64(own.Nanoseconds()), "ns/own")
	b.ReportMetric(float64(xcrypto.Nanoseconds()), "ns/xcrypto")
	b.ReportMetric(float64(xcrypto)/float64(own), "xcrypto/own")
}
